"""Every rule against the forward pass of SLAYER's own neuron: every register and every spike at every step."""

import numpy as np
import pytest
import strategies as some
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeproof.contract.fixed import STATE_MAX
from spikeproof.contract.neurons.adrf import ADRF
from spikeproof.contract.neurons.adrf_iz import ADRFIZ
from spikeproof.contract.neurons.alif import ALIF
from spikeproof.contract.neurons.rf import RF
from spikeproof.contract.neurons.rf_iz import RFIZ
from spikeproof.export.slayer.registers import variables
from spikeproof.lava_procs import compat
from spikeproof.sim import reference

compat.apply()
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")

N, STEPS, SCALE = 4, 40, 64

SLAYER_NAMES = {
    "u_decay": "current_decay", "v_decay": "voltage_decay", "th_decay": "threshold_decay",
    "ref_decay": "refractory_decay", "sin_decay": "sin_decay", "cos_decay": "cos_decay",
}  # fmt: skip
FAMILIES = {
    "alif": (ALIF, {"current_decay": 0, "voltage_decay": 0, "threshold_decay": 0, "refractory_decay": 0}),
    "adrf": (ADRF, {"period": 4, "decay": 0, "threshold_decay": 0, "refractory_decay": 0}),
    "adrf_iz": (ADRFIZ, {"period": 4, "decay": 0, "threshold_decay": 0, "refractory_decay": 0}),
    "rf": (RF, {"period": 4, "decay": 0}),
    "rf_iz": (RFIZ, {"period": 4, "decay": 0}),
}
"""Family -> its record, and SLAYER's parameters that are replaced by the very integers."""


def decays_of(kind, draw):
    """Decays of any value, one or one a neuron; a rotation's inside the unit circle, as SLAYER keeps it."""
    if kind is ALIF:
        names = ("u_decay", "v_decay", "th_decay", "ref_decay")
        return {name: draw(some.decays | some.arrays(some.decays, N)) for name in names}
    angle = np.array(draw(st.lists(st.floats(0, np.pi / 2), min_size=N, max_size=N)))
    kept = np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 0.9, 0.99, 4095 / 4096]), min_size=N, max_size=N)))
    rotation = {
        "sin_decay": np.maximum(1, np.round(4096 * kept * np.sin(angle))).astype(int),
        "cos_decay": np.round(4096 * kept * np.cos(angle)).astype(int),
    }
    if kind in (ADRF, ADRFIZ):
        rotation |= {name: draw(some.decays | some.arrays(some.decays, N)) for name in ("th_decay", "ref_decay")}
    return rotation


def both(family, decays, sums, *, threshold, step, graded):
    """What the contract and SLAYER's forward pass make of dendritic sums, as variables of shape (1, N, STEPS)."""
    kind, replaced = FAMILIES[family]
    adapts = "th_decay" in decays
    options = {"threshold_step": step / SCALE} if adapts else {}
    neuron = getattr(slayer.neuron, family).Neuron(
        threshold=threshold / SCALE, graded_spike=graded, **options, **replaced
    )
    for name, value in decays.items():
        getattr(neuron, SLAYER_NAMES[name]).data = torch.tensor(np.atleast_1d(value), dtype=torch.float32)
    more = {"v_th_step": neuron.v_th_step} if adapts else {}
    params = kind(num_neurons=N, v_th_mant=neuron.v_th_mant, graded=graded, **decays, **more)
    dendrites = torch.tensor(sums.transpose(1, 2, 0) / SCALE, dtype=torch.float32)
    ours = reference.scan(params, sums, None)
    theirs = variables(kind, neuron, tuple(dendrites.chunk(2, 1)) if kind.sums == 2 else dendrites)
    return ours, theirs


def random_sums(random, num_sums, size, density):
    """Dendritic sums as weights of step 2 make them."""
    sums = 2 * random.integers(-size // 3, size, (STEPS, 1, num_sums))
    return sums * (random.random(sums.shape) < density)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=30)
@given(data=st.data())
def test_any_neuron_is_slayers_forward(family, data):
    kind = FAMILIES[family][0]
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    size, density = data.draw(st.sampled_from((30, 200, 1500))), data.draw(st.sampled_from((0.2, 0.7)))

    ours, theirs = both(
        family,
        decays_of(kind, data.draw),
        random_sums(random, N * kind.sums, size, density),
        threshold=data.draw(some.edged(0, 2**13, 64, 4096)),
        step=data.draw(some.edged(0, 2**10, 16)),
        graded=data.draw(st.booleans()),
    )

    if max(np.abs(ours[name]).max() for name in kind.registers) < STATE_MAX:
        for name, values in ours.items():
            assert np.array_equal(values, theirs[name]), name


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_neurons_that_fire_are_slayers_forward(family, graded):
    kind = FAMILIES[family][0]
    for seed in range(10):
        random = np.random.default_rng(seed)
        if kind is ALIF:
            decays = dict(zip(("u_decay", "v_decay"), random.integers(100, 3000, (2, N)), strict=True))
        else:
            angle, kept = random.uniform(0.2, 1.2, N), random.uniform(3400, 4095, N)
            decays = {"sin_decay": np.round(kept * np.sin(angle)), "cos_decay": np.round(kept * np.cos(angle))}
        if kind in (ALIF, ADRF, ADRFIZ):
            decays |= dict(zip(("th_decay", "ref_decay"), random.integers(100, 4000, (2, N)), strict=True))
        sums = random_sums(random, N * kind.sums, 100, 0.4)

        ours, theirs = both(family, decays, sums, threshold=int(random.integers(20, 60)), step=9, graded=graded)

        assert np.count_nonzero(ours["s"]) > 5
        for name, values in ours.items():
            assert np.array_equal(values, theirs[name]), name


@pytest.mark.parametrize("family", ["alif", "adrf"])
def test_a_threshold_that_is_met_exactly_fires(family):
    decays = {name: 4096 for name in ("u_decay", "v_decay", "th_decay", "ref_decay")}
    if family == "adrf":
        decays = {"sin_decay": 1, "cos_decay": 4095, "th_decay": 4096, "ref_decay": 4096}
    sums = np.zeros((STEPS, 1, N * FAMILIES[family][0].sums), int)
    sums[2, 0, :N] = [62, 64, 66, 0]
    if family == "adrf":
        sums[1, 0, N:], sums[2, 0, N:] = -2, 2

    ours, theirs = both(family, decays, sums, threshold=64, step=4, graded=False)

    assert ours["s"][0, :, 2].tolist() == [0, 1, 1, 0]
    assert np.array_equal(ours["s"], theirs["s"])

"""Every rule against the forward pass of SLAYER's own neuron: every register and every spike at every step."""

import numpy as np
import pytest
import strategies as some
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeproof.contract import alif
from spikeproof.lava_procs import compat

compat.apply()
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")

N, STEPS, SCALE = 4, 40, 64
UNIT = 64 * SCALE


def sums_of(data):
    """Dendritic sums as weights of step 2 make them; from tame to large ones."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    size = data.draw(st.sampled_from((30, 200, 1500)))
    sums = 2 * random.integers(-size // 3, size, (STEPS, N))
    return sums * (random.random((STEPS, N)) < data.draw(st.sampled_from((0.2, 0.7))))


def run(rules, params, sums):
    """The contract's spikes and state fields, each of shape (STEPS, N)."""
    state, rows = rules.reset(params), []
    for x in sums:
        sent, state = rules.step(params, state, x)
        rows.append((sent, *state))
    return [np.array(column) for column in zip(*rows, strict=True)]


def as_input(sums):
    return torch.tensor(sums.T[None] / SCALE, dtype=torch.float32)


def integers(x):
    return np.round(x[0].detach().double().numpy().T * UNIT).astype(np.int64)


def set_decays(neuron, **decays):
    """Give a SLAYER neuron the very integers, one or one a neuron."""
    for name, value in decays.items():
        getattr(neuron, name).data = torch.tensor(np.atleast_1d(value), dtype=torch.float32)


@settings(max_examples=40)
@given(st.data())
def test_alif_is_slayers_forward(data):
    decay = some.decays | some.arrays(some.decays, N)
    u, v, th, ref = (data.draw(decay) for _ in range(4))
    threshold = data.draw(some.edged(0, 2**13, 64, 4096))
    step = data.draw(some.edged(0, 2**10, 16))
    graded = data.draw(st.booleans())
    neuron = slayer.neuron.alif.Neuron(
        threshold=threshold / SCALE, threshold_step=step / SCALE, current_decay=0, voltage_decay=0, threshold_decay=0,
        refractory_decay=0, graded_spike=graded,
    )  # fmt: skip
    set_decays(neuron, current_decay=u, voltage_decay=v, threshold_decay=th, refractory_decay=ref)
    sums = sums_of(data)
    params = alif.ALIF(
        num_neurons=N, u_decay=u, v_decay=v, th_decay=th, ref_decay=ref, v_th_mant=neuron.v_th_mant,
        v_th_step=neuron.v_th_step, graded=graded,
    )  # fmt: skip

    sent, *state, s = run(alif, params, sums)
    theirs = neuron.dynamics(as_input(sums))

    assert (s == (sent != 0)).all() or (graded and threshold == 0)
    expected = integers(neuron.spike(*theirs[1:])) if graded else neuron.spike(*theirs[1:])[0].numpy().T
    if max(np.abs(register).max() for register in state) < 2**23 - 1:
        for ours, their in zip(state, theirs, strict=True):
            assert np.array_equal(ours, integers(their))
        assert np.array_equal(sent, expected)

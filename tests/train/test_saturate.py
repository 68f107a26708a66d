"""SLAYER neurons that saturate compute what the contract does, past both ends of every register."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeproof
from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.fixed import STATE_MAX
from spikeproof.export.slayer.neurons import READERS
from spikeproof.export.slayer.registers import variables
from spikeproof.export.slayer.synapses import forward
from spikeproof.lava_procs import compat
from spikeproof.sim import reference
from spikeproof.sim.verify.verify import verify

compat.apply()
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")

N, STEPS, SCALE = 4, 40, 64
ADAPTIVE = {"threshold_step": 3.0, "threshold_decay": 0.1, "refractory_decay": 0.2}
FAMILIES = {
    "cuba": {"current_decay": 0.1, "voltage_decay": 0.02},
    "alif": {"current_decay": 0.1, "voltage_decay": 0.02, **ADAPTIVE},
    "rf": {"period": 30.0, "decay": 0.01},
    "rf_iz": {"period": 30.0, "decay": 0.01},
    "adrf": {"period": 30.0, "decay": 0.01, **ADAPTIVE},
    "adrf_iz": {"period": 30.0, "decay": 0.01, **ADAPTIVE},
}


def neuron_of(family, threshold, **changes):
    return getattr(slayer.neuron, family).Neuron(threshold=threshold, **FAMILIES[family] | changes).eval()


def both(family, neuron, sums):
    """What the contract and a SLAYER neuron make of dendritic sums of shape (STEPS, 1, sums)."""
    params = READERS[family](neuron, (N,), 0)
    dendrites = torch.tensor(sums.transpose(1, 2, 0) / SCALE, dtype=torch.float32)
    parts = tuple(dendrites.chunk(2, 1)) if params.sums == 2 else dendrites
    neuron.shape = None
    return reference.scan(params, sums, None), variables(type(params), neuron, parts)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_sums_give_the_contracts_registers(family, data):
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    size = data.draw(st.sampled_from((300, 2**12, 2**14, 2**16)))
    neuron = neuron_of(family, data.draw(st.sampled_from((0.5, 20.0, 60.0))), graded_spike=data.draw(st.booleans()))
    count = N * (2 if hasattr(neuron, "sin_decay") else 1)
    ends = np.array([size, -size, 2, -2, 0])
    sums = np.where(
        random.random((STEPS, 1, count)) < 0.5,
        random.choice(ends, (STEPS, 1, count)),
        2 * random.integers(-size // 2, size // 2, (STEPS, 1, count)),
    )
    if data.draw(st.booleans()):  # all to one side
        sums = np.abs(sums) * data.draw(st.sampled_from((-1, 1)))

    with spikeproof.saturate(neuron):
        ours, theirs = both(family, neuron, sums)

    for name, values in ours.items():
        assert np.array_equal(values, theirs[name]), name


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("family", FAMILIES)
def test_both_ends_are_reached_and_stock_passes_them(family, sign):
    neuron = neuron_of(family, 60.0)
    sums = np.zeros((STEPS, 1, N * (2 if hasattr(neuron, "sin_decay") else 1)), int)
    sums[:, :, :N] = sign * 2**12
    sums[::10, :, :N] = sign * (2**17 + 2)  # one past the end of a register in a single step

    with spikeproof.saturate(neuron):
        ours, theirs = both(family, neuron, sums)
    _, stock = both(family, neuron, sums)

    left = [name for name in ours if np.abs(stock[name]).max() > STATE_MAX]
    assert left and all(np.abs(ours[name]).max() <= STATE_MAX + 1 for name in ours)
    assert all(np.array_equal(values, theirs[name]) for name, values in ours.items())
    assert not all(np.array_equal(values, stock[name]) for name, values in ours.items())


def net(kinds, seed=0):
    torch.manual_seed(seed)
    params = {"threshold": 50.0, "current_decay": 0.02, "voltage_decay": 0.01}
    modules = [getattr(slayer.block.cuba, kind)(dict(params), 6, 6) for kind in kinds]
    with torch.no_grad():
        for name, weight in torch.nn.ModuleList(modules).named_parameters():
            if name.endswith("synapse.weight"):
                weight.uniform_(-2, 3.9)
    return torch.nn.Sequential(*modules)


@torch.no_grad()
def outputs(module, x):
    spikeproof.reset_state(module)
    return module(torch.as_tensor(x))


@pytest.mark.parametrize("kinds", [("Dense", "Dense"), ("Recurrent", "Dense")])
def test_a_network_that_leaves_its_range_is_exact_while_it_saturates(kinds):
    module = net(kinds).eval()
    x = (np.random.default_rng(0).random((2, 6, 150)) < 0.7).astype(np.float32)
    x[:, 3:, :75] = x[:, :3, 75:] = 0  # far down first, and up again
    with torch.no_grad():
        forward(module[0]).weight[:, :3], forward(module[0]).weight[:, 3:] = -3.5, 3.5
    stock = outputs(module, x)

    with spikeproof.saturate(module):
        verdict = verify(module, x, backends=("engine",))
        inside = outputs(module, x)

    assert verdict.exact and not verdict.comparisons[0].silent, str(verdict)
    assert any(one.left for one in verdict.headroom)
    assert not torch.equal(inside, stock) and torch.equal(outputs(module, x), stock)


def test_gradients_pass_straight_through_and_nothing_changes_within_the_range():
    module = net(("Dense", "Dense"))
    weight = module[0].synapse.weight
    for rate, left in ((0.01, False), (0.7, True)):
        x = (torch.rand(2, 6, 150, generator=torch.Generator().manual_seed(1)) < rate).float()
        found = []
        for copied in (copy.deepcopy(module), module):
            changed = spikeproof.saturate(copied) if copied is module else None
            u, v = copied[0].neuron.dynamics(copied[0].synapse(x))
            (u.sum() + (v * torch.linspace(0, 1, 150)).sum()).backward()
            found.append((torch.stack([u, v]).detach(), copied[0].synapse.weight.grad.clone()))
            if changed is not None:
                changed.undo()
        weight.grad = None
        assert torch.equal(found[0][1], found[1][1]) and found[0][1].any()
        assert torch.equal(found[0][0], found[1][0]) != left
        assert (found[0][0].abs().max() * 4096 > STATE_MAX) == left


def test_what_has_no_24_bit_registers_or_a_norm_is_refused():
    with pytest.raises(UnsupportedError, match="Linear has no SLAYER neuron"):
        spikeproof.saturate(torch.nn.Linear(2, 3))
    with pytest.raises(UnsupportedError, match="saturate: a norm moves the registers"):
        spikeproof.saturate(neuron_of("cuba", 1.0, norm=slayer.neuron.norm.MeanOnlyBatchNorm))

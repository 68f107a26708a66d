"""Recurrent SLAYER blocks: torch from reset, the engine and Lava agree on every spike and register."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from slayer_nets import block, busy, exact, lively, neuron, of_family, spikes

import spikeproof
from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.net import Input
from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.sim import engine
from spikeproof.sim.verify.verify import verify

STEPS = 20
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")


def network(seed, samples=4):
    """One to three blocks, dense and at least one recurrent, with any delays, and their input."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    widths = [int(n) for n in random.integers(3, 10, random.integers(2, 5))]
    recurrent = random.integers(0, len(widths) - 1)
    blocks = torch.nn.Sequential()
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        options = {name: bool(random.random() < p) for name, p in (("delay_shift", 0.7), ("weight_norm", 0.3))}
        options |= {"delay": bool(random.random() < 0.4), "weight_scale": 4}
        kind = block.Recurrent if i == recurrent or random.random() < 0.4 else block.Dense
        blocks.append(kind(neuron(random), n_in, n_out, **options))
    x = spikes(random, samples, widths[0], STEPS)
    lively(blocks)(torch.as_tensor(x))
    for each in blocks:
        if each.delay is not None:
            each.delay.delay.data = torch.as_tensor(random.uniform(0, 4, each.delay.delay.shape)).float()
    return blocks, x


def test_torch_the_rule_and_the_engine_agree():
    for seed in range(12):
        verdict = verify(*network(seed), backends=("engine",))
        assert verdict.exact or verdict.comparisons[0].verdict == "nothing fired", f"seed {seed}: {verdict}"
    exact(network, 0, 5, ("engine", "reference"))


def test_adaptive_neurons_recur_too():
    for seed in range(3):
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        blocks, params = of_family(random, "alif")
        recurrent, dense = (
            blocks.Recurrent(dict(params), 5, 6, weight_scale=4),
            blocks.Dense(params, 6, 4, weight_scale=4),
        )
        verdict = verify(
            lively(torch.nn.Sequential(recurrent, dense)), spikes(random, 3, 5, STEPS), backends=("engine",)
        )
        assert busy(verdict), f"seed {seed}: {verdict}"


@pytest.mark.parametrize("family", ["cuba", "alif"])
@torch.no_grad()  # SLAYER's own pass raises with gradients
def test_k_winners_inhibit_each_other(family):
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    blocks, params = of_family(random, family)
    params |= {"threshold": 0.4, "current_decay": 0.5, "voltage_decay": 0.2}
    winners = blocks.KWTA(params, 5, 6, 2, self_excitation=0.3, weight_scale=6)
    module = lively(torch.nn.Sequential(winners, blocks.Dense(params | {"persistent_state": False}, 6, 4)))
    x = spikes(random, 3, 5, STEPS)
    module(torch.as_tensor(x[::-1].copy()))  # leaves states behind, and a delayed spike
    left = winners.delay_buffer

    verdict = verify(module, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    assert left.any() and torch.equal(winners.delay_buffer, left)
    feedback = verdict.net.layers[0].feedback.weight
    assert (feedback[np.eye(6, dtype=bool)] == 20).all() and (feedback[~np.eye(6, dtype=bool)] == -64).all()
    spikeproof.reset_state(module)
    again = module(torch.as_tensor(x))
    spikeproof.reset_state(module)
    assert torch.equal(again, module(torch.as_tensor(x)))


@pytest.mark.slow
def test_they_agree_on_many_networks():
    exact(network, 1000, 40, ("engine", "reference"))


@pytest.mark.lava
def test_lava_agrees():
    exact(network, 100, 3, ("lava",))


@pytest.mark.slow
@pytest.mark.lava
def test_lava_agrees_on_many_networks():
    exact(network, 2000, 20, ("lava",))


def test_feedback_matters_and_a_file_gives_it_back(tmp_path):
    blocks, x = network(0)
    net = record(blocks, sample=x)
    netx.write(net, tmp_path / "net.net")

    assert netx.load(tmp_path / "net.net") == net
    assert any(layer.feedback is not None for layer in net.layers)
    before = [weight.clone() for name, weight in blocks.named_parameters() if "recurrent" in name]
    with torch.no_grad():
        for name, weight in blocks.named_parameters():
            if "recurrent" in name:
                weight.neg_()
    verdict = verify(blocks, x, file=tmp_path / "net.net", backends=("engine",))
    assert before and not verdict.exact
    assert "feedback.weight" in str(verdict) and verdict.comparisons[0].first is not None


def test_what_a_block_kept_from_earlier_calls_neither_matters_nor_is_lost():
    blocks, x = network(0)
    blocks(torch.as_tensor(1 - x))  # leaves a state behind
    kept = {name: buffer.clone() for name, buffer in blocks.named_buffers()}

    verdict = verify(blocks, x, backends=("engine",))

    assert busy(verdict), str(verdict)
    assert any(buffer.any() for name, buffer in kept.items() if name.endswith("voltage_state"))
    assert all(torch.equal(kept[name], buffer) for name, buffer in blocks.named_buffers())


def test_reset_state_makes_a_call_begin_at_reset():
    blocks, x = network(0)
    x = torch.as_tensor(x)
    spikeproof.reset_state(blocks)
    first = blocks(x)

    again = blocks(x)
    spikeproof.reset_state(blocks)
    anew = blocks(x)

    assert torch.equal(first, anew) and not torch.equal(first, again)


def test_a_stream_resets_what_is_fed_back():
    blocks, x = network(3)
    net = record(blocks, sample=x)
    payload = net.input.encode(x)
    whole = engine.run(net, payload)
    joined = payload.transpose(1, 0, 2).reshape(1, payload.shape[1], -1)

    (trace,) = engine.stream(net, [joined], record="all", block=3)

    for name, variables in whole.layers.items():
        for variable, expected in variables.items():
            streamed = trace.layers[name][variable][0].reshape(expected.shape[1], len(x), -1)
            assert np.array_equal(streamed.transpose(1, 0, 2), expected)


SHARED = {"threshold": 1.0, "current_decay": 0.25, "voltage_decay": 0.03}


def test_a_dictionary_that_a_recurrent_block_has_changed_is_named():
    params = dict(SHARED)
    blocks = torch.nn.Sequential(block.Recurrent(params, 3, 3), block.Dense(params, 3, 2))
    with pytest.raises(UnsupportedError, match="layer 'cuba2': persistent_state: .* give every block one of its own"):
        record(blocks, steps=5)


def graded(seed, samples=3, channels=5):
    """Values of an analog input that are multiples of 1/64."""
    return np.random.default_rng(seed).integers(-90, 128, (samples, channels, STEPS)).astype(np.float32) / 64


@pytest.mark.parametrize("family", ["cuba", "alif"])
def test_analog_input_and_what_comes_back_add_up_in_the_units_of_the_input(family):
    for seed in range(3):
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        blocks, params = of_family(random, family)
        module = torch.nn.Sequential(
            blocks.Recurrent(dict(params), 5, 6, weight_scale=4), blocks.Dense(params, 6, 4, weight_scale=4)
        )
        x, source = graded(seed), Input(num_channels=5, bits=8, exp=-6)
        verdict = verify(lively(module), x, backends=("engine",), input=source)
        assert busy(verdict), f"seed {seed}: {verdict}"
        assert record(module, sample=x, input=source).layers[0].feedback.weight_exp == 6


def test_units_that_no_exponent_brings_together_are_refused():
    torch.manual_seed(0)
    _, params = of_family(np.random.default_rng(0), "cuba")
    module = torch.nn.Sequential(block.Recurrent(dict(params), 5, 6, weight_scale=4))
    with pytest.raises(UnsupportedError, match=r"graded spikes arrive in units of 2\*\*-8, .* up to 7 bits"):
        record(module, sample=graded(0) / 4, input=Input(num_channels=5, bits=9, exp=-8))

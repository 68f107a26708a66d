"""Delays of SLAYER blocks: torch, the engine and Lava agree on every spike and register, samples back to back."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from slayer_nets import block, busy, lively, neuron, spikes

from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.synapses.axon import Axon
from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.sim import engine, reference
from spikeproof.sim.compare import compare
from spikeproof.sim.verify.verify import verify

STEPS = 25


def network(seed, samples=4):
    """Two to four blocks with random delays, fractional ones and some past the clamp, and their input."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    widths = [int(n) for n in random.integers(3, 12, random.integers(3, 6))]
    blocks = torch.nn.Sequential()
    for n_in, n_out in pairwise(widths):
        options = {"delay_shift": bool(random.random() < 0.7), "delay": bool(random.random() < 0.5)}
        blocks.append(block.Dense(neuron(random), n_in, n_out, weight_scale=4, **options))
    x = spikes(random, samples, widths[0], STEPS)
    lively(blocks)(torch.as_tensor(x))  # draws the delays
    for each in blocks:
        if each.delay is not None:
            high = random.choice([1, 5, 90], p=[0.3, 0.65, 0.05])
            each.delay.delay.data = torch.as_tensor(random.uniform(0, high, each.delay.delay.shape)).float()
    return blocks, x


def networks(number, start=0):
    """As many networks in which every layer fires, and as many seeds."""
    found = []
    for seed in range(start, start + 3 * number):
        blocks, x = network(seed)
        if all(spike.any() for spike in engine_spikes(blocks, x)):
            found.append((blocks, x))
        if len(found) == number:
            return found
    raise AssertionError("too few networks fire")


def engine_spikes(blocks, x):
    net = record(blocks, steps=STEPS)
    return [variables["s"] for variables in engine.run(net, net.input.encode(x), record="spikes").layers.values()]


def test_torch_and_the_engine_agree_on_delayed_networks(tmp_path):
    kinds = set()
    for blocks, x in networks(5):
        verdict = verify(blocks, x, backends=("engine", "reference"))
        net = verdict.net

        assert busy(verdict), str(verdict)
        kinds |= {None if layer.axon is None else layer.lead for layer in net.layers}
        netx.write(net, tmp_path / "net.net")
        assert netx.load(tmp_path / "net.net") == net
        came_out = blocks(torch.as_tensor(x)).sum(-1).detach().numpy()
        assert np.array_equal(verdict.answers["engine"].output, came_out)
    assert kinds == {None, 0, 1}


@pytest.mark.slow
def test_many_delayed_networks():
    for blocks, x in networks(30, start=1000):
        verdict = verify(blocks, x, backends=("engine", "reference"))
        assert busy(verdict), str(verdict)


@pytest.mark.lava
def test_lava_agrees_on_delayed_networks():
    for blocks, x in networks(3, start=50):
        verdict = verify(blocks, x, backends=("lava",))
        assert busy(verdict), str(verdict)


@pytest.mark.slow
@pytest.mark.lava
def test_lava_agrees_on_many_delayed_networks():
    for blocks, x in networks(20, start=2000):
        verdict = verify(blocks, x, backends=("lava",))
        assert busy(verdict), str(verdict)


@pytest.mark.lava
def test_stock_defaults_add_no_latency_and_let_no_spike_into_the_next_sample():
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    params = {"threshold": 0.4, "current_decay": 1, "voltage_decay": 0}
    blocks = lively(torch.nn.Sequential(*(block.Dense(params, 6, 6, weight_scale=4) for _ in range(3))))
    x = spikes(random, 5, 6, 7, rate=0.9)

    verdict = verify(blocks, x, backends=("lava",))

    assert busy(verdict), str(verdict)
    assert [verdict.net.latency(i) for i in range(3)] == [1, 1, 1]
    sent_last = verdict.traces[1].layers["cuba1"]["s"][..., -1]
    assert sent_last.any()  # it must not have arrived in the next sample
    alone = [verify(blocks, x[i : i + 1], backends=("lava",)).traces[1] for i in (3,)]
    assert np.array_equal(alone[0].layers["cuba3"]["s"][0], verdict.traces[1].layers["cuba3"]["s"][3])


def test_a_wrong_delay_is_found():
    blocks, x = networks(1)[0]
    net = record(blocks, steps=STEPS)
    wrong = [dataclasses.replace(layer, axon=Axon(delay=[3] * layer.num_neurons)) for layer in net.layers]
    payload = net.input.encode(x)

    found = compare(reference.run(net, payload), reference.run(dataclasses.replace(net, layers=tuple(wrong)), payload))

    assert found.verdict == "mismatch"


def test_delays_that_no_forward_pass_has_drawn_are_refused():
    dense = block.Dense({"threshold": 1, "current_decay": 0.1, "voltage_decay": 0.1}, 3, 2, delay=True)
    with pytest.raises(UnsupportedError, match="layer 'cuba1': delay: it is drawn in .* Run the module once"):
        record(torch.nn.Sequential(dense), steps=9)


def test_a_stream_keeps_its_delays_over_chunks_and_drops_them_between_samples():
    blocks, x = networks(1, start=9)[0]
    net = record(blocks, steps=STEPS)
    payload = net.input.encode(x)
    whole = engine.run(net, payload)
    joined = payload.transpose(1, 0, 2).reshape(1, payload.shape[1], -1)
    chunks = np.split(joined, [1, 2, 9, 31, 60], axis=2)

    parts = [trace.layers for trace in engine.stream(net, chunks, record="all", block=3)]

    for name, variables in whole.layers.items():
        for variable, expected in variables.items():
            streamed = np.concatenate([part[name][variable] for part in parts], axis=2)[0]
            assert np.array_equal(streamed.reshape(len(expected[0]), len(x), -1).transpose(1, 0, 2), expected)
    session = engine.Session(net, len(x))
    session.feed(payload)
    assert np.array_equal(session.output, whole.output(net)) and session.output.any()

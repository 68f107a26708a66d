"""Networks that are graphs: reference, engine and Lava agree in every spike and register, sample after sample."""

import dataclasses
import itertools

import numpy as np
import pytest
from graphs import graph

from spikeproof.contract.net import Edge
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.sim import engine, reference
from spikeproof.sim.compare import compare
from spikeproof.sim.lava import backend as lava_backend

DEADLINE = 180.0


def assert_engine_is_exact(seed):
    net, payload = graph(seed)
    expected = reference.run(net, payload)
    block = (None, 1, 5, 64)[seed % 4]
    session = engine.Session(
        net, len(payload), record="all", block=block, threads=1 + seed % 2, event_driven=_path(seed)
    )
    comparison = compare(expected, session.feed(payload))
    assert comparison.first is None, f"seed {seed}: {comparison}"
    assert np.array_equal(session.output, expected.output(net)), f"seed {seed}"
    return comparison.spikes_fired


def _path(seed):
    return (None, True, False)[seed % 3]


@pytest.mark.parametrize("begin", range(0, 200, 50))
def test_the_engine_runs_any_graph_as_the_reference_does(begin):
    assert sum(map(assert_engine_is_exact, range(begin, begin + 50))) > 10_000


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("begin", range(1000, 11_000, 1000))
def test_the_engine_runs_ten_thousand_graphs_as_the_reference_does(begin):
    for seed in range(begin, begin + 1000):
        assert_engine_is_exact(seed)


def test_a_graph_streams_sample_after_sample():
    net, payload = graph(5)
    stream = payload.transpose(1, 0, 2).reshape(1, payload.shape[1], -1)
    session = engine.Session(net, record="all")
    cuts = [0, 7, 8, 100, 101, stream.shape[2]]
    parts = [session.feed(stream[..., a:b]) for a, b in itertools.pairwise(cuts)]
    expected = reference.run(net, payload)
    for name, of in expected.layers.items():
        for key, array in of.items():
            got = np.concatenate([part.layers[name][key] for part in parts], axis=-1)
            assert np.array_equal(got[0], array.transpose(1, 0, 2).reshape(array.shape[1], -1))


def assert_lava_is_exact(seed):
    net, payload = graph(seed)
    comparison = compare(reference.run(net, payload), lava_backend.run(net, payload, deadline=DEADLINE))
    assert comparison.first is None, f"seed {seed}: {comparison}"


@pytest.mark.lava
@pytest.mark.parametrize("seed", [3, 5, 12, 104])
def test_lava_runs_any_graph_as_the_reference_does(seed):
    assert_lava_is_exact(seed)


@pytest.mark.lava
@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("begin", range(20_000, 20_200, 20))
def test_lava_runs_two_hundred_graphs_as_the_reference_does(begin):
    for seed in range(begin, begin + 20):
        assert_lava_is_exact(seed)


@pytest.mark.parametrize("seed", range(40))
def test_a_file_gives_back_a_graph(seed, tmp_path):
    net, _ = graph(seed)
    netx.write(net, tmp_path / "net.net")
    assert netx.load(tmp_path / "net.net") == net


def test_what_a_sample_leaves_under_way_does_not_reach_the_next():
    """A spike of the last step would arrive in the next sample over any delay."""
    net, payload = graph(13)
    again = np.concatenate([payload, payload])
    stream = engine.Session(net, record="spikes")
    trace = stream.feed(again.transpose(1, 0, 2).reshape(1, again.shape[1], -1))
    for array in (of["s"] for of in trace.layers.values() if "s" in of):
        first, second = np.split(array, 2, axis=-1)
        assert np.array_equal(first, second)


def test_two_edges_with_the_same_weights_are_one_with_twice_the_weights():
    net, payload = next((net, x) for net, x in map(graph, range(99)) if net.edges and _small_dense(net.edges[0]))
    edge = net.edges[0]
    others = net.edges[1:]
    twice = dataclasses.replace(net, edges=(edge, edge, *others))
    doubled = dataclasses.replace(edge, synapse=Dense(weight=2 * edge.synapse.weight))
    once = dataclasses.replace(net, edges=(doubled, *others))
    assert compare(reference.run(twice, payload), reference.run(once, payload)).first is None


def _small_dense(edge: Edge) -> bool:
    return isinstance(edge.synapse, Dense) and np.abs(edge.synapse.weight).max() < 127

"""Edges of a record: what fits, how late layers work, in which order they can run."""

import dataclasses

import numpy as np
import pytest
from graphs import graph

from spikeproof.contract.errors import InputError, RecordError
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense


def layer(name, n=2, inputs=2, **more):
    neuron = CUBA(num_neurons=n, u_decay=4096, v_decay=0, v_th_mant=5)
    return Layer(name=name, synapse=Dense(weight=np.full((n, inputs), 2)), neuron=neuron, **more)


def edge(source, target, delay=0, n=2, inputs=2):
    return Edge(source=source, target=target, synapse=Dense(weight=np.full((n, inputs), 2)), delay=delay)


def net(*edges, layers=None, **more):
    given = {"inputs": (Input(num_channels=2),), "layers": layers or tuple(map(layer, "abc")), "steps": 9}
    return Net(**{**given, "edges": edges, **more})


def shortest_paths(record):
    """Return the least latencies that satisfy every edge, by trying."""
    late = dict.fromkeys(range(len(record.layers)), 1)
    while True:
        more = {
            i: max([late[i]] + [(late[w.source] if w.source >= 0 else 0) + 1 - w.shortest for w in record.incoming(i)])
            for i in late
        }
        if more == late:
            return tuple(late.values())
        late = more


@pytest.mark.parametrize("seed", range(60))
def test_latencies_leave_room_for_every_edge_and_layers_run_after_what_they_need(seed):
    record, _ = graph(seed)
    assert record.latencies == shortest_paths(record)
    order = [i for group in record.groups for i in group]
    assert sorted(order) == list(range(len(record.layers)))
    group_of = {i: g for g, group in enumerate(record.groups) for i in group}
    for i in order:
        for way in record.incoming(i):
            if way.source < 0:
                continue
            assert record.latencies[i] - record.latencies[way.source] + way.shortest - 1 >= 0
            assert group_of[way.source] <= group_of[i]
            if group_of[way.source] == group_of[i] and way.shortest == 0:
                assert order.index(way.source) < order.index(i)


def test_a_skip_is_held_back_and_a_way_back_needs_delay():
    assert net(edge("input", "c")).latencies == (1, 2, 3)
    assert net(edge("a", "b", delay=1)).latencies == (1, 2, 3)
    assert net(edge("c", "a", delay=3)).groups == ((0, 1, 2),)
    with pytest.raises(RecordError, match="The edges (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c) lead back"):
        net(edge("c", "a", delay=2))


def test_axons_count_among_the_delays_of_an_edge():
    late = dataclasses.replace(layer("a"), axon=Axon(delay=[1, 2]))
    record = net(edge("a", "c", delay=[[3, 0], [4, 5]]), layers=(late, layer("b"), layer("c")))
    assert record.incoming(2)[1].delay.tolist() == [[4, 2], [5, 7]]
    assert record.latencies == (1, 1, 2)


def test_delays_are_kept_in_the_simplest_shape():
    assert edge("a", "b", delay=[[3, 3], [3, 3]]).delay.shape == ()
    assert edge("a", "b", delay=[[3, 1], [3, 1]]).delay.tolist() == [3, 1]
    assert edge("a", "b", delay=[[3, 1], [2, 1]]).delay.shape == (2, 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: net(edge("x", "b")), "its source 'x' is none of input, a, b, c"),
        (lambda: net(edge("a", "input")), "its target 'input' is none of a, b, c"),
        (lambda: net(edge("a", "b", inputs=3)), "layer 'b' takes 3 inputs, but layer 'a' has 2"),
        (lambda: net(edge("a", "b", n=3)), "its synapses feed 3 neurons, but layer 'b' has 2 sums"),
        (lambda: edge("a", "b", delay=1024), "delay = 1024 is not a whole number in 0..1023"),
        (lambda: edge("a", "b", delay=[1, 2, 3]), r"delay has shape \(3,\); expected one of \(\), \(2,\), \(2, 2\)"),
        (
            lambda: Edge(
                source="a", target="b", synapse=Conv(weight=[[[[2]]]], in_shape=(1, 1, 2)), delay=[[1, 2], [3, 4]]
            ),
            "the synapses of a convolution share their weights and delays",
        ),
        (lambda: net(layers=(layer("a"), layer("b", source="c"), layer("c"))), "What comes from behind is an edge"),
        (lambda: net(outputs=("a", "a")), "output 'a' must be one of a, b, c, and stand once"),
        (lambda: net(outputs=("z",)), "output 'z' must be one of"),
        (lambda: net(inputs=(Input(num_channels=2), Input(num_channels=1))), "Two layers or inputs are called 'input'"),
        (
            lambda: net(
                edge("r", "b"),
                layers=(
                    layer("a"),
                    Layer(name="r", synapse=Dense(weight=np.full((2, 2), 2)), neuron=Readout(num_neurons=2)),
                    layer("b", source="a"),
                ),
            ),
            "layer 'r' is a read-out, which never fires",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make, words):
    with pytest.raises(RecordError, match=words):
        make()


def test_several_inputs_are_the_channels_of_one_payload():
    graded = Input(num_channels=1, bits=8, exp=-6, name="analog")
    record = net(edge("analog", "a", inputs=1), layers=(layer("a"),), inputs=(Input(num_channels=2), graded))
    x = [np.ones((3, 2, 9)), np.full((3, 1, 9), 0.5)]
    assert record.num_channels == 3
    assert record.encode(x)[0, :, 0].tolist() == [1, 1, 32]
    assert np.array_equal(record.encode(x), record.encode(np.concatenate(x, axis=1)))
    with pytest.raises(InputError, match="Got 1 inputs for a network with 2"):
        record.encode(x[:1])


def test_a_chain_is_a_graph_without_edges():
    assert net().is_chain
    assert not net(edge("a", "c")).is_chain
    assert not net(outputs=("b",)).is_chain
    assert not net(layers=(layer("a"), layer("b"), layer("c", source="a"))).is_chain
    assert net(layers=(layer("a", source="input"), layer("b", source="a"))).is_chain

"""Faults that are planted in a way into a layer of a random graph are named with the edge."""

import dataclasses
import itertools

import numpy as np
import pytest
from graphs import graph

from spikeproof.contract.errors import RecordError
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import reference
from spikeproof.sim.compare import compare
from spikeproof.sim.diagnose.diagnose import diagnose

SEEDS = range(300, 400)
SMALL = {"most_layers": 5, "longest": 6, "steps": 18}


def changed(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


def with_edge(net, k, **changes):
    """The network with another edge `k`, or None if that is no network."""
    edges = list(net.edges)
    edges[k] = dataclasses.replace(edges[k], **changes)
    try:
        return dataclasses.replace(net, edges=tuple(edges))
    except RecordError:  # a circle with too little delay
        return None


def label(net, k):
    """What the layer calls its edge `k`."""
    edge = net.edges[k]
    index = net.index(edge.target)
    number = [other.target for other in net.edges[:k]].count(edge.target)
    layer = net.layers[index]
    return net.incoming(index)[1 + (layer.feedback is not None) + number].name


def diagnosed(net, payload, found):
    """The diagnosis of a run that went wrong; None if it went right."""
    good, found = reference.run(net, payload), dataclasses.replace(found, backend="faulty")
    first = compare(good, found, net.groups).first
    return None if first is None else diagnose(net, payload, good, found, first)


def assert_named(net, payload, k, other, name, words):
    """Whether a fault showed; then it must be named, in the layer that it is in, and what is named must be right."""
    why = diagnosed(net, payload, reference.run(other, payload))
    if why is None:
        return False
    assert (why.layer, why.departs) == (net.edges[k].target, "faulty")
    told = [(cause.name, cause.words) for cause in why.causes]
    assert (name, words) in told, f"{words}\n{why}"
    return True


def planted(kind):
    """Every edge of every graph with a fault of one kind: (graph, payload, edge, the other graph, fault, words)."""
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        net, payload = graph(seed, **SMALL)
        for k, edge in enumerate(net.edges):
            for plant in kind(random, edge, label(net, k)):
                *changes, name, words = plant
                other = with_edge(net, k, **changes[0])
                if other is not None:
                    yield net, payload, k, other, name, words


def weights(random, edge, name):
    weight = edge.synapse.weight
    place = tuple(int(random.integers(size)) for size in weight.shape)
    value = int(2 * random.integers(-128, 128))
    if value != weight[place]:
        synapse = dataclasses.replace(edge.synapse, weight=changed(weight, place, value))
        where = f"synapse.weight[{', '.join(map(str, place))}] of edge {name}"
        yield {"synapse": synapse}, "changed weight", f"{where} is {weight[place]} in the record and {value} there"


def clipped(random, edge, name):
    weight = edge.synapse.weight
    limited = np.clip(weight, -8, 8)
    if (count := int((limited != weight).sum())) > 1 and np.abs(limited).max() == 8:
        words = f"weights beyond -8..8 of edge {name} were clipped, which changes {count} of its weights"
        yield {"synapse": dataclasses.replace(edge.synapse, weight=limited)}, "clipped weight", words


def shifted(random, edge, name):
    if edge.delay.any():
        yield {"delay": 0}, "dropped delay", f"the delays of edge {name} are dropped"
    if edge.delay.max() < 1000:
        yield {"delay": edge.delay + 3}, "changed delay", f"the delays of edge {name} are 3 steps more"
    if edge.delay.min() > 1:
        yield {"delay": edge.delay - 1}, "changed delay", f"the delays of edge {name} are 1 step less"


def one_sender(random, edge, name):
    senders = edge.synapse.num_inputs
    if edge.delay.ndim < 2 and senders > 1:
        delay, j = np.broadcast_to(edge.delay, senders), int(random.integers(senders))
        new = int(delay[j] + 2)
        words = f"the delay of sender {j} of edge {name} is {delay[j]} in the record and {new} there"
        yield {"delay": changed(delay, j, new)}, "changed delay", words


def one_synapse(random, edge, name):
    shape = (edge.synapse.num_neurons, edge.synapse.num_inputs)
    if isinstance(edge.synapse, Dense) and shape[0] > 1 and shape[1] > 1:
        delay = np.broadcast_to(edge.delay, shape)
        place = tuple(int(random.integers(size)) for size in shape)
        new = int(delay[place] + 1)
        words = f"the delay of synapse [{place[0]}, {place[1]}] of edge {name} is {delay[place]} in the record and "
        yield {"delay": changed(delay, place, new)}, "changed delay", f"{words}{new} there"


def missing(random, edge, name):
    synapse = dataclasses.replace(edge.synapse, weight=np.zeros_like(edge.synapse.weight))
    yield {"synapse": synapse}, "missing edge", f"the edge {name} is missing"


def doubled(random, edge, name):
    synapse = dataclasses.replace(edge.synapse, weight=2 * edge.synapse.weight)
    yield {"synapse": synapse}, "doubled edge", f"the edge {name} delivers twice"


KINDS = [weights, clipped, shifted, one_sender, one_synapse, missing, doubled]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_of_an_edge_is_named_with_the_edge(kind):
    showing = (plant for plant in planted(kind) if assert_named(*plant))
    assert len(list(itertools.islice(showing, 8))) == 8


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_faults_of_many_edges_are_named_with_the_edge(kind):
    showing = (plant for plant in planted(kind) if assert_named(*plant))
    assert len(list(itertools.islice(showing, 60))) == 60


def leaked(net, payload, leaking):
    """A run in which what is under way on edges into one layer is not dropped at the end of a sample.

    That layer feeds none that feeds it.
    """
    (index,) = {net.index(net.edges[k].target) for k in leaking}
    good = reference.run(net, payload)
    sent, layer = reference.senders(net, good.layers, payload), net.layers[index]
    sums = reference.sums(net, index, sent)
    for k in leaking:
        name = label(net, k)
        way = next(each for each in net.incoming(index) if each.name == name)
        stream = np.concatenate(list(sent[way.source]), axis=-1)[None]
        whole = way.delivered(stream)[:, 0].reshape(len(payload), net.steps, -1).transpose(1, 0, 2)
        sums = sums + whole - way.delivered(sent[way.source])
    te = reference.encoding(net, index, net.steps)
    trace = reference.scan(layer.neuron, sums, te, feedback=layer.feedback)
    return dataclasses.replace(good, layers={**good.layers, layer.name: trace})


def test_what_reaches_the_next_sample_is_named():
    shown = 0
    for seed in SEEDS:
        net, payload = graph(seed, **SMALL)
        for k, edge in enumerate(net.edges):
            index = net.index(edge.target)
            alone = (index,) in net.groups and all(each.source != index for each in net.incoming(index))
            if not alone or not edge.delay.any():
                continue
            why = diagnosed(net, payload, leaked(net, payload, [k]))
            if why is not None:
                words = f"what a sample leaves under way on the edge {label(net, k)} reaches the next one"
                assert ("leak", words) in [(cause.name, cause.words) for cause in why.causes], str(why)
                shown += 1
        if shown >= 8:
            return
    raise AssertionError(f"only {shown} leaks showed")


def small(delay=0, axon=None, edge_delay=((0, 3, 1), (2, 1, 4))):
    """Two layers and a skip of one delay a synapse; the layers' own synapses may have delays, the first an axon."""
    random = np.random.default_rng(5)

    def neuron(n):
        return CUBA(num_neurons=n, u_decay=1024, v_decay=300, v_th_mant=90)

    def weight(rows, columns):
        return 2 * random.integers(-20, 60, (rows, columns))

    first = Layer(name="a", synapse=Dense(weight=weight(4, 3)), neuron=neuron(4), axon=axon and Axon(delay=axon))
    last = Layer(name="b", synapse=Dense(weight=weight(2, 4)), neuron=neuron(2), delay=delay)
    edge = Edge(source="input", target="b", synapse=Dense(weight=weight(2, 3)), delay=np.array(edge_delay))
    return Net(inputs=(Input(num_channels=3),), layers=(first, last), edges=(edge,), steps=24)


PAYLOAD = np.random.default_rng(6).integers(0, 2, (4, 3, 24)).astype(np.int32)


def in_the_layer(net, index, **changes):
    layers = list(net.layers)
    layers[index] = dataclasses.replace(layers[index], **changes)
    return dataclasses.replace(net, layers=tuple(layers))


EACH = ((0, 1, 2, 3), (3, 0, 1, 1))
"""A delay for each of a layer's own synapses."""


@pytest.mark.parametrize(
    ("net", "changes", "name", "words"),
    [
        (small(EACH), {"delay": changed(EACH, (1, 2), 5)}, "changed delay", "the delay of synapse [1, 2] of own synapses a -> b is 1 in the record and 5 there"),
        (small(EACH), {"delay": np.array(EACH) + 2}, "changed delay", "the delays of own synapses a -> b are 2 steps more"),
        (small(EACH), {"delay": 0}, "dropped delay", "the delays of own synapses a -> b are dropped"),
        (small(EACH), {"synapse": Dense(weight=changed(small(EACH).layers[1].synapse.weight, (1, 2), -100))}, "changed weight", "synapse.weight[1, 2] (from input 2) is "),
        (small([0, 1, 1, 0]), {"delay": [0, 6, 1, 0]}, "changed delay", "the delay of sender 1 of own synapses a -> b is 1 in the record and 6 there"),
    ],
)  # fmt: skip
def test_faults_of_own_synapses_with_delays_are_named(net, changes, name, words):
    why = diagnosed(net, PAYLOAD, reference.run(in_the_layer(net, 1, **changes), PAYLOAD))

    assert why.layer == "b"
    told = [(cause.name, cause.words[: len(words)]) for cause in why.causes]
    assert (name, words) in told, str(why)


@pytest.mark.parametrize(
    ("axon", "words"),
    [
        (None, "the axonal delays of layer 'a' are dropped"),
        ([2, 3, 3, 4], "the axonal delays of layer 'a' are 1 step more"),
        ([1, 2, 0, 3], "the axonal delay of neuron 2 of layer 'a', 2, is dropped"),
    ],
)
def test_an_axon_that_went_wrong_is_named_where_synapses_have_delays_too(axon, words):
    net = small(EACH, [1, 2, 2, 3])
    other = in_the_layer(net, 0, axon=axon and Axon(delay=axon))

    why = diagnosed(net, PAYLOAD, reference.run(other, PAYLOAD))

    assert words in [cause.words for cause in why.causes], str(why)


def test_two_faults_in_two_edges_have_no_known_cause():
    net = small()
    synapse = net.edges[0].synapse
    other = in_the_layer(net, 1, synapse=Dense(weight=changed(net.layers[1].synapse.weight, (0, 1), 200)))
    other = with_edge(other, 0, synapse=Dense(weight=changed(synapse.weight, (1, 1), -200)))

    assert diagnosed(net, PAYLOAD, reference.run(other, PAYLOAD)).causes == ()


def test_another_edge_in_the_trained_network_is_named():
    net = small()
    weight = net.edges[0].synapse.weight
    trained = with_edge(net, 0, synapse=Dense(weight=changed(weight, (1, 1), -200)))
    good, found = (reference.run(one, PAYLOAD) for one in (trained, net))
    first = compare(dataclasses.replace(good, backend="torch"), found, net.groups).first

    why = diagnose(net, PAYLOAD, dataclasses.replace(good, backend="torch"), found, first, trained=trained)

    words = f"synapse.weight[1, 1] of edge input -> b is {weight[1, 1]} in the file and -200 in the trained network"
    assert [(cause.name, cause.words) for cause in why.causes] == [("changed weight", words)]


def test_faults_of_a_recurrent_layer_are_named():
    back = Dense(weight=2 * np.random.default_rng(7).integers(-10, 20, (4, 4)))
    net = in_the_layer(small(), 0, feedback=back)
    weight = changed(back.weight, (2, 1), 150)

    for changes, name, words in (
        ({"feedback": Dense(weight=weight)}, "changed weight", f"synapse.weight[2, 1] of feedback a -> a is {back.weight[2, 1]} in the record and 150 there"),
        ({"feedback": None}, "missing edge", "the feedback a -> a is missing"),
        ({"neuron": dataclasses.replace(net.layers[0].neuron, v_decay=301)}, "changed decay", "v_decay of "),
    ):  # fmt: skip
        why = diagnosed(net, PAYLOAD, reference.run(in_the_layer(net, 0, **changes), PAYLOAD))

        assert why.layer == "a"
        assert (name, words) in [(cause.name, cause.words[: len(words)]) for cause in why.causes], str(why)


def test_faults_are_found_in_all_kinds_of_ways_and_neurons():
    """The random graphs hold convolutions, complex neurons and circles, and faults show in all of them."""
    seen = {}
    for net, _, k, *_ in planted(weights):
        edge, layer = net.edges[k], net.layers[net.index(net.edges[k].target)]
        circle = len(next(group for group in net.groups if net.index(edge.target) in group)) > 1
        for trait in (type(edge.synapse), type(layer.neuron), f"circle {circle}", f"delay {edge.delay.ndim}"):
            seen[trait] = seen.get(trait, 0) + 1
    assert len(seen) >= 12 and min(seen.values()) >= 2, seen

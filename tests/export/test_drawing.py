"""Networks as text: every way into every layer is told, within 80 columns, and no number is cut."""

import json

import numpy as np
import pytest
from graphs import graph

from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.describe import describe
from spikeproof.export.drawing import WIDTH, drawing


@pytest.mark.parametrize("seed", range(60))
def test_every_layer_and_every_way_is_drawn(seed):
    net, _ = graph(seed)

    lines = drawing(describe(net))

    assert max(map(len, lines)) <= WIDTH
    heads = [line.strip().partition(":")[0] for line in lines if ": " in line and "latency" in line]
    assert heads == [net.layers[i].name for group in net.groups for i in group]
    assert sum(line.strip().startswith("<- ") for line in lines) == sum(
        len(net.incoming(i)) for i in range(len(net.layers))
    )
    images = {
        each.source: each.synapse.in_shape
        for i in range(len(net.layers))
        for each in net.incoming(i)
        if each.source < 0 and hasattr(each.synapse, "in_shape")
    }
    told = {at: f" as {'x'.join(map(str, shape))}" for at, shape in images.items()}
    assert [line for line in lines if line.startswith("input ")] == [
        f"input {source.name}: {source.num_channels} channels{told.get(-1 - k, '')}, unary spikes"
        for k, source in enumerate(net.inputs)
    ]
    assert f"answers: {', '.join(net.answers)}" in lines
    parameters = [f"{key} {value}" for layer in describe(net)["layers"] for key, value in layer["parameters"].items()]
    assert all(any(words in line for line in lines) for words in parameters)  # a value stands on the line of its name
    weights = sum(each.synapse.weight.size for i in range(len(net.layers)) for each in net.incoming(i))
    weights += sum(len(x.synapse.weight) * x.cpg.num_neurons for x in net.layers if x.cpg)
    neurons = sum(layer.num_neurons for layer in net.layers)
    told = " ".join(line.strip() for line in lines[-2:])
    edges = f"{len(net.edges)} edge{'s' * (len(net.edges) != 1)}"
    assert told.endswith(f"{neurons:,} neurons, {weights:,} weights, {edges}")


@pytest.mark.parametrize("seed", range(0, 60, 7))
def test_no_number_and_no_name_is_cut_however_narrow(seed):
    found = describe(graph(seed)[0])

    wide, narrow = (" ".join(line.strip() for line in drawing(found, width)) for width in (10_000, 30))

    assert wide == narrow


def test_the_longest_names_fit():
    neuron = CUBA(num_neurons=1, u_decay=0, v_decay=0, v_th_mant=1)
    layers = tuple(Layer(name=c * 64, synapse=Dense(weight=[[2]]), neuron=neuron) for c in "ab")
    edge = Edge(source="b" * 64, target="a" * 64, synapse=Dense(weight=[[2]]), delay=5)
    net = Net(inputs=(Input(num_channels=1, name="c" * 64),), layers=layers, edges=(edge,), steps=2)

    lines = drawing(describe(net))

    assert max(map(len, lines)) <= WIDTH
    assert all(any(c * 64 in line for line in lines) for c in "abc")


def test_inspect_draws_a_graph_and_keeps_the_table_of_a_chain(run, tmp_path):
    net, _ = graph(5)
    netx.write(net, tmp_path / "graph.net")
    chain = Net(inputs=net.inputs[:1], layers=net.layers[:1], steps=5)
    netx.write(chain, tmp_path / "chain.net")

    code, out, _ = run("inspect", tmp_path / "graph.net")
    assert code == 0 and "These 2 layers feed each other, and run step by step: l0, l1.\n" in out
    assert "    <- l1 (edge): Dense 12x20, delays 2 to 70 steps, one a synapse\n" in out
    assert "answers: l7\nin all: 8 layers, 104 neurons, 1,362 weights, 8 edges\nsteps a sample: 67\n" in out
    code, out, _ = run("inspect", tmp_path / "chain.net")
    assert code == 0 and "<-" not in out and "latency" in out and "input: 12 channels as 2x2x3, unary spikes" in out

    code, out, _ = run("inspect", tmp_path / "graph.net", "--json")
    plain = json.loads(out)
    assert [source["name"] for source in plain["inputs"]] == ["input", "second"] and plain["outputs"] == ["l7"]
    assert len(plain["edges"]) == len(net.edges) == 8
    ways = {layer["name"]: layer["ways"] for layer in plain["layers"]}
    for i, layer in enumerate(net.layers):
        for told, each in zip(ways[layer.name], net.incoming(i), strict=True):
            assert told["shape"] == list(each.synapse.weight.shape)
            assert told["delays"] == [each.shortest, each.longest]
            assert f"{told['source']} -> {told['target']}" == each.name.partition(" (")[0]
    assert plain["order"][0] == ["l0", "l1"] and np.sum([len(group) for group in plain["order"]]) == 8

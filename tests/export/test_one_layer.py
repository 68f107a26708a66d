"""A graph of one-step edges is one recurrent layer: the same registers on the engine, and on stock NetX itself."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from graphs import graph
from stock_netx import traces

from spikeproof.contract.errors import FileFormatError, UnsupportedError
from spikeproof.contract.fixed import decay, sat24
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.formats import write
from spikeproof.export.netx import stock_forms
from spikeproof.export.netx.one_layer import one_layer
from spikeproof.sim import engine

STEPS = 40


def even(random, *shape):
    return 2 * random.integers(-12, 25, shape)


def neurons(random, n, *, biased=False):
    decays = random.choice([300, 1500, 4096], (2, n))
    bias = random.integers(-9, 20, n) if biased else 0
    return CUBA(
        num_neurons=n, u_decay=decays[0], v_decay=decays[1], v_th_mant=int(random.integers(30, 90)), bias_mant=bias
    )


def delayed_graph(seed):
    """Two inputs, a convolution, skips, a way back over two layers, a layer that feeds itself, and two answers."""
    random = np.random.default_rng(seed)
    one = lambda n: {"axon": Axon(delay=np.ones(n, int))}  # noqa: E731
    image = (1, 3, 4)
    conv = Conv(weight=even(random, 2, 1, 2, 2), in_shape=image)
    layers = (
        Layer(name="a", synapse=conv, neuron=neurons(random, 12, biased=True), source="image", **one(12)),
        Layer(name="b", synapse=Dense(weight=even(random, 7, 12)), neuron=neurons(random, 7, biased=True), **one(7)),
        Layer(
            name="c",
            synapse=Dense(weight=even(random, 5, 7)),
            neuron=neurons(random, 5),
            feedback=Dense(weight=even(random, 5, 5)),
            **one(5),
        ),
        Layer(
            name="head",
            synapse=Dense(weight=even(random, 3, 5)),
            neuron=LeakyIntegrator(num_neurons=3, u_decay=1500, v_decay=700),
        ),
        Layer(
            name="other",
            synapse=Dense(weight=even(random, 2, 7)),
            neuron=Readout(num_neurons=2, a_shift=6, v_decay=900, bias_mant=3, bias_exp=6),
            source="b",
        ),
    )
    edges = (
        Edge(source="second", target="b", synapse=Dense(weight=even(random, 7, 4))),
        Edge(source="a", target="c", synapse=Dense(weight=even(random, 5, 12) // 4 * 2)),
        Edge(source="c", target="a", synapse=Dense(weight=even(random, 12, 5) // 4 * 2)),
        Edge(source="a", target="head", synapse=Dense(weight=even(random, 3, 12) // 8 * 2)),
    )
    inputs = (Input(num_channels=12, name="image"), Input(num_channels=4, name="second"))
    return Net(inputs=inputs, layers=layers, edges=edges, steps=STEPS, outputs=("head", "other"))


def undelayed_chain(seed):
    """Three layers of which each works a step behind the one before, and a way back."""
    random = np.random.default_rng(seed)
    layers = (
        Layer(name="a", synapse=Dense(weight=even(random, 6, 5)), neuron=neurons(random, 6, biased=True)),
        Layer(name="b", synapse=Dense(weight=even(random, 6, 6)), neuron=neurons(random, 6)),
        Layer(name="c", synapse=Dense(weight=even(random, 4, 6)), neuron=neurons(random, 4)),
    )
    back = Edge(source="c", target="b", synapse=Dense(weight=even(random, 6, 4) // 4 * 2), delay=2)
    return Net(inputs=(Input(num_channels=5),), layers=layers, edges=(back,), steps=STEPS)


NETS = {"delayed": delayed_graph(0), "late": undelayed_chain(1)}


def given(net, seed=3, samples=4):
    return (np.random.default_rng(seed).random((samples, net.num_channels, STEPS)) < 0.3).astype(np.int32)


def window(values, part, steps):
    """Return a layer's own steps of what the one layer did; what was before its first step is 0."""
    begin = part.offset
    early = np.zeros((*values.shape[:-1], max(0, -begin)), values.dtype)
    return np.concatenate([early, values[..., max(0, begin) : begin + steps]], -1)


def run_one_layer(found, x):
    """Run one layer by the rule of the contract, all neurons with decays and thresholds of their own."""
    steps = found.steps
    x = np.pad(x, [(0, 0), (0, 0), (0, steps - x.shape[-1])])
    u = v = s = np.zeros((len(x), len(found.weight)), np.int64)
    rows = {"s": [], "u": [], "v": []}
    for t in range(steps):
        sums = x[..., t] @ found.weight.T + s @ found.weight_rec.T
        u = sat24(decay(u, found.u_decay) + (sums << found.a_shift))
        v = sat24(decay(v, found.v_decay) + u + (found.bias_mant << 6))
        s = (v > found.v_th_mant << 6).astype(np.int64)
        v = np.where(s, 0, v)
        for name, values in (("s", s), ("u", u), ("v", v)):
            rows[name].append(values)
    return {name: np.stack(values, -1) for name, values in rows.items()}


def differing(net, found, x, registers):
    """Return which registers of the graph's layers the one layer does not have, and how many entries fire."""
    ours, wrong, fires = engine.run(net, x).layers, [], 0
    for part in found.parts:
        for name, own in ours[part.name].items():
            theirs = window(registers[name][:, part.rows], part, net.steps)
            wrong += [(part.name, name)] * (not np.array_equal(theirs, own))
            fires += int(own.sum()) if name == "s" else 0
    return wrong, fires


@pytest.mark.parametrize("make", [delayed_graph, undelayed_chain])
@pytest.mark.parametrize("seed", range(8))
def test_one_layer_does_what_the_graph_does(make, seed, tmp_path):
    net = make(seed)
    found = one_layer(net)

    wrong, fires = differing(net, found, given(net), run_one_layer(found, given(net)))

    assert not wrong and fires > 50
    write(net, tmp_path / "a.net", stock=True)
    assert netx.load(tmp_path / "a.net") == net
    assert "one sample a run" in stock_forms.told_of_graph(net, "a.net")[-1]


def test_random_graphs_are_refused_by_name_or_one_layer():
    for seed in (*range(30), 126, 178):  # the last two are such graphs
        net, payload = graph(seed, most_layers=4, longest=2, scattered=False)
        try:
            found = one_layer(net)
        except UnsupportedError as error:
            assert "stock NetX runs a graph as one recurrent layer alone" in str(error)
            continue
        assert not differing(net, found, payload, run_one_layer(found, payload))[0], seed


@pytest.mark.lava
def test_stock_netx_runs_the_one_layer(tmp_path):
    files = []
    for name, net in NETS.items():
        write(net, tmp_path / f"{name}.net", stock=True)
        found = one_layer(net)
        x = np.pad(given(net), [(0, 0), (0, 0), (0, found.steps - net.steps)])
        files += [(tmp_path / f"{name}.net", one, stock_forms.one_layer_arguments(found)) for one in x[:2]]

    told = traces(files, tmp_path)

    assert all("refused" not in each for each in told), told
    for i, net in enumerate(NETS.values()):
        both = told[2 * i : 2 * i + 2]
        registers = {key: np.stack([each[f"0.{key}"] for each in both]) for key in "uv"}
        registers["s"] = np.stack([each["s"] for each in both])
        assert not differing(net, one_layer(net), given(net)[:2], registers)[0]


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("layer/1/weight", None, "layer/1/weight is not that of the network"),
        ("layer/1/neuron/vThMant", None, "layer/1/neuron/vThMant is not that of the network"),
        ("layer/1/neuron/type", np.array([b"RF_PHASE"]), "layer/1/neuron/type is not that of the network"),
        ("layer/1/more", 1, "layer/1/more is missing, or unknown"),
        ("layer/2/type", np.array([b"dense"]), "layer must hold 0 and 1 beside a graph"),
        ("more", 1, "more is unknown"),
        ("graph/layer/1/neuron/iDecay", None, "layer/1/neuron/iDecay is not that of the network"),
        ("graph/layer/1/name", np.array([b"x y"]), "graph/layer/1"),
    ],
)
def test_a_changed_file_is_refused(member, value, words, tmp_path):
    write(delayed_graph(0), tmp_path / "a.net", stock=True)
    with h5py.File(tmp_path / "a.net", "r+") as file:
        if value is None:
            file[member][...] = file[member][...] // 2 * 2 - 2 * (file[member][...] > 0)
        else:
            if member in file:
                del file[member]
            file[member] = value

    with pytest.raises(FileFormatError, match=words):
        netx.load(tmp_path / "a.net")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda net: {"edges": (*net.edges, Edge(source="a", target="c", synapse=Dense(weight=np.full((4, 6), 2))))},
         r"a -> c: its spikes would have to take -1 steps, which they do not"),
        (lambda net: {"edges": (*net.edges, Edge(source="b", target="c", synapse=Dense(weight=np.full((4, 6), 2)), delay=np.arange(6)))},
         r"b -> c \(2\): its spikes take different numbers of steps"),
        (lambda net: {"layers": (*net.layers[:2], _like(net.layers[2], bias_mant=4))},
         "c: its bias would begin 2 steps beside the sample"),
        (lambda net: {"layers": (*net.layers[:2], _like(net.layers[2], u_shift=2))}, "c: its spikes carry payloads, or what its"),
        (lambda net: {"layers": (*net.layers[:2], _like(net.layers[2], a_shift=5))}, "different numbers of bits"),
        (lambda net: {"layers": tuple(_like(layer, a_shift=3) for layer in net.layers)}, "a: its sums are shifted by 3 bits"),
    ],
)  # fmt: skip
def test_what_cannot_be_one_layer_is_refused_by_name(change, words):
    net = undelayed_chain(0)
    with pytest.raises(UnsupportedError, match=words):
        one_layer(replace(net, **change(net)))


def _like(layer, **changes):
    return replace(layer, neuron=replace(layer.neuron, **changes))

"""Modules whose networks are graphs: captured, exported, and proven from ``module(x)`` to Lava."""

import dataclasses

import graph_modules as graphs
import numpy as np
import pytest
import torch
from graph_modules import GRAPHS, X, Y

import spikeproof
from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.contract.net import Input
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx


def made(name):
    torch.manual_seed(3)
    build, x = GRAPHS[name]
    return build(), x


def recorded(name):
    module, x = made(name)
    return spikeproof.record(module, sample=x)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_the_module_spike_for_spike(name, tmp_path):
    module, x = made(name)
    verdict = spikeproof.verify(module, x, backends=("engine",))
    assert verdict.exact and verdict.whole, str(verdict)
    net = spikeproof.export_netx(module, tmp_path / "net.net", sample=x)
    assert netx.load(tmp_path / "net.net") == net
    assert spikeproof.verify(module, x, file=tmp_path / "net.net", backends=("engine",)).exact


@pytest.mark.lava
@pytest.mark.parametrize(
    "name", ["residual with delays", "two inputs", "encoded skip", "feedback loop", "u-net", "second head first"]
)
def test_a_graph_is_the_module_on_lava(name):
    module, x = made(name)
    verdict = spikeproof.verify(module, x, backends=("engine", "lava"))
    assert verdict.exact and verdict.whole, str(verdict)


def test_convolutions_stay_convolutions_where_images_are_added_joined_or_chosen():
    for name in ("residual convolutions", "channels chosen"):
        net = recorded(name)
        assert all(isinstance(layer.synapse, Conv) for layer in net.layers[:2])
    net = recorded("u-net")
    joined = net.layers[3]
    assert isinstance(joined.synapse, Conv) and joined.synapse.in_shape == (3, 8, 8)
    (edge,) = net.edges
    assert isinstance(edge.synapse, Dense) and edge.label == "cuba3 -> cuba4"


def test_heads_are_named_in_the_order_in_which_the_module_returns_them():
    net = recorded("second head first")
    assert net.answers == ("cuba3", "cuba2") and net.output.num_neurons == 5


def test_delays_in_the_module_are_delays_of_edges():
    net = recorded("delayed skip")
    assert [edge.delay.tolist() for edge in net.edges] == [3]
    net = recorded("moving sum")
    assert sorted(edge.delay.tolist() for edge in net.edges) == [1, 2]
    net = recorded("feedback loop")
    assert [(edge.label, edge.delay.tolist()) for edge in net.edges] == [("cuba1 -> cuba1", 1)]


@pytest.mark.parametrize("change", ["weight", "delay", "missing"])
def test_a_changed_edge_is_no_longer_the_module(change, tmp_path):
    module, x = made("delayed skip")
    net = spikeproof.record(module, sample=x)
    (edge,) = net.edges
    weight = edge.synapse.weight.copy()
    weight[np.abs(weight).argmax() // weight.shape[1]] = 0
    edges = {
        "weight": (dataclasses.replace(edge, synapse=Dense(weight=weight)),),
        "delay": (dataclasses.replace(edge, delay=2),),
        "missing": (),
    }[change]
    netx.write(dataclasses.replace(net, edges=edges), tmp_path / "net.net")
    assert not spikeproof.verify(module, x, file=tmp_path / "net.net", backends=("engine",)).exact


def refused(forward, x=X, **parts):
    with pytest.raises(UnsupportedError) as error:
        spikeproof.record(graphs.Net(forward, **parts), sample=x)
    return str(error.value)


def test_what_is_no_graph_is_refused_by_its_place():
    a, b = graphs.dense(graphs.INPUTS, 10), graphs.dense(10, 5)
    words = refused(lambda self, x: self.b(self.a(x).roll(-1, -1)), a=a, b=b)
    assert "test_graph_modules.py" in words
    words = refused(lambda self, x: self.b(self.a(x).flip(-1)), a=a, b=b)
    assert "steps are mixed" in words
    words = refused(lambda self, x: self.b(self.a(x) * 0.3), a=a, b=b)
    assert "times 0.3" in words and "even integers" in words


def test_averages_are_exact_where_the_weights_can_be_divided():
    def forward(self, x):
        h = self.a(x)
        return self.b((h[:, ::2] + h[:, 1::2]) / 2)

    b = graphs.dense(5, 5)
    with torch.no_grad():
        b.synapse.weight.copy_((b.synapse.weight * 16).round() / 16)
    module = graphs.Net(forward, a=graphs.dense(graphs.INPUTS, 10), b=b)
    assert spikeproof.verify(module, X, backends=("engine",)).whole


def test_several_inputs_need_as_many_samples():
    module, _ = made("two inputs")
    with pytest.raises(InputError, match="4 and 3 samples|3 and 4 samples"):
        spikeproof.record(module, sample=(X, Y[:3]))
    with pytest.raises(InputError, match="Give a tuple of all inputs"):
        spikeproof.record(module, sample=X)


def test_a_file_with_several_inputs_takes_them_apart_or_joined(tmp_path):
    module, x = made("two inputs")
    net = spikeproof.export_netx(module, tmp_path / "net.net", sample=x)
    assert [(source.name, source.num_channels) for source in net.inputs] == [("input", 12), ("second", 6)]
    apart = spikeproof.simulate(tmp_path / "net.net", x)
    joined = spikeproof.simulate(tmp_path / "net.net", np.concatenate(x, axis=1))
    assert np.array_equal(apart.output(net), joined.output(net))


@pytest.mark.parametrize("exp", [-2, -6])
def test_an_analog_input_and_spikes_add_up_in_the_units_of_the_input(exp):
    """A skip of the input: the synapses for spikes get a weight exponent."""

    def forward(self, x):
        return self.b(x + self.a(x))

    torch.manual_seed(0)
    module = graphs.Net(forward, a=graphs.dense(6, 6), b=graphs.dense(6, 5))
    x = (np.random.default_rng(0).integers(-40, 90, (3, 6, 20)) * 2.0**exp).astype(np.float32)
    source = Input(num_channels=6, bits=8, exp=exp)
    net = spikeproof.record(module, sample=x, input=source)
    assert [edge.synapse.weight_exp for edge in net.edges] == [-exp]
    assert spikeproof.verify(module, x, backends=("engine",), input=source).whole


def test_spikes_in_units_that_no_exponent_reaches_are_refused():
    def forward(self, x):
        return self.b(x + self.a(x))

    module = graphs.Net(forward, a=graphs.dense(6, 6), b=graphs.dense(6, 5))
    x = np.zeros((2, 6, 20), np.float32)
    with pytest.raises(UnsupportedError, match=r"units of 2\*\*-9 .* and of 2\*\*0 .* up to 7 bits"):
        spikeproof.record(module, sample=x, input=Input(num_channels=6, bits=10, exp=-9))

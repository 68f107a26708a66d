"""What would prove a layer: told only where it does, and no smaller change of its kind would."""

import dataclasses

import numpy as np
import pytest
from graphs import graph
from typer.testing import CliRunner

import spikeproof
from spikeproof.cli import app
from spikeproof.contract import room
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim.bounds import bounds
from spikeproof.sim.ranges.changes import changes, weighted


def heavy(steps=60, **more):
    """Return a network whose second neuron's current can leave its range."""
    neuron = CUBA(num_neurons=2, u_decay=0, v_decay=4096, v_th_mant=1000)
    weight = [[10] * 40, [254] * 40]
    return Net(
        inputs=(Input(num_channels=40),),
        layers=(Layer(name="a", synapse=Dense(weight=weight), neuron=neuron, **more),),
        steps=steps,
    )


def proven(net):
    return bounds(net).proven


def test_each_change_that_is_told_proves_the_layer_and_is_the_smallest():
    net = heavy()
    found = changes(net, bounds(net), bounds)
    assert [one.words.split()[0] for one in found] == ["multiply", "u_decay", "a"]
    assert all(proven(one.net) for one in found)
    rows, decay, scale = (one.net.layers[0] for one in found)
    assert "the weights into neuron 1 by" in found[0].words
    assert np.array_equal(rows.synapse.weight[0], net.layers[0].synapse.weight[0])
    factor = rows.synapse.weight[1, 0] / 254
    assert not proven(weighted(net, 0, np.array([1.0, factor + 0.02])))
    least = int(np.max(decay.neuron.u_decay))
    smaller = dataclasses.replace(net.layers[0], neuron=dataclasses.replace(decay.neuron, u_decay=least - 1))
    assert not proven(dataclasses.replace(net, layers=(smaller,)))
    assert scale.scale == 32 or not proven(weighted(net, 0, np.full(2, 2.0 * scale.scale / 64)))
    assert scale.neuron.v_th_mant == 1000 * scale.scale // 64


def test_weights_of_all_ways_are_cut():
    net = heavy()
    more = Edge(source="input", target="a", synapse=Dense(weight=[[0] * 40, [200] * 40]), delay=2)
    net = dataclasses.replace(net, edges=(more,))
    first = changes(net, bounds(net), bounds)[0]
    assert first.net.edges[0].synapse.weight[1].max() < 200 and proven(first.net)


def test_a_convolution_is_cut_by_channels():
    synapse = Conv(weight=np.array([[[[254, 254]]], [[[2, 2]]]]), in_shape=(1, 1, 3))
    layer = Layer(name="a", synapse=synapse, neuron=Readout(num_neurons=4, a_shift=6))
    net = Net(inputs=(Input(num_channels=3),), layers=(layer,), steps=1000)
    first = changes(net, bounds(net), bounds)[0]
    assert first.words.startswith("multiply the weights into 2 of 4 neurons (0, 1) by 0.2")
    assert first.net.layers[0].synapse.weight[1].tolist() == [[[2, 2]]] and proven(first.net)


def test_nothing_is_told_where_a_bias_alone_is_too_much():
    neuron = Readout(num_neurons=1, bias_mant=4095)
    layer = Layer(name="a", synapse=Dense(weight=[[2]]), neuron=neuron, scale=1)
    net = Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=3000)
    assert [one.words.split()[0] for one in changes(net, bounds(net), bounds)] == ["v_decay"]


@pytest.mark.parametrize("seed", range(40))
def test_rows_that_are_cut_are_within_the_room(seed):
    """Of random graphs: what a layer may do by its own weights holds every run of it, cut or not."""
    net, _ = graph(seed, steps=30)
    for index, layer in enumerate(net.layers):
        factors = room.row_factors(net, index)
        assert factors.shape == (layer.num_neurons,) and (factors <= 1).all()
        if (factors > 0).all():
            assert (room.used_by(weighted(net, index, factors), index) < 1).all()


def test_the_command_tells_what_would_prove_a_layer(tmp_path):
    spikeproof.write(heavy(), tmp_path / "a.net")
    done = CliRunner().invoke(app, ["prove", str(tmp_path / "a.net")])
    words = " ".join(done.stdout.split())
    assert done.exit_code == 1 and "would prove a: multiply the weights into neuron 1 by 0." in words
    assert "would prove a: u_decay of at least" in words and "would prove a: a scale of" in words

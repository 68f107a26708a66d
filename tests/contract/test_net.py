"""The network record: what it refuses, how it compares, how input is encoded."""

import dataclasses

import numpy as np
import pytest
import strategies as some
from hypothesis import given

from spikeproof.contract.errors import InputError, RecordError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.record import differences
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.dense import Dense


def celif(n):
    return CELIF(num_neurons=n, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9)


def cuba(n):
    return CUBA(num_neurons=n, u_decay=0, v_decay=0, v_th_mant=1)


def layer(name, n_out, n_in, neuron=celif, weight=2):
    return Layer(name=name, synapse=Dense(weight=np.full((n_out, n_in), weight)), neuron=neuron(n_out))


def net(**changes):
    values = {
        "inputs": (Input(num_channels=2),),
        "layers": (layer("a", 3, 2), layer("b", 4, 3), layer("out", 2, 4, lambda n: Readout(num_neurons=n))),
        "steps": 5,
        "te": np.ones((5, 4), int),
    }
    return Net(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": ()}, "at least one layer"),
        ({"steps": 0}, r"Net steps = 0 is not a whole number in 1\.\."),
        ({"te": None}, "CE-LIF layers but no temporal encoding"),
        ({"te": np.ones((5, 3), int)}, "te has 3 columns, but a CE-LIF layer has 4 neurons"),
        ({"te": np.full((5, 4), 128)}, r"te\[0, 0\] = 128 is not a whole number in -128\.\.127"),
        ({"te": np.ones(4, int)}, r"te: shape \(4,\) is not \(steps, neurons\)"),
        ({"layers": (layer("a", 3, 3),)}, "layer 'a' takes 3 inputs, but input 'input' has 2"),
        ({"layers": (layer("a", 3, 2), layer("b", 2, 4))}, "layer 'b' takes 4 inputs, but layer 'a' has 3"),
        ({"layers": (layer("a", 3, 2), layer("a", 3, 3))}, "Two layers or inputs are called 'a'"),
        (
            {"layers": (layer("r", 3, 2, lambda n: Readout(num_neurons=n)), layer("b", 2, 3))},
            "layer 'r' is a read-out, which never fires",
        ),
        (
            {"layers": (layer("r", 3, 2, lambda n: Readout(num_neurons=n)),)},
            "temporal encoding te but no CE-LIF layer",
        ),
        (
            {"inputs": (Input(num_channels=2, bits=23),), "layers": (layer("c", 3, 2, cuba, weight=254),), "te": None},
            "layer 'c': its dendritic sums can reach 4261412356, and Lava's 32-bit port holds less than 2147483648",
        ),
    ],
)
def test_net_refuses(changes, words):
    with pytest.raises(RecordError, match=words):
        net(**changes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dense(weight=[[3]]), r"weight\[0, 0\] \(into neuron 0\) = 3 is odd"),
        (lambda: Dense(weight=[[2, 256]]), r"weight\[0, 1\] = 256 is not a whole number in -256\.\.254"),
        (lambda: Dense(weight=[[-258]]), r"weight\[0, 0\] = -258 is not"),
        (lambda: Dense(weight=[[float("nan")]]), r"weight\[0, 0\] = nan is not"),
        (lambda: Dense(weight=[2]), r"shape \(1,\) is not \(outputs, inputs\)"),
        (lambda: layer("no spaces", 1, 1), "Layer name 'no spaces': use up to 64 letters"),
        (
            lambda: Layer(name="a", synapse=Dense(weight=[[2]]), neuron=celif(2)),
            "synapses feed 1 neurons, but there are 2",
        ),
        (lambda: Layer(name="a", synapse=Dense(weight=[[2]]), neuron=celif(1), scale=48), "scale = 48 is not a power"),
        (lambda: Input(num_channels=1, exp=-6), "Input exp = -6 with bits = 0"),
        (lambda: dataclasses.replace(celif(1), v_decay=4097), r"CELIF v_decay.* = 4097 is not .* 0\.\.4096"),
        (lambda: dataclasses.replace(celif(1), th_decay=-1), r"CELIF th_decay.* = -1 is not"),
        (lambda: dataclasses.replace(celif(1), v_th_mant=2**17), r"CELIF v_th_mant = 131072 is not"),
        (lambda: dataclasses.replace(celif(1), te_exp=24), "CELIF te_exp = 24 is not"),
        (lambda: dataclasses.replace(celif(1), a_shift=19), "CELIF a_shift = 19 is not"),
        (lambda: dataclasses.replace(celif(2), bias_mant=[0, 4096]), r"CELIF bias_mant\[1\] = 4096 is not"),
        (lambda: dataclasses.replace(celif(1), bias_exp=8), "CELIF bias_exp = 8 is not"),
        (lambda: celif(0), "CELIF num_neurons = 0 is not"),
        (lambda: Axon(delay=[0, 0]), "Axon delay: all 2 are 0, so nothing delays"),
        (lambda: Axon(delay=[1, -1]), r"Axon delay\[1\] = -1 is not a whole number in 0\.\.63"),
        (lambda: Axon(delay=[64]), r"Axon delay\[0\] = 64 is not"),
        (
            lambda: Layer(name="a", synapse=Dense(weight=[[2], [2]]), neuron=celif(2), axon=Axon(delay=[1])),
            "layer 'a': its axon delays 1 neurons, but 2 fire",
        ),
        (
            lambda: Layer(name="a", synapse=Dense(weight=[[2]]), neuron=Readout(num_neurons=1), axon=Axon(delay=[1])),
            "layer 'a': its axon delays 1 neurons, but 1 never fire",
        ),
    ],
)
def test_records_refuse_what_a_register_cannot_hold(make, words):
    with pytest.raises(RecordError, match=words):
        make()


def test_equal_records_are_equal_and_differences_are_named():
    weight = np.full((4, 3), 2)
    weight[3, 1] = 6
    changed = dataclasses.replace(
        net(),
        layers=(
            net().layers[0],
            dataclasses.replace(net().layers[1], synapse=Dense(weight=weight)),
            net().layers[2],
        ),
    )

    assert net() == net()
    assert net() != changed
    assert differences(net(), changed) == [("layers[1].synapse.weight[3, 1]", 2, 6)]
    assert differences(net(), net(steps=6)) == [("steps", 5, 6)]


@given(some.nets())
def test_every_drawn_net_equals_itself_and_knows_its_time(drawn):
    assert drawn == dataclasses.replace(drawn)
    times = [drawn.latency(i) for i in range(len(drawn.layers))]
    shortest = [0 if layer.axon is None else layer.axon.shortest for layer in drawn.layers]
    assert times[0] == 1
    assert all(times[i + 1] == max(1, times[i] + 1 - shortest[i]) for i in range(len(times) - 1))


def test_encoding_wraps_and_layers_share_its_first_columns():
    record = net(te=np.arange(8).reshape(2, 4))

    assert record.encoding(4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert record.encoding(1).dtype == np.int8


def test_input_is_rounded_half_to_even_in_float32():
    graded = Input(num_channels=1, bits=8, exp=-6)

    assert graded.encode([[0.0, 1.0, 0.5 / 64, 1.5 / 64, -0.3]]).tolist() == [[0, 64, 0, 2, -19]]
    assert graded.encode(np.array([[255 / 64]])).dtype == np.int32


@pytest.mark.parametrize(
    ("record", "x", "words"),
    [
        (Input(num_channels=1, bits=8, exp=-6), [[0.0, 4.0]], r"Input\[0, 1\] = 4\.0: payload .* -255\.\.255; rescale"),
        (Input(num_channels=1, bits=8, exp=-6), [[float("nan")]], r"Input\[0, 0\] = nan"),
        (Input(num_channels=1), [[0, 2]], r"Input\[0, 1\] = 2: unary spikes must be 0 or 1"),
        (Input(num_channels=1), [[0.5]], "unary spikes must be 0 or 1"),
        (Input(num_channels=2), [[0, 1]], r"shape \(1, 2\); expected \(\.\.\., 2 channels, steps\)"),
        (Input(num_channels=1), [["a"]], "dtype <U1; expected numbers"),
    ],
)
def test_input_that_does_not_fit_is_refused_by_place(record, x, words):
    with pytest.raises(InputError, match=words):
        record.encode(x)

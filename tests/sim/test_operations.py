"""Operation counts equal those of a plain loop, and costs are the published figures times them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nets

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources import raster
from spikeproof.contract.sources.driven import Driven
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export.arithmetic import LSTM, Arithmetic
from spikeproof.export.loihi2.mapping import place
from spikeproof.sim.cost import energy
from spikeproof.sim.cost.operations import count
from spikeproof.sim.simulate import encode, simulate


def matrix(synapse):
    """Any synapses as a matrix, found by sending a spike to each input."""
    return synapse.sums(np.eye(synapse.num_inputs, dtype=np.int64)).T


def unit_matrix(synapse):
    """How many synapses of a weight other than 0 join two neurons: a convolution with 1 in place of its weights."""
    if isinstance(synapse, Dense):
        return (synapse.weight != 0).astype(int)
    ones = np.where(synapse.weight != 0, 2, 0)
    geometry = {name: getattr(synapse, name) for name in ("in_shape", "stride", "padding", "dilation", "groups")}
    return matrix(Conv(weight=ones, **geometry)) // 2


def brute(net, x):
    """Count spike by spike and synapse by synapse."""
    trace = simulate(net, x, backend="reference")
    sent = encode(net, x)
    samples, _, steps = sent.shape
    synaptic, published = {}, {}
    for i, layer in enumerate(net.layers):
        joined = unit_matrix(layer.synapse)
        operations = np.zeros((samples, steps), int)
        delays = (
            np.zeros(sent.shape[1], int) if not i or net.layers[i - 1].axon is None else net.layers[i - 1].axon.delay
        )
        for b, j, t in np.argwhere(sent != 0):
            arrival = t + delays[j]
            if arrival < steps:
                operations[b, arrival] += joined[:, j].sum()
        if layer.cpg is not None:
            for t, j in np.argwhere(raster(layer.cpg, steps)):
                operations[:, t] += joined[:, layer.num_inputs + j].sum()
        if isinstance(layer.neuron, CELIF):
            for t in range(steps):
                for n in range(layer.num_neurons):
                    if isinstance(net.te, Driven):
                        operations[:, t] += sum(
                            bool(net.te.matrix[n, k]) for k in np.flatnonzero(raster(net.te.cpg, steps)[t])
                        )
                    else:
                        operations[:, t] += bool(net.te[t % len(net.te), n])
        synaptic[layer.name] = operations
        if "s" in trace.layers[layer.name]:
            sent = trace.layers[layer.name]["s"]
            if layer.feedback is not None:
                for b, j, t in np.argwhere(sent[..., :-1] != 0):
                    operations[b, t + 1] += np.count_nonzero(layer.feedback.weight[:, j])
            published[layer.name] = (sent != 0).sum(axis=1)
    return synaptic, published


@settings(max_examples=25)
@given(net=nets(), seed=st.integers(0, 99))
def test_counts_are_those_of_a_plain_loop(net, seed):
    rng = np.random.default_rng(seed)
    high = net.input.max_payload * 2.0**net.input.exp
    low = -1 if net.input.bits else 0
    x = rng.integers(low, 2, (2, net.input.num_channels, net.steps)) * min(1.0, high)
    synaptic, published = brute(net, x)

    found = count(net, x)

    layers = {layer.name: layer for layer in found.layers}
    for name, expected in synaptic.items():
        np.testing.assert_array_equal(layers[name].synaptic_operations, expected)
        np.testing.assert_array_equal(layers[name].published, published.get(name, np.zeros_like(expected)))
    of_layers = sum(int(of.sum()) for of in synaptic.values())
    rings = sum(layer.synaptic_operations.sum() for name, layer in layers.items() if name.endswith(":clock"))
    assert found.synaptic == of_layers + rings
    assert found.updates == 2 * net.steps * sum(layer.neurons for layer in found.layers)


def small_net():
    weight = [[2, 0], [-4, 6], [8, 10]]
    celif = CELIF(num_neurons=3, v_decay=2048, th_decay=41, v_th_mant=1, te_exp=9)
    layers = (
        Layer(name="a", synapse=Dense(weight=weight), neuron=celif),
        Layer(name="out", synapse=Dense(weight=[[2, 2, 0], [2, 0, 2]]), neuron=Readout(num_neurons=2)),
    )
    return Net(inputs=(Input(num_channels=2),), layers=layers, steps=4, te=[[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 5]])


def test_a_case_by_hand():
    x = np.zeros((1, 2, 4))
    x[0, 0, 0] = x[0, 1, 1] = x[0, 0, 3] = 1

    found = {layer.name: layer for layer in count(small_net(), x).layers}

    # Input 0 has three synapses, input 1 two; rows of te have 2, 0, 3 and 1 entries.
    assert found["a"].synaptic[":input"].tolist() == [[3, 2, 0, 3]]
    assert found["a"].synaptic[":clock"].tolist() == [[2, 0, 3, 1]]
    assert found[":clock"].synaptic[":clock"].tolist() == found[":clock"].published.tolist() == [[1, 1, 1, 1]]
    assert found[":clock"].neurons == 4
    spikes = simulate(small_net(), x, backend="engine").layers["a"]["s"][0]
    assert spikes.sum() > 0
    assert found["out"].synaptic["a"].tolist() == [(np.array([2, 1, 1]) @ spikes).tolist()]


def test_costs_are_the_figures_times_the_counts():
    net = small_net()
    operations = count(net, np.ones((1, 2, 4)))
    found = energy.cost(net, operations, place(net))

    spikes = simulate(net, np.ones((1, 2, 4)), backend="engine").layers["a"]["s"]
    # A spike of the layer goes to one core, one of the ring to its own and the layer's.
    low = operations.synaptic * 23.6e-12 + (int(spikes.sum()) + 2 * 4) * 1.7e-12 + operations.updates * 52e-12
    assert found.loihi1_joules[0] == pytest.approx(low / 4)
    assert found.loihi1_joules[1] - found.loihi1_joules[0] == pytest.approx(operations.updates * 29e-12 / 4)
    ac = (5 * 4 + int((np.array([2, 1, 1]) @ spikes[0]).sum())) / 4
    assert found.arithmetic == Arithmetic(mac=9, ac=ac)
    assert found.arithmetic.joules == pytest.approx(9 * 4.6e-12 + ac * 0.9e-12)
    assert found.parameters == 6 + 6 + 12
    # The fullest core: micro-coded neurons at most 31 ns each above the base.
    assert found.loihi2_seconds == pytest.approx((1.78e-6, 1.78e-6 + 3 * 31e-9))


def test_an_analog_input_is_multiplied():
    layer = Layer(name="a", synapse=Dense(weight=[[2]]), neuron=CUBA(num_neurons=1, u_decay=0, v_decay=0, v_th_mant=9))
    net = Net(inputs=(Input(num_channels=1, bits=8, exp=-6),), layers=(layer,), steps=2)
    found = energy.cost(net, count(net, np.array([[[0.5, -0.5]]])), place(net))
    assert found.arithmetic == Arithmetic(mac=1 + 2, ac=0)


def test_the_lstm_of_the_paper():
    # Three layers of 90 cells and a classifier of 10: 772.1 nJ a step.
    lstm = LSTM(inputs=1, hidden=(90, 90, 90), outputs=10)
    assert lstm.arithmetic.joules * 1e9 == pytest.approx(772.1, abs=0.05)
    assert lstm.parameters == 4 * 90 * (1 + 91) + 2 * 4 * 90 * (90 + 91) + 900 + 10


def test_the_lstm_has_about_as_many_parameters_as_the_network():
    rng = np.random.default_rng(0)
    celif = CELIF(num_neurons=64, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9)
    layers = (
        Layer(name="a", synapse=Dense(weight=2 * rng.integers(-9, 9, (64, 4))), neuron=celif),
        Layer(name="out", synapse=Dense(weight=2 * rng.integers(-9, 9, (5, 64))), neuron=Readout(num_neurons=5)),
    )
    te = Driven(cpg=Phase.from_paper(16), matrix=rng.integers(-9, 9, (64, 16)))
    net = Net(inputs=(Input(num_channels=4),), layers=layers, steps=8, te=te)
    found = energy.cost(net, count(net, np.ones((2, 4, 8))), place(net))
    assert abs(found.lstm.parameters - found.parameters) < 0.1 * found.parameters
    words = str(found)
    assert "Loihi 1: " in words and "Loihi 2: " in words and "45 nm arithmetic: " in words and "LSTM of 1 x" in words
    plain = found.as_dict()
    assert all("source" in plain[of] for of in ("loihi1", "loihi2", "arithmetic_45nm"))

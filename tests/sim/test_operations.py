"""Operation counts equal those of a plain loop, and costs are the published figures times them."""

import numpy as np
import pytest
from graphs import graph
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nets

from spikeproof.contract.net import Edge, Input, Layer, Net
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


def ways_into(net, layer):
    """By what each layer is fed, from what the record says: sender's name, synapses, delays of them all, own."""
    i = net.layers.index(layer)
    before = net.layers[i - 1].name if i else net.inputs[0].name
    found = [(layer.source or before, layer.synapse, layer.delay)]
    found += [(edge.source, edge.synapse, edge.delay) for edge in net.edges if edge.target == layer.name]
    axons = {other.name: other.axon for other in net.layers}
    for source, synapse, delay in found:
        joined = unit_matrix(synapse)
        senders = width(net, source)
        axon = np.zeros(senders, int) if axons.get(source) is None else axons[source].delay
        yield source, joined[:, :senders], np.broadcast_to(delay + axon, joined[:, :senders].shape)
    if layer.feedback is not None:
        joined = unit_matrix(layer.feedback)
        yield layer.name, joined, np.ones(joined.shape, int)


def width(net, source):
    widths = {each.name: each.num_channels for each in net.inputs}
    return (widths | {layer.name: layer.num_neurons for layer in net.layers})[source]


def brute(net, x):
    """Count spike by spike and synapse by synapse."""
    trace = simulate(net, x, backend="reference")
    payload = encode(net, x)
    sent = {source.name: payload[:, net.channels(k)] for k, source in enumerate(net.inputs)}
    sent |= {name: of["s"] for name, of in trace.layers.items() if "s" in of}
    samples, _, steps = payload.shape
    synaptic, published = {}, {}
    for layer in net.layers:
        operations = np.zeros((samples, steps), int)
        for source, joined, delays in ways_into(net, layer):
            for b, j, t in np.argwhere(sent[source] != 0):
                for synapses, delay in zip(joined[:, j].tolist(), delays[:, j].tolist(), strict=True):
                    if t + delay < steps:
                        operations[b, t + delay] += synapses
        if layer.cpg is not None:
            for t, j in np.argwhere(raster(layer.cpg, steps)):
                operations[:, t] += np.count_nonzero(layer.synapse.weight[:, layer.num_inputs + j])
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
        if layer.name in sent:
            published[layer.name] = (sent[layer.name] != 0).sum(axis=1)
    return synaptic, published


@settings(max_examples=25)
@given(net=nets(), seed=st.integers(0, 99))
def test_counts_are_those_of_a_plain_loop(net, seed):
    rng = np.random.default_rng(seed)
    high = net.input.max_payload * 2.0**net.input.exp
    low = -1 if net.input.bits else 0
    x = rng.integers(low, 2, (2, net.input.num_channels, net.steps)) * min(1.0, high)
    check(net, x)


def check(net, x):
    """Compare the counts with those of a plain loop, and return them."""
    synaptic, published = brute(net, x)

    found = count(net, x)

    layers = {layer.name: layer for layer in found.layers}
    for name, expected in synaptic.items():
        np.testing.assert_array_equal(layers[name].synaptic_operations, expected)
        np.testing.assert_array_equal(layers[name].published, published.get(name, np.zeros_like(expected)))
    of_layers = sum(int(of.sum()) for of in synaptic.values())
    added = [layer for name, layer in layers.items() if name.endswith(":clock") or ":relay" in name]
    assert found.synaptic == of_layers + sum(layer.synaptic_operations.sum() for layer in added)
    assert found.updates == len(x) * net.steps * sum(layer.neurons for layer in found.layers)
    return found


def test_counts_over_graphs_are_those_of_a_plain_loop():
    relays = 0
    for seed in range(20):
        net, payload = graph(seed)
        found = check(net, payload)
        relays += sum(":relay" in layer.name for layer in found.layers)
        assert str(energy.cost(net, found, place(net)))
    assert relays > 10  # some delays are longer than those of synapses


def test_a_spike_that_comes_too_late_is_no_operation():
    lif = CUBA(num_neurons=2, u_decay=4096, v_decay=4096, v_th_mant=1)
    layers = (Layer(name="a", synapse=Dense(weight=[[2], [2]]), neuron=lif, delay=[[1], [3]]),)
    edge = Edge(source="input", target="a", synapse=Dense(weight=[[2], [0]]), delay=2)
    net = Net(inputs=(Input(num_channels=1),), layers=layers, edges=(edge,), steps=4)

    (found,) = count(net, np.ones((1, 1, 4))).layers

    # One synapse each from step 1 and from step 3 on, and that of the edge from step 2 on.
    assert found.synaptic[":input"].tolist() == [[0, 1, 2, 3]]


def test_relays_are_counted_as_they_are_mapped():
    lif = CUBA(num_neurons=2, u_decay=4096, v_decay=4096, v_th_mant=1)
    layers = (Layer(name="a", synapse=Dense(weight=[[2], [2]]), neuron=lif, delay=[[1], [70]]),)
    net = Net(inputs=(Input(num_channels=1),), layers=layers, steps=75)
    x = np.zeros((1, 1, 75))
    x[0, 0, [0, 4, 5, 20]] = 1

    found = {layer.name: layer for layer in count(net, x).layers}

    # What enters reaches the relay 63 steps later if the sample lasts so long, and the layer 7 steps behind that.
    assert np.flatnonzero(found[":input:relay1"].published[0]).tolist() == [63, 67, 68]
    assert np.flatnonzero(found["a"].synaptic[":input:relay1"][0]).tolist() == [70, 74]
    assert np.flatnonzero(found["a"].synaptic[":input"][0]).tolist() == [1, 5, 6, 21]


def test_places_of_an_image_are_counted_at_the_relay_that_hands_them_on():
    synapse = Conv(weight=np.full((2, 1, 1, 1), 2), in_shape=(1, 1, 2))
    lif = CUBA(num_neurons=4, u_decay=4096, v_decay=4096, v_th_mant=1)
    net = Net(
        inputs=(Input(num_channels=2),),
        layers=(Layer(name="a", synapse=synapse, neuron=lif, delay=[2, 65]),),
        steps=70,
    )
    x = np.zeros((1, 2, 70))
    x[0, 0, 0] = x[0, 1, 1] = x[0, 1, 4] = 1

    found = {layer.name: layer for layer in check(net, x).layers}

    assert [t for t in range(70) if found["a"].synaptic[":input"][0, t]] == [2]
    assert [t for t in range(70) if found["a"].synaptic[":input:relay1"][0, t]] == [66, 69]
    assert found["a"].synaptic_operations.sum() == 3 * 2


def test_edges_and_all_inputs_are_in_the_costs():
    lif = CUBA(num_neurons=1, u_decay=0, v_decay=0, v_th_mant=9)
    inputs = (Input(num_channels=1), Input(num_channels=2, bits=8, exp=-6, name="te"))
    layers = (Layer(name="a", synapse=Dense(weight=[[2]]), neuron=lif),)
    edge = Edge(source="te", target="a", synapse=Dense(weight=[[2, 4]]))
    net = Net(inputs=inputs, layers=layers, edges=(edge,), steps=2)

    operations = count(net, np.array([[[1, 0], [0.5, -0.5], [0, 0.25]]]))
    found = energy.cost(net, operations, place(net))

    assert {name: of.tolist() for name, of in operations.layers[0].synaptic.items()} == {
        ":input.input": [[1, 0]],
        ":input.te": [[1, 2]],
    }
    assert found.arithmetic == Arithmetic(mac=1.5 + 2, ac=0.5) and found.parameters == 3


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

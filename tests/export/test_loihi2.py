"""The Loihi 2 map: Intel's printed rows, hand-computed cases, and what does not fit."""

import dataclasses
import json
import re
import time

import numpy as np
import pytest
from graphs import graph

from spikeproof.contract.errors import FileFormatError, InputError
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.neurons.rf import RF
from spikeproof.contract.sources.driven import Driven
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv as ConvSynapse
from spikeproof.contract.synapses.dense import Dense as DenseSynapse
from spikeproof.export import netx
from spikeproof.export.loihi2 import limits, view
from spikeproof.export.loihi2.mapping import WHENCE, place
from spikeproof.export.loihi2.partition import Use
from spikeproof.export.loihi2.plan import Population
from spikeproof.export.loihi2.synapses import Conv, Dense, OneToOne, Part, Sparse, weight_bits

PUBLIC = limits.load()


def part(channels, places=1):
    return Part(slice(0, channels), slice(0, places))


def lif(name, channels, *inputs, **more):
    return Population(name=name, kind="LIF", channels=channels, inputs=inputs, **more)


def dense(n_in, bits=8, source=":input", **more):
    return Dense(source=source, num_inputs=n_in, bits=bits, **more)


# The rows that Intel's compiler printed: number of inputs, neurons on the core, bits -> words. lava-dl d825ac5,
# tutorials netx/{mnist,pilotnet_snn,pilotnet_sdnn,oxford}/*.ipynb.
PRINTED = [
    ("MNIST", 784, 50, 8, 12544),
    ("MNIST", 128, 64, 8, 2688),
    ("MNIST", 64, 10, 8, 256),
    ("PilotNet SNN", 100, 50, 4, 1300),
    ("PilotNet SNN, before the split", 2560, 100, 3, 61440),
    ("PilotNet SNN", 50, 10, 5, 150),
    ("PilotNet SNN", 10, 1, 8, 10),
    ("PilotNet SDNN", 100, 50, 6, 1500),
    ("PilotNet SDNN, before the split", 2560, 100, 4, 66560),
    ("Oxford, before the split", 200, 256, 8, 16200),
    ("Oxford, before the split", 256, 200, 8, 16128),
]


@pytest.mark.parametrize(("network", "n_in", "neurons", "bits", "words"), PRINTED)
def test_dense_words_are_those_of_intels_compiler(network, n_in, neurons, bits, words):
    assert dense(n_in, bits).words(part(neurons)) == words, network


def test_the_uneven_split_of_pilotnet_gives_the_printed_average():
    words = 11 * dense(2560, 3).words(part(9)) + dense(2560, 3).words(part(1))
    assert words // 12 == 7253


@pytest.mark.parametrize(
    ("n_in", "neurons", "total", "percent"),
    [(784, 50, 13429, "67.14"), (128, 64, 2945, "14.72"), (64, 10, 341, "1.71")],
)
def test_totals_are_those_of_intels_compiler(n_in, neurons, total, percent):
    (placed,) = place((lif("a", neurons, dense(n_in)),)).placed

    assert placed.largest.core_words == total
    # Intel prints two places; 14.725 % is printed as 14.72.
    assert abs(100 * total / PUBLIC.core_words.value - float(percent)) <= 0.0051


def test_mnist_takes_the_cores_that_intels_compiler_took():
    net = (
        lif("a", 128, dense(784)),
        lif("b", 64, dense(128, source="a")),
        lif("c", 10, dense(64, source="b")),
    )
    assert [len(placed.uses) for placed in place(net).placed] == [3, 1, 1]


def test_pilotnets_dense_layer_takes_no_more_cores_than_intels_compiler_took():
    (placed,) = place((lif("a", 100, dense(2560, 3)),)).placed
    assert len(placed.uses) == 4 and placed.halving == 4  # Intel's took 12: ours is a lower bound


def test_sparse_words_by_hand():
    # 70 lists of three 20-bit entries, which fit a word with its header, and 30 of four, which do not.
    present = np.zeros((12, 100), dtype=bool)
    present[:3, :70] = True
    present[:4, 70:] = True
    sparse = Sparse(source=":input", present=present)

    assert sparse.words(part(12)) == 70 * (3 * 20 // 64 + 1) + 30 * (4 * 20 // 64 + 1) == 130
    assert sparse.synapses(part(12)) == 3 * 70 + 4 * 30
    assert sparse.axons(part(12)) == 100


def test_sparse_leaves_out_zeros_and_axons_without_a_synapse():
    present = np.zeros((6, 5), dtype=bool)
    present[0, 0] = present[5, 1] = True
    sparse = Sparse(source=":input", present=present)

    assert (sparse.axons(part(6)), sparse.words(part(6))) == (2, 2)
    last = Part(slice(3, 6), slice(0, 1))
    assert (sparse.axons(last), sparse.words(last), sparse.synapses(last)) == (1, 1, 1)
    assert dense(5).words(part(6)) == 5 * (6 * 20 // 64 + 1) == 10


def test_a_list_that_ends_at_a_word_takes_one_more():
    assert dense(100, 4).words(part(4)) == 100 * 2  # 4 * 16 bits are one word
    assert dense(1, 4).words(part(3)) == 1


def test_delay_bits_widen_every_synapse():
    assert dense(10, 8, delay_bits=6).words(part(50)) == 10 * (50 * 26 // 64 + 1) == 210


def test_a_ring_takes_a_word_a_neuron():
    assert OneToOne(source="a").words(part(784)) == 784


# lava-dl d825ac5: words for each input channel and place of the kernel, of so many output channels and bits.
CONV_PRINTED = [(24, 5, 3), (36, 4, 4), (48, 4, 5), (64, 4, 5), (24, 6, 3), (36, 5, 4), (64, 5, 6)]


@pytest.mark.parametrize(("channels", "bits", "words"), CONV_PRINTED)
def test_convolutions_are_bounded_from_above(channels, bits, words):
    bound = Conv(source=":input", in_channels=3, kernel=25, bits=bits).words(part(channels, 1280))

    assert 2 * 75 * words <= bound <= 4 * 75 * words
    assert "upper bound" in WHENCE["synapse_words, conv shared"]


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        ([[0, 0]], 1),
        ([[2, 4]], 2),  # one sign: magnitudes 1 and 2
        ([[2, -2]], 2),
        ([[-2, -4]], 2),
        ([[64, -128]], 2),  # 1 and -2 after the shared power of two
        ([[6, -10]], 4),  # 3 and -5
        ([[2, -64]], 6),
        ([[62, -64]], 6),
        ([[64, -64]], 2),
        ([[66, -64]], 8),  # 7 bits count as 8
        ([[254, -256]], 8),
        ([[-256, -2]], 8),
    ],
)
def test_weight_bits(weights, bits):
    assert weight_bits(np.array(weights)) == bits


def celif_net(widths, *, steps=784, driven=None, seed=0, n_in=1):
    """CE-LIF layers and a read-out without a zero weight, so that every layer is dense."""
    rng = np.random.default_rng(seed)

    def full(*shape):
        return np.where(rng.random(shape) < 0.5, -202, 198)

    layers, width = [], n_in
    for i, n in enumerate(widths):
        neuron = CELIF(num_neurons=n, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9)
        layers.append(Layer(name=f"celif{i}", synapse=DenseSynapse(weight=full(n, width)), neuron=neuron))
        width = n
    layers.append(Layer(name="out", synapse=DenseSynapse(weight=full(10, width)), neuron=Readout(num_neurons=10)))
    te = full(steps, max(widths)) // 2
    if driven:
        te = Driven(cpg=Phase.from_paper(driven), matrix=full(max(widths), driven) // 2)
    return Net(inputs=(Input(num_channels=n_in),), layers=tuple(layers), steps=steps, te=te)


def test_celif_networks_with_a_table():
    small = {placed.population.name: placed for placed in place(celif_net([64, 88, 88])).placed}
    large = {placed.population.name: placed for placed in place(celif_net([64, 152, 152])).placed}

    # By hand: a core of 44 neurons of celif1 has 784 + 64 axons, lists of 14 words, 3 state words a neuron.
    assert 44 * 20 // 64 + 1 == 14
    assert [len(small[name].uses) for name in (":clock", "celif0", "celif1", "celif2", "out")] == [1, 2, 2, 2, 1]
    assert small["celif1"].largest == Use(
        neurons=44,
        input_axons=848,
        neuron_groups=1,
        state_words=132,
        synapse_words=848 * 14,
        axon_map=44,
        accumulators=88,
        synapses=848 * 44,
    )
    assert small["celif1"].largest.core_words == 848 + 1 + 132 + 848 * 14 + 44 == 12897
    assert [(len(large[name].uses), large[name].halving) for name in ("celif1", "celif2")] == [(3, 4), (3, 4)]
    assert large["celif2"].largest.core_words == 936 + 1 + 153 + 936 * 16 + 51 == 16117
    # The ring: a word a neuron for state, axon and synapse, and an output axon to itself and each of three layers.
    assert large[":clock"].largest.core_words == 784 + 1 + 784 + 784 + 4 * 784


def test_celif_networks_driven_by_oscillators():
    found = place(celif_net([64, 152, 152], driven=16))
    placed = {placed.population.name: placed for placed in found.placed}

    assert [len(placed[name].uses) for name in ("celif0", "celif1", "celif2", "out")] == [1, 1, 1, 1]
    # As computed by hand in docs/map.md: 152 + 16 axons, lists of 48 words.
    assert placed["celif2"].largest.synapse_words == (152 + 16) * (152 * 20 // 64 + 1) == 168 * 48
    assert placed["celif2"].largest.core_words == 168 + 1 + 3 * 152 + 168 * 48 + 152
    bank = placed["celif2:te"].largest
    assert (bank.neurons, bank.state_words, bank.neuron_groups, bank.input_axons) == (16, 16, 2, 0)
    assert any("projection" in note for note in found.notes)


def test_a_layers_own_oscillators_and_delays_are_mapped():
    first = Layer(
        name="a",
        synapse=DenseSynapse(weight=[[2, 4, -6]] * 4),
        neuron=CUBA(num_neurons=4, u_decay=4096, v_decay=[0, 1, 1, 2], v_th_mant=1),
        cpg=Phase.from_paper(2),
        axon=Axon(delay=[1, 5, 9, 2]),
    )
    second = Layer(
        name="b",
        synapse=DenseSynapse(weight=[[2, 2, 2, 0]]),
        neuron=CUBA(num_neurons=1, u_decay=0, v_decay=0, v_th_mant=1),
    )
    net = Net(inputs=(Input(num_channels=1),), layers=(first, second), steps=9)

    found = {placed.population.name: placed for placed in place(net).placed}

    assert set(found) == {"a:cpg", "a", "b"}
    assert found["a"].largest.neuron_groups == 3  # three leaks
    assert [c.source for c in found["a"].population.inputs] == [":input", "a:cpg"]
    (connection,) = found["b"].population.inputs
    # Delays of 0 to 8 steps are left when the synapses have taken one: four bits.
    assert (connection.encoding, connection.bits, connection.delay_bits) == ("sparse", 1, 4)
    assert found["b"].population.longest_delay == 8
    assert found["b"].largest.input_axons == 3
    tight = place(net, PUBLIC.replace({"longest_delay": 7}))
    assert tight.fits and any("1 relay neuron in 1 population hold spikes" in note for note in tight.notes)
    by_hand = (dataclasses.replace(found["b"].population, name="b"),)
    (problem,) = place(by_hand, PUBLIC.replace({"longest_delay": 7})).problems
    assert "needs 8 steps of delay, 7 are there" in str(problem)


def test_leaks_of_more_kinds_than_there_are_groups_are_kept_neuron_by_neuron():
    neuron = CUBA(num_neurons=10, u_decay=4096, v_decay=np.arange(10), v_th_mant=1, bias_mant=np.arange(10))
    layer = Layer(name="a", synapse=DenseSynapse(weight=np.full((10, 1), 2)), neuron=neuron)
    (placed,) = place(Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=1)).placed

    assert (placed.largest.neuron_groups, placed.largest.state_words) == (1, 20)


def pilotnet():
    """A record of the shape of PilotNet's spiking form: five convolutions and four dense layers, weights of few bits."""

    def layer(name, synapse):
        n = synapse.num_neurons
        return Layer(name=name, synapse=synapse, neuron=CUBA(num_neurons=n, u_decay=4096, v_decay=0, v_th_mant=64))

    def full(bits, *shape):
        weight = np.full(shape, 2)
        weight.flat[0] = -(2**bits)
        return weight

    layers, shape = [], (3, 66, 200)
    for i, (channels, kernel, stride, bits) in enumerate(
        [(24, 3, 2, 5), (36, 3, 2, 4), (48, 3, 2, 4), (64, 3, 2, 4), (64, 3, 1, 4)], start=1
    ):
        padding = (1, 1) if i == 5 else (0, 0)
        weight = full(bits, channels, shape[0], kernel, kernel)
        synapse = ConvSynapse(weight=weight, in_shape=shape, stride=(stride, stride), padding=padding)
        layers.append(layer(f"conv{i}", synapse))
        shape = synapse.out_shape
    width = int(np.prod(shape))
    for i, (n, bits) in enumerate([(100, 3), (50, 4), (10, 5), (1, 8)], start=1):
        layers.append(layer(f"dense{i}", DenseSynapse(weight=full(bits, n, width))))
        width = n
    return Net(inputs=(Input(num_channels=3 * 66 * 200),), layers=tuple(layers), steps=16)


def test_a_convolutional_network():
    net = pilotnet()
    found = place(net)
    placed = {of.population.name: of for of in found.placed}

    assert found.fits and found.chips == 1
    assert [layer.shape for layer in net.layers[:5]] == [
        (24, 32, 99),
        (36, 15, 49),
        (48, 7, 24),
        (64, 3, 11),
        (64, 3, 11),
    ]
    # conv1: at 4095 neurons a core, 170 places of 24 channels, so 3168 places are 19 cores; each stores the kernels.
    assert (len(placed["conv1"].uses), placed["conv1"].largest.neurons) == (19, 24 * 167)
    assert placed["conv1"].largest.synapse_words == 27 * (24 * 17 // 64 + 1)
    assert placed["conv1"].largest.axon_map == 167  # one a place into a convolution
    assert placed["conv5"].largest.axon_map == placed["conv5"].largest.neurons == 64 * 33  # one a neuron into dense
    assert sum(use.neurons for use in placed["conv2"].uses) == 36 * 15 * 49
    # dense1: 3-bit weights, 2112 inputs.
    assert placed["dense1"].largest.synapse_words == 2112 * (placed["dense1"].largest.neurons * 15 // 64 + 1)
    # Intel's compiler took 74 cores for PilotNet; the fewest equal parts are a lower bound.
    assert found.cores < 74


def test_cuba_neurons_that_are_not_lavas_own_are_micro_coded():
    neuron = CUBA(num_neurons=4, u_decay=0, v_decay=0, v_th_mant=1, graded=1)
    layer = Layer(name="a", synapse=DenseSynapse(weight=np.full((4, 3), 6)), neuron=neuron)
    (placed,) = place(Net(inputs=(Input(num_channels=3),), layers=(layer,), steps=4)).placed
    assert (placed.population.kind, placed.largest.state_words) == ("CUBA (micro-coded)", 4 * 3)


def test_feedback_is_mapped_and_nothing_of_a_layer_is_forgotten():
    neuron = CUBA(num_neurons=4, u_decay=0, v_decay=0, v_th_mant=1)
    feedback = DenseSynapse(weight=np.full((4, 4), -2))
    layer = Layer(name="a", synapse=DenseSynapse(weight=np.full((4, 3), 6)), neuron=neuron, feedback=feedback)
    (placed,) = place(Net(inputs=(Input(num_channels=3),), layers=(layer,), steps=4)).placed

    assert [connection.source for connection in placed.population.inputs] == [":input", "a"]
    assert placed.largest.synapse_words == 3 * (4 * 14 // 64 + 1) + 4 * (4 * 13 // 64 + 1)
    assert placed.largest.axon_map == 2 * 4  # to itself and out
    # Who adds a field to a layer adds it to the map, to NIR's nodes and to the count of operations, and then here.
    known = {"name", "synapse", "neuron", "scale", "cpg", "axon", "feedback", "delay", "source"}
    assert {field.name for field in dataclasses.fields(Layer)} == known


def matrix_of(synapse):
    """Any synapses as a matrix, and how each sender reaches whom; those of convolutions by sending a spike to each."""
    if isinstance(synapse, DenseSynapse):
        return synapse.weight
    geometry = {name: getattr(synapse, name) for name in ("in_shape", "stride", "padding", "dilation", "groups")}
    ones = ConvSynapse(weight=np.full(synapse.weight.shape, 2), **geometry)
    return ones.sums(np.eye(synapse.num_inputs, dtype=np.int64)).T


def waits_by_hand(net):
    """Yield sender, layer, whether all of a sender's spikes go there, and for each synapse its sender and its wait."""
    widths = {each.name: each.num_channels for each in net.inputs} | {
        each.name: each.num_neurons for each in net.layers
    }
    latency = {each.name: 0 for each in net.inputs} | {x.name: net.latency(i) for i, x in enumerate(net.layers)}
    axons = {layer.name: layer.axon.delay for layer in net.layers if layer.axon is not None}
    ways, before = [], net.inputs[0].name
    for layer in net.layers:
        ways.append((layer.source or before, layer.name, layer.synapse, layer.delay, 1))
        ways += [(layer.name, layer.name, layer.feedback, 1, 0)] if layer.feedback is not None else []
        before = layer.name
    ways += [(edge.source, edge.target, edge.synapse, edge.delay, 1) for edge in net.edges]
    for source, target, synapse, delay, by_axon in ways:
        joined = matrix_of(synapse)[:, : widths[source]]
        steps = np.broadcast_to(delay + by_axon * axons.get(source, np.int64(0)), joined.shape)
        found = []
        for n, j in np.argwhere(joined != 0).tolist():
            found.append((j, latency[target] - latency[source] + int(steps[n, j]) - 1))
        yield source, target, isinstance(synapse, ConvSynapse), found


@pytest.mark.parametrize("longest", [62, 9])
def test_graphs_are_mapped_with_every_wait_in_a_synapse_or_a_relay(longest):
    relays = aligned = 0
    for seed in range(60):
        net, _ = graph(seed)
        found = {
            placed.population.name: placed for placed in place(net, PUBLIC.replace({"longest_delay": longest})).placed
        }

        bits, handed, present = {}, {}, {}
        for source, target, whole, synapses in waits_by_hand(net):
            name = source if source in found else ":input" if len(net.inputs) == 1 else f":input.{source}"
            for j, wait in synapses:
                assert wait >= 0
                stage, rest = divmod(wait, longest + 1)
                key = target, f"{name}:relay{stage}" if stage else name
                bits[key] = max(bits.get(key, 0), rest.bit_length())
                if not whole:
                    present[key] = present.get(key, 0) + 1
                for k in range(1, stage + 1):
                    handed.setdefault(f"{name}:relay{k}", set()).update(range(10**3, 10**3 + whole) if whole else [j])
            aligned += any(wait for _, wait in synapses)
        for name, senders in handed.items():
            if 10**3 not in senders:  # a convolution's senders are handed on all together
                assert found[name].population.neurons == len(senders)
            assert found[name].largest.neurons == found[name].population.neurons
        assert {name for name in found if ":relay" in name} == set(handed)
        mapped = {}
        for placed in found.values():
            population = placed.population
            assert population.longest_delay <= longest
            assert sum(use.neurons for use in placed.uses) == population.neurons
            for each in population.inputs:
                key = population.name, each.source
                mapped[key] = max(mapped.get(key, 0), each.delay_bits)
                if isinstance(each, Sparse):
                    whole_part = Part(slice(0, population.channels), slice(0, population.places))
                    present[key] = present.get(key, 0) - each.synapses(whole_part)
                elif isinstance(each, Dense):
                    present[key] = present.get(key, 0) - each.num_inputs * population.neurons * each.sums
        for key, most in bits.items():
            assert mapped[key] == most
        ours = {key: left for key, left in present.items() if key[1].rpartition(":")[2] not in ("clock", "cpg", "te")}
        assert not any(ours.values())
        answers = {placed.population.name for placed in found.values() if placed.population.answers}
        assert answers == set(net.answers)
        relays += len(handed)
    assert relays > 20 and aligned > 60


def chain_with_a_skip(delay=0):
    """Three layers of two neurons, and an edge from the first to the last."""
    lif = CUBA(num_neurons=2, u_decay=0, v_decay=0, v_th_mant=1)
    square = DenseSynapse(weight=[[2, -2], [4, 6]])
    layers = tuple(Layer(name=name, synapse=square, neuron=lif) for name in "abc")
    edges = (Edge(source="a", target="c", synapse=square, delay=delay),)
    return Net(inputs=(Input(num_channels=2),), layers=layers, edges=edges, outputs=("c", "b"), steps=200)


def test_a_skip_waits_for_the_layers_beside_it():
    found = place(chain_with_a_skip())
    of = {placed.population.name: placed for placed in found.placed}

    own, skip = of["c"].population.inputs
    assert (own.source, own.delay_bits) == ("b", 0) and (skip.source, skip.delay_bits) == ("a", 1)
    # Two axons from each; lists of two weights of 3 bits and 12 of the target, with a bit of delay in the skip's.
    assert of["c"].largest.input_axons == 4
    assert of["c"].largest.synapse_words == 2 * (2 * 15 // 64 + 1) + 2 * (2 * 16 // 64 + 1)
    assert [of[name].largest.axon_map for name in "abc"] == [
        2 + 2,
        2 + 2,
        2,
    ]  # two listeners; one and the host; the host
    assert any("1 way into a layer must wait" in note and "a -> c by 1 step." in note for note in found.notes)
    assert any("clear what waits between samples" in note for note in found.notes)


def test_longer_delays_than_synapses_have_take_relays():
    found = place(chain_with_a_skip(delay=[[130, 130], [3, 61]]))  # waits of 131, 4 and 62 steps
    of = {placed.population.name: placed for placed in found.placed}

    assert list(of) == ["a", "a:relay1", "a:relay2", "b", "c"]
    assert [(each.source, each.delay_bits) for each in of["c"].population.inputs] == [
        ("b", 0),
        ("a", 6),
        ("a:relay2", 3),
    ]
    first, second = of["a:relay1"], of["a:relay2"]
    assert (first.population.inputs[0].source, second.population.inputs[0].source) == ("a", "a:relay1")
    # For each of two neurons a word of state, an axon, a synapse and the axon on; and one configuration.
    assert first.largest.core_words == second.largest.core_words == 4 * 2 + 1
    assert 131 == 2 * (62 + 1) + 5
    note = next(note for note in found.notes if "relay" in note)
    assert note.startswith(
        "4 relay neurons in 2 populations hold spikes that wait longer than the 62 steps of a synapse"
    )
    assert "they take 18 words of 2 cores" in note
    assert found.neurons == 3 * 2 + 4


def test_relays_of_payloads_are_micro_coded():
    lif = CUBA(num_neurons=2, u_decay=0, v_decay=0, v_th_mant=1)
    layer = Layer(name="a", synapse=DenseSynapse(weight=[[2], [4]]), neuron=lif, delay=70)
    for bits, kind, words in ((0, "relay (hard-coded LIF)", 1), (8, "relay of payloads (micro-coded)", 2)):
        net = Net(inputs=(Input(num_channels=1, bits=bits),), layers=(layer,), steps=100)
        relay, _ = place(net).placed
        assert (relay.population.name, relay.population.kind) == (":input:relay1", kind)
        assert relay.largest.state_words == words


def test_a_layer_cut_by_places_keeps_the_sparse_synapses_of_its_part():
    present = np.zeros((2 * 3, 4), bool)  # two channels of three places
    present[[0, 1, 5], [0, 1, 2]] = True
    sparse = Sparse(source="a", present=present, places=3)

    assert [sparse.synapses(Part(slice(0, 2), slice(k, k + 1))) for k in range(3)] == [1, 1, 1]
    assert sparse.synapses(Part(slice(0, 1), slice(0, 3))) == 2


def test_kernels_are_stored_once_for_each_delay_of_a_channel():
    synapse = ConvSynapse(weight=np.full((2, 2, 1, 1), 2), in_shape=(2, 1, 3))
    conv = Layer(
        name="a",
        synapse=synapse,
        neuron=CUBA(num_neurons=6, u_decay=0, v_decay=0, v_th_mant=1),
        delay=[1, 2, 1, 5, 5, 5],
    )
    edge = Edge(source="input", target="a", synapse=DenseSynapse(weight=np.full((6, 6), 2)))
    net = Net(inputs=(Input(num_channels=6),), layers=(conv,), edges=(edge,), steps=9)

    (placed,) = place(net).placed

    assert (placed.population.channels, placed.population.places) == (2, 3)
    shared, dense_edge = placed.population.inputs
    assert (shared.copies, shared.delay_bits, dense_edge.delay_bits) == (2, 3, 0)
    assert placed.largest.synapse_words == 2 * 2 * (2 * (1 + 3 + 12) // 64 + 1) + 6 * (6 * 13 // 64 + 1)
    assert placed.largest.input_axons == 2 * 2 + 6


def test_a_convolution_into_a_layer_of_dense_synapses_gives_it_places():
    conv = ConvSynapse(weight=np.full((2, 1, 1, 1), 2), in_shape=(1, 1, 3))
    layer = Layer(
        name="a",
        synapse=DenseSynapse(weight=np.full((6, 3), 2)),
        neuron=CUBA(num_neurons=6, u_decay=0, v_decay=0, v_th_mant=1),
    )
    net = Net(
        inputs=(Input(num_channels=3),),
        layers=(layer,),
        edges=(Edge(source="input", target="a", synapse=conv),),
        steps=9,
    )

    (placed,) = place(net).placed

    assert (placed.population.channels, placed.population.places) == (2, 3)
    assert placed.largest.synapse_words == 3 * (6 * 13 // 64 + 1) + (2 * 13 // 64 + 1)


def test_a_convolutional_record():
    synapse = ConvSynapse(weight=np.full((4, 2, 3, 3), 20), in_shape=(2, 10, 8), padding=(1, 1), stride=(2, 1))
    conv = Layer(name="a", synapse=synapse, neuron=CUBA(num_neurons=160, u_decay=0, v_decay=0, v_th_mant=1))
    last = Layer(
        name="b",
        synapse=DenseSynapse(weight=np.full((3, 160), -6)),
        neuron=CUBA(num_neurons=3, u_decay=0, v_decay=0, v_th_mant=1),
    )
    net = Net(inputs=(Input(num_channels=160),), layers=(conv, last), steps=4)

    first, second = place(net).placed

    assert (first.population.channels, first.population.places) == (4, 5 * 8)
    assert first.largest.synapse_words == 2 * 9 * (4 * (1 + 12) // 64 + 1)  # 20 is one bit and an exponent
    assert (first.largest.input_axons, first.largest.axon_map) == (2, 160)
    assert second.largest.synapse_words == 160 * (3 * (2 + 12) // 64 + 1)  # 6 is two bits and an exponent


def test_groups_of_channels_take_lists_of_their_own():
    depthwise = Conv(source=":input", in_channels=1, kernel=9, groups=8, group_channels=1)
    assert depthwise.words(part(8, 100)) == 8 * 9
    assert depthwise.words(part(2, 100)) == 2 * 9
    halves = Conv(source=":input", in_channels=4, kernel=9, groups=2, group_channels=16)
    assert halves.words(part(32)) == 2 * 4 * 9 * (16 * 20 // 64 + 1)


def test_complex_neurons_take_two_lists_of_targets():
    neuron = RF(num_neurons=10, sin_decay=100, cos_decay=4000, v_th_mant=9)
    layer = Layer(name="a", synapse=DenseSynapse(weight=np.full((20, 7), 2)), neuron=neuron)
    (placed,) = place(Net(inputs=(Input(num_channels=7),), layers=(layer,), steps=1)).placed

    assert (placed.largest.neurons, placed.largest.accumulators) == (10, 20)
    assert placed.largest.synapse_words == 7 * (20 * 13 // 64 + 1)
    half = np.full((20, 7), 2)
    half[10:] = 0
    layer = dataclasses.replace(layer, synapse=DenseSynapse(weight=half))
    (placed,) = place(Net(inputs=(Input(num_channels=7),), layers=(layer,), steps=1)).placed
    assert placed.largest.synapse_words == 7 * (10 * 13 // 64 + 1)


def test_a_million_neurons_take_less_than_ten_seconds():
    layers = [lif(f"l{i}", 1000, dense(1000, source=f"l{i - 1}" if i else ":input")) for i in range(1000)]
    started = time.perf_counter()

    found = place(tuple(layers))

    assert time.perf_counter() - started < 10
    # 1000 axons, lists of at most 15 words: 50 neurons a core, 20 cores a layer.
    assert (found.neurons, found.cores, found.chips) == (1_000_000, 20_000, 167)
    assert found.fits


def test_a_convolutional_record_of_a_million_neurons_takes_less_than_ten_seconds():
    synapse = ConvSynapse(weight=np.full((64, 3, 3, 3), 2), in_shape=(3, 127, 127), padding=(0, 0))
    neuron = CUBA(num_neurons=64 * 125 * 125, u_decay=4096, v_decay=0, v_th_mant=64)
    net = Net(
        inputs=(Input(num_channels=3 * 127 * 127),), layers=(Layer(name="a", synapse=synapse, neuron=neuron),), steps=4
    )
    started = time.perf_counter()

    found = place(net)

    assert time.perf_counter() - started < 10
    # 63 places of 64 channels a core fit its 4095 state words.
    assert (found.neurons, found.cores) == (1_000_000, -(-125 * 125 // 63))


def test_the_parts_of_a_layer_are_its_neurons():
    for placed in place(celif_net([64, 152, 152])).placed:
        assert sum(use.neurons for use in placed.uses) == placed.population.neurons
        assert not any(use.beyond(PUBLIC) for use in placed.uses)


def test_what_does_not_fit_is_refused_with_the_smallest_change():
    (problem,) = place((lif("a", 10, dense(20000)),)).problems
    assert (problem.limit, problem.needs, problem.holds) == ("synapse_words", 20000, 16000)
    assert problem.fix == "Let each neuron have at most 9,998 inputs with a synapse from 'input'."
    assert str(place((lif("a", 10, dense(20000)), lif("b", 5, dense(10, source="a"))))).startswith(
        "DOES NOT FIT, by public figures: 5 of 15 neurons on 1 core of 1 chip (1,152 allowed)"
    )
    # The fix is the smallest change: it fits, and one more does not.
    assert place((lif("a", 10, dense(9998)),)).fits
    assert not place((lif("a", 10, dense(9999)),)).fits


def test_a_table_that_is_too_long_is_named():
    found = place(celif_net([8], steps=12000))
    (problem,) = found.problems
    assert problem.where == "layer 'celif0', one neuron"
    assert "a table of at most 9,996 steps, or one that oscillators drive" in problem.fix
    assert place(celif_net([8], steps=9996)).fits and not place(celif_net([8], steps=9997)).fits


def test_too_few_chips_are_named():
    layers = [lif(f"l{i}", 1000, dense(1000, source=f"l{i - 1}" if i else ":input")) for i in range(10)]
    found = place(tuple(layers), PUBLIC.replace({"chips": 1}))
    (problem,) = found.problems
    assert str(problem).startswith("the network: needs 2 chips, 1 are there. Allow 2 chips")


def test_a_ring_serves_all_layers_only_if_it_comes_round_with_the_sample():
    net = celif_net([3, 4], steps=6)
    assert place(net).placed[0].population.name == ":clock"
    uneven = dataclasses.replace(net, te=net.te[:4])
    names = [placed.population.name for placed in place(uneven).placed]
    assert names == ["celif0:clock", "celif0", "celif1:clock", "celif1", "out"]


def test_limits_have_a_source_each_and_can_be_the_users(tmp_path):
    for limit in vars(PUBLIC).values():
        assert limit.certainty in limits.CERTAINTIES and limit.source.startswith("https://") and limit.words
    path = tmp_path / "mine.toml"
    path.write_text('synapse_words = 12000\n[chips]\nvalue = 8\nsource = "Kapoho Point"\n')

    mine = limits.load(path)

    assert (mine.synapse_words.value, mine.synapse_words.certainty) == (12000, "user")
    assert (mine.chips.value, mine.chips.source) == (8, "Kapoho Point")
    assert mine.input_axons == PUBLIC.input_axons


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("synapses = 3", InputError, "synapses is no limit; known are core_words, synapse_words"),
        ("chips = 0", InputError, "chips = 0 is not a whole number from 1"),
        ("chips = true", InputError, "chips = True is not a whole number"),
        ("[chips]\nvalue = 1\nwhy = 'x'", InputError, "chips.why is unknown"),
        ("[chips]\nvalue = 1\ncertainty = 'sure'", InputError, "chips.certainty: choose one of published"),
        ("chips = ", FileFormatError, "not TOML"),
    ],
)
def test_wrong_limits_are_refused(tmp_path, text, error, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(error, match=words) as found:
        limits.load(path)
    assert str(path) in str(found.value)


def test_every_figure_says_where_it_comes_from():
    found = place(celif_net([3, 4], steps=6))
    figures = {field.name for field in dataclasses.fields(Use)} - {"neurons", "synapses"}
    told = {figure.partition(",")[0] for figure in WHENCE}
    assert figures <= told
    assert all(words.startswith(("estimate", "reconstructed")) for words in WHENCE.values())
    assert (
        len(view.sources(found))
        == len([f for f in WHENCE if f not in ("delay_bits", "synapse_words, conv shared")]) + 9
    )


def test_the_command_maps_a_file(run, tmp_path):
    netx.write(celif_net([64, 88, 88]), tmp_path / "net.net")

    code, out, err = run("map", tmp_path / "net.net", "--sources")
    assert code == 0, err
    assert "FITS, by public figures: 1,034 neurons on 8 cores of 1 chip" in out
    assert "12,897" in out and "limit cores per chip 120" in out and "published: https://" in out
    code, out, _ = run("map", tmp_path / "net.net", "--json")
    found = json.loads(out)
    assert code == 0 and found["cores"] == 8 and found["layers"][1]["on_each_core"][0]["input_axons"] == 785
    np.save(tmp_path / "x.npy", np.ones((2, 1, 784)))
    page = tmp_path / "map.html"
    code, out, _ = run("map", tmp_path / "net.net", "-i", tmp_path / "x.npy", "--report", page, "--sources")
    assert code == 0 and "counted exactly over 2 samples of 784 steps" in out and "Davies" in out
    text = page.read_text()
    assert "<b>FITS</b>" in text and text.count("<svg") == 2 and "Loihi 1: " in text
    assert text.count('class="taken"') == 8 and text.count('class="empty"') == 112 + 5
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", text)  # self-contained
    (tmp_path / "thesis.html").write_text("<!doctype html> mine")
    code, _, err = run("map", tmp_path / "net.net", "--report", tmp_path / "thesis.html")
    assert code == 2 and "is no report" in err and (tmp_path / "thesis.html").read_text() == "<!doctype html> mine"
    (tmp_path / "mine.toml").write_text("core_words = 700")
    code, _, _ = run("map", tmp_path / "net.net", "--limits", tmp_path / "mine.toml", "--report", page)
    assert code == 1 and "<b>DOES NOT FIT</b>" in page.read_text()
    code, out, _ = run("map", tmp_path / "net.net", "--limits", tmp_path / "mine.toml")
    assert code == 1 and "DOES NOT FIT" in out and "problem: layer 'celif0', one neuron: needs" in out
    assert run("map", tmp_path / "absent.net")[0] == 2
    assert run("map", tmp_path / "net.net", "--limits", tmp_path / "absent.toml")[0] == 2

"""Random networks that are graphs, by seed: skips, ways back, several inputs and answers, delays, shared weights."""

from dataclasses import replace

import numpy as np

from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.alif import ALIF
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.neurons.rf import RF
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense

LONGEST = 70


def neuron(random, kind, n):
    """Neurons that fire now and then at weights of some dozens."""
    if kind is CUBA:
        decays = random.choice([0, 300, 2048, 4096], (2, n))
        return CUBA(num_neurons=n, u_decay=decays[0], v_decay=decays[1], v_th_mant=random.integers(40, 200),
                    bias_mant=random.integers(-20, 60, n) * random.integers(0, 2))  # fmt: skip
    if kind is CELIF:
        return CELIF(num_neurons=n, v_decay=random.choice([41, 2048], n), th_decay=random.choice([41, 400], n),
                     v_th_mant=random.integers(40, 200), te_exp=8, bias_mant=random.integers(-20, 60, n), bias_exp=6)  # fmt: skip
    if kind is ALIF:
        return ALIF(num_neurons=n, u_decay=2048, v_decay=300, th_decay=500, ref_decay=800, v_th_mant=80, v_th_step=900)
    if kind is RF:
        return RF(num_neurons=n, sin_decay=1500, cos_decay=3500, v_th_mant=60)
    if kind is Readout:
        return Readout(num_neurons=n, v_decay=int(random.choice([0, 100, 4096])), bias_mant=random.integers(-5, 6, n))
    return LeakyIntegrator(num_neurons=n, u_decay=1024, v_decay=int(random.choice([0, 300])))


def weights(random, *shape):
    """Weights, most of them small and positive."""
    return 2 * random.integers(-25, 45, shape)


def graph(seed, *, most_layers=8, longest=LONGEST, steps=None, scattered=True):
    """Return a network and the payload of five samples of it.

    Parameters
    ----------
    seed : int
        The same network for the same seed.
    most_layers : int
        Largest number of layers.
    longest : int
        Longest delay of an edge.
    steps : int, optional
        Sample period.
    scattered : bool
        Whether synapses may have a delay each.
    """
    random = np.random.default_rng(seed)
    inputs = tuple(
        Input(num_channels=int(random.integers(2, 7)), name=name)
        for name in ("input", "second", "third")[: random.choice([1, 1, 1, 2, 3])]
    )
    image = (int(random.integers(1, 3)), int(random.integers(2, 4)), int(random.integers(2, 4)))
    if random.random() < 0.3:
        inputs = (Input(num_channels=int(np.prod(image))), *inputs[1:])
    else:
        image = None
    layers, late, shapes = [], [], {-1: image}
    number = int(random.integers(2, most_layers + 1))
    for i in range(number):
        ends = i == number - 1 or (i > 1 and random.random() < 0.1)
        kinds = [CUBA, CUBA, CELIF, ALIF, RF] + 4 * ends * [Readout, LeakyIntegrator]
        kind = kinds[random.integers(len(kinds))]
        sources = [*range(-len(inputs), 0), *(j for j in range(i) if layers[j].neuron.fires)]
        source = int(sources[-1] if random.random() < 0.6 else random.choice(sources))
        synapse, shapes[i] = own_synapse(random, kind.sums, width(inputs, layers, source), shapes.get(source))
        n = synapse.num_neurons // kind.sums
        cpg = None
        if isinstance(synapse, Dense) and random.random() < 0.15:
            cpg = Phase.from_paper(2)
            synapse = Dense(weight=np.hstack([synapse.weight, weights(random, len(synapse.weight), cpg.num_neurons)]))
        axon = None
        if kind.fires and random.random() < 0.3:
            delay = random.integers(0, 4, n) if random.random() < 0.5 else np.ones(n, int)
            axon = Axon(delay=delay) if delay.any() else None
        feedback = None
        if kind.fires and random.random() < 0.2:
            feedback = Dense(weight=weights(random, n * kind.sums, n) // 4 * 2)
        senders, own = width(inputs, layers, source), 0
        if random.random() < 0.3:
            each = scattered and isinstance(synapse, Dense) and cpg is None
            shape = [(), (senders,), (len(synapse.weight), senders)][random.integers(2 + each)]
            own = random.integers(0, random.choice([2, 9, longest]), shape)
        shortest = layers[source].axon.shortest if source >= 0 and layers[source].axon else 0
        layers.append(
            Layer(
                delay=own,
                name=f"l{i}", synapse=synapse, neuron=neuron(random, kind, n), axon=axon, feedback=feedback, cpg=cpg,
                source=name_of(inputs, layers, source),
            )
        )  # fmt: skip
        late.append(max(1, (late[source] if source >= 0 else 0) + 1 - shortest))
    edges = [
        edge for _ in range(random.integers(1, number + 3)) if (edge := an_edge(random, inputs, layers, late, shapes, longest, scattered))
    ]  # fmt: skip
    if edges and random.random() < 0.3:  # the same weights once more, which adds what arrives twice
        edges.append(edges[0])
    widest = max((layer.num_neurons for layer in layers if layer.neuron.takes_te), default=0)
    answers = [layer.name for layer in layers if random.random() < 0.3] if random.random() < 0.4 else []
    steps = steps or int(random.integers(8, 90))
    net = Net(
        inputs=inputs,
        layers=tuple(layers),
        edges=tuple(edges),
        outputs=tuple(answers),
        steps=steps,
        te=random.integers(-60, 61, (steps, widest)) if widest else None,
    )
    net = shifted(net, np.random.default_rng([seed, 1]))
    payload = random.random((5, net.num_channels, steps)) < random.choice([0.1, 0.3, 0.6])
    return net, payload.astype(np.int32)


def shifted(net, random):
    """Return a network in which weight exponents shift some of the sums that ways back and edges deliver."""

    def some(synapse):
        chosen = isinstance(synapse, Dense) and random.random() < 0.25
        return replace(synapse, weight_exp=int(random.integers(1, 3))) if chosen else synapse

    layers = [replace(each, feedback=some(each.feedback)) for each in net.layers]
    return replace(net, layers=tuple(layers), edges=tuple(replace(e, synapse=some(e.synapse)) for e in net.edges))


def width(inputs, layers, source):
    """Return how many channels or neurons a source has."""
    return layers[source].num_neurons if source >= 0 else inputs[-1 - source].num_channels


def name_of(inputs, layers, source):
    """Return what a source is called."""
    return layers[source].name if source >= 0 else inputs[-1 - source].name


def own_synapse(random, sums, inputs, image):
    """Return synapses that take so many inputs, and the shape of the images that they make."""
    if image is not None and random.random() < 0.6:
        channels = int(random.integers(1, 3))
        synapse = Conv(weight=weights(random, channels * sums, image[0], 2, 2), in_shape=image, padding=(1, 1))
        return synapse, (channels, *synapse.out_shape[1:])
    return Dense(weight=weights(random, int(random.integers(1, 8)) * sums, inputs)), None


def an_edge(random, inputs, layers, late, shapes, longest, scattered):
    """Return an edge from anywhere to anywhere with as much delay as the network's cycles need, or None."""
    sources = [*range(-len(inputs), 0), *(j for j, layer in enumerate(layers) if layer.neuron.fires)]
    source, target = int(random.choice(sources)), int(random.integers(len(layers)))
    layer, inputs_of = layers[target], width(inputs, layers, source)
    axon = layers[source].axon.shortest if source >= 0 and layers[source].axon else 0
    least = max(0, (late[source] if source >= 0 else 0) + 1 - late[target] - axon)
    synapse = Dense(weight=weights(random, layer.num_sums, inputs_of) // 4 * 2)
    images = shapes.get(source), shapes.get(target)
    if None not in images and layer.neuron.sums == 1 and images[0][1:] == images[1][1:] and random.random() < 0.7:
        synapse = Conv(
            weight=weights(random, images[1][0], images[0][0], 3, 3) // 4 * 2, in_shape=images[0], padding=(1, 1)
        )
    most = max(least, int(random.choice([least, least + 2, longest])))
    shape = [(), (inputs_of,), (layer.num_sums, inputs_of)][
        random.integers(2 + (scattered and isinstance(synapse, Dense)))
    ]
    delay = random.integers(least, most + 1, shape)
    return Edge(source=name_of(inputs, layers, source), target=layer.name, synapse=synapse, delay=delay)


assert set(KINDS.values()) >= {CUBA, CELIF, ALIF, RF, Readout, LeakyIntegrator}

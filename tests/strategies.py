"""Hypothesis strategies that draw the edges of every register by name: 0, +-1, both ends and one past them."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

from spikeproof.contract.fields import declared
from spikeproof.contract.fixed import (
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    DECAY_ONE,
    STATE_MAX,
    TE_MAX,
    TE_MIN,
    THRESHOLD_MANT_MAX,
    WEIGHT_EXP_MAX,
    WEIGHT_MAX,
    WEIGHT_MIN,
)
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.sources.coupled import Coupled
from spikeproof.contract.sources.driven import Driven
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.axon import MAX_DELAY, Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense


def edged(low, high, *more):
    """Whole numbers of a range, its edges by name."""
    edges = [value for value in (0, 1, -1, low, low + 1, high - 1, high, *more) if low <= value <= high]
    return st.sampled_from(edges) | st.integers(low, high)


anything = edged(-(2**40), 2**40, STATE_MAX, STATE_MAX + 1, STATE_MAX + 2, -STATE_MAX, -STATE_MAX - 1, -STATE_MAX - 2)
states = edged(-STATE_MAX, STATE_MAX)
currents = edged(-STATE_MAX, STATE_MAX + 1)  # wrap24 keeps +2**23
decays = edged(0, DECAY_ONE, 2048, 41)
encodings = edged(TE_MIN, TE_MAX)
sums = edged(-(2**17), 2**17, 100, -100)
port = edged(1 - 2**31, 2**31 - 1, 2**25, -(2**25))
thresholds = edged(0, THRESHOLD_MANT_MAX, 19)
exponents = st.just(0) | st.just(0) | edged(0, WEIGHT_EXP_MAX, 6)
biases = edged(BIAS_MANT_MIN, BIAS_MANT_MAX)
spikes = st.sampled_from((0, 1))
positive = port.map(abs)


@st.composite
def arrays(draw, elements, *shape):
    """An int64 array of drawn elements."""
    size = int(np.prod(shape))
    return np.array(draw(st.lists(elements, min_size=size, max_size=size)), dtype=np.int64).reshape(shape)


def params(kind, num_neurons, **given):
    """Parameters of a kind of neuron of any value, from what it declares; those with a default mostly have it."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    drawn = {}
    for name, field in declared(kind).items():
        values = edged(field.low, field.high, *field.edges)
        values = values | arrays(values, num_neurons) if field.each else values
        default = fields[name].default
        drawn[name] = values if default is dataclasses.MISSING else st.just(default) | st.just(default) | values
    return st.builds(kind, num_neurons=st.just(num_neurons), **drawn | given)


def phases(num_neurons):
    """Phase oscillators of any value."""
    turn = edged(0, 2**24 - 1)
    return st.builds(
        Phase,
        num_neurons=st.just(num_neurons),
        increment=arrays(edged(0, 2**23), num_neurons),
        start=arrays(turn, num_neurons),
        length=arrays(edged(0, 2**24, 2**23), num_neurons),
        initial=arrays(turn, num_neurons),
        period=st.integers(0, 5),
    )


def oscillators(num_neurons):
    """Phase oscillators of any value, or the paper's coupled pairs."""
    coupled = st.builds(Coupled.from_paper, st.just(num_neurons), st.sampled_from((2.0, 50.0)), st.just(0.8))
    return phases(num_neurons) | coupled


def axons(num_neurons):
    """Delays of any value, the same one for all neurons or one each."""
    delays = edged(0, MAX_DELAY, 2)
    same = edged(1, MAX_DELAY).map(lambda delay: Axon(delay=[delay] * num_neurons))
    each = arrays(delays, num_neurons).filter(np.any).map(lambda delay: Axon(delay=delay))
    return same | each


kinds_that_fire = [kind for kind in KINDS.values() if kind.fires]
kinds_that_answer = [kind for kind in KINDS.values() if not kind.fires]


@st.composite
def weights(draw, *shape):
    """Weights of any value, half of them edges. They hang on one drawn number: matrices of drawn ones take long."""
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    edges = random.choice([0, 2, -2, WEIGHT_MIN, WEIGHT_MIN + 2, WEIGHT_MAX - 2, WEIGHT_MAX], shape)
    others = 2 * random.integers(WEIGHT_MIN // 2, WEIGHT_MAX // 2 + 1, shape)
    return np.where(random.random(shape) < 0.5, edges, others)


@st.composite
def convs(draw, in_shape=None, sums=1):
    """Convolutions of any geometry, on small images."""
    groups = draw(st.integers(1, 3)) if in_shape is None else draw(st.sampled_from((1, in_shape[0])))
    groups = groups if sums == 1 else 1
    of_group = draw(st.integers(1, 2)) if in_shape is None else in_shape[0] // groups
    sizes, geometry = [], []
    for side in draw(st.tuples(st.integers(1, 7), st.integers(1, 7))) if in_shape is None else in_shape[1:]:
        padding = draw(st.integers(0, 2 if in_shape is None else 1))
        kernel = draw(st.integers(1, min(4, side + 2 * padding)))
        dilation = draw(st.integers(1, (side + 2 * padding - 1) // (kernel - 1))) if kernel > 1 else 1
        sizes.append(side)
        geometry.append((kernel, draw(st.integers(1, 3)), padding, dilation))
    kernel, stride, padding, dilation = zip(*geometry, strict=True)
    outputs = groups * sums * draw(st.integers(1, 2))
    weight = draw(weights(outputs, of_group, *kernel))
    return Conv(
        weight=weight,
        in_shape=(groups * of_group, *sizes),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@st.composite
def nets(draw, max_neurons=5, max_steps=6):
    """Small networks of any parameters, as records."""
    bits = draw(st.sampled_from((0, 1, 8)))
    channels = draw(st.integers(1, max_neurons))
    kinds = draw(st.lists(st.sampled_from(kinds_that_fire), min_size=0, max_size=3))
    if not kinds or draw(st.booleans()):
        kinds = [*kinds, draw(st.sampled_from(kinds_that_answer))]
    layers, width = [], channels
    image = None
    if draw(st.sampled_from((False, False, True))):
        image = draw(st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 3)))
        width = channels = int(np.prod(image))
    for i, kind in enumerate(kinds):
        channels_beside, cpg = 0, None
        sums = kind.sums
        if image is not None and draw(st.booleans()):
            synapse = draw(convs(image, sums))
            image = synapse.out_shape[0] // sums, *synapse.out_shape[1:]
            n = int(np.prod(image))
        else:
            image, n = None, draw(st.integers(1, max_neurons))
            channels_beside = draw(st.sampled_from((0, 0, 1, 3)))
            cpg = draw(oscillators(channels_beside)) if channels_beside else None
            synapse = Dense(weight=draw(weights(n * sums, width + channels_beside)), weight_exp=draw(exponents))
        neuron = draw(params(kind, n))
        scale = 2 ** draw(st.integers(0, 10))
        axon = draw(st.none() | axons(n)) if kind not in kinds_that_answer else None
        feedback = None
        if (
            kind.fires
            and (neuron.max_payload == 1 or hasattr(neuron, "graded"))
            and draw(st.sampled_from((False, False, False, True)))
        ):
            feedback = Dense(weight=draw(weights(n * sums, n)), weight_exp=draw(exponents))
            neuron = dataclasses.replace(neuron, graded=0) if getattr(neuron, "graded", 0) else neuron
        layers.append(
            Layer(name=f"layer{i}", synapse=synapse, neuron=neuron, scale=scale, cpg=cpg, axon=axon, feedback=feedback)
        )
        width = n
    steps = draw(st.integers(1, max_steps))
    widest = max((layer.num_neurons for layer in layers if layer.neuron.takes_te), default=0)
    columns = widest + draw(st.integers(0, 2))
    te = None
    if widest and draw(st.booleans()):
        te = draw(arrays(encodings, draw(st.integers(1, max_steps + 1)), columns))
    elif widest:
        driving = draw(st.integers(1, 4))
        te = Driven(cpg=draw(oscillators(driving)), matrix=draw(arrays(encodings, columns, driving)))
    return Net(
        inputs=(Input(num_channels=channels, bits=bits, exp=draw(st.integers(-min(bits - 1, 6), 0)) if bits else 0),),
        layers=tuple(layers),
        steps=steps,
        te=te,
    )

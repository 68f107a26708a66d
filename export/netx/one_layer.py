"""A graph as one recurrent layer, which is the only form in which stock NetX runs a network that is no chain.

All neurons stand in one row, the inputs feed them through one matrix, and every other synapse is part of one matrix of
feedback, which delivers a step later. So every edge must take one step of the layer's time, and layers may only work at
fixed times beside each other: layer i works ``offset[i]`` steps after its own local time, and an edge of delay d needs
``offset[target] = offset[source] + 1 - d``, or ``-d`` from an input. A layer at another time than the sample's has no
bias, since a bias would begin with the sample.

Neurons differ in decays and thresholds, which a layer of a record does not allow and stock NetX does. So this is no
record: a file holds it for stock NetX beside the record of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...contract.errors import RecordError, UnsupportedError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, THRESHOLD_MANT_MAX, IntArray
from ...contract.net import Net
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.neurons.readout import Readout
from ...contract.synapses.weights import as_weights
from ..memory import allowed, refuse_more

NEVER = THRESHOLD_MANT_MAX + 1
"""Threshold mantissa that no membrane exceeds; one bit wider than Loihi's."""


HALVED_SHIFT = ACCUMULATOR_SHIFT - 1
"""Weights of sums that are shifted by so many bits are halved in a file, since stock NetX shifts by one more."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Where a layer of the graph is in the one layer."""

    name: str
    first: int
    """Its first neuron."""
    neurons: int
    offset: int
    """Steps by which the one layer is later than the layer's own time."""

    @property
    def rows(self) -> slice:
        """Its neurons."""
        return slice(self.first, self.first + self.neurons)

    def __str__(self) -> str:
        late = f", {abs(self.offset)} steps {'later' if self.offset > 0 else 'earlier'}" if self.offset else ""
        return f"{self.name}: neurons {self.first} to {self.first + self.neurons - 1}{late}"


@dataclass(frozen=True, kw_only=True, eq=False)
class OneLayer:
    """One layer of CUBA neurons that does what a graph does."""

    weight: IntArray
    """Of what enters, shape (neurons, channels): that of all inputs one after the other."""
    weight_rec: IntArray
    """Shape (neurons, neurons)."""
    u_decay: IntArray
    """Shape (neurons,), as are the others."""
    v_decay: IntArray
    v_th_mant: IntArray
    bias_mant: IntArray
    a_shift: int
    """By which all sums are shifted."""
    parts: tuple[Part, ...]
    steps: int
    """That it must run until the last layer has worked through a sample."""


def one_layer(net: Net) -> OneLayer:
    """Return a graph as one recurrent layer that does the same in every register.

    Parameters
    ----------
    net : Net
        A graph of CUBA neurons that send unary spikes, leaky integrators and read-outs.

    Returns
    -------
    OneLayer

    Raises
    ------
    UnsupportedError
        It names every layer and edge that one layer cannot do, and why.
    """
    reasons = [f"{layer.name}: {why}" for i, layer in enumerate(net.layers) if (why := _unfit(net, i))]
    if len({getattr(layer.neuron, "a_shift", None) for layer in net.layers}) > 1:
        reasons.append("the layers shift their sums by different numbers of bits")
    if reasons:
        raise _refusal(reasons)
    offsets = _offsets(net)
    sizes = [layer.num_neurons for layer in net.layers]
    firsts = np.cumsum([0, *sizes[:-1]])
    total = sum(sizes)
    refuse_more(16 * total * (total + net.num_channels), allowed(), f"one layer of {total:,} neurons", "the network")
    parts = tuple(
        Part(name=layer.name, first=int(first), neurons=layer.num_neurons, offset=offset)
        for layer, first, offset in zip(net.layers, firsts, offsets, strict=True)
    )
    try:
        return _merged(net, parts)
    except RecordError as error:
        raise _refusal([str(error)]) from None


def _refusal(reasons: Sequence[str]) -> UnsupportedError:
    return UnsupportedError(
        f"stock NetX runs a graph as one recurrent layer alone, which cannot be this one. {'; '.join(reasons)}. Export "
        "it without --stock to run it with spikeproof."
    )


def _unfit(net: Net, index: int) -> str:
    """Return why a layer cannot be part of one layer, or nothing."""
    layer, neuron = net.layers[index], net.layers[index].neuron
    if not isinstance(neuron, CUBA | LeakyIntegrator | Readout):
        return f"stock NetX has no graph with {type(neuron).__name__} neurons"
    if isinstance(neuron, Readout):
        if neuron.a_shift != ACCUMULATOR_SHIFT or (neuron.bias_mant.any() and neuron.bias_exp != ACCUMULATOR_SHIFT):
            return f"stock NetX shifts sums and biases by {ACCUMULATOR_SHIFT} bits, and this read-out does not"
    elif neuron.a_shift not in (ACCUMULATOR_SHIFT, HALVED_SHIFT):
        return f"its sums are shifted by {neuron.a_shift} bits, and stock NetX shifts them by {ACCUMULATOR_SHIFT}"
    elif getattr(neuron, "graded", 0) or neuron.u_shift:
        return "its spikes carry payloads, or what its membranes receive is shifted"
    if layer.cpg is not None:
        return "oscillators feed it"
    if any(each.source < 0 and net.inputs[-1 - each.source].bits for each in net.incoming(index)):
        return "its input carries payloads, and stock NetX's recurrent layer takes the payloads of both ways as one"
    return ""


def _offsets(net: Net) -> list[int]:
    """Return how many steps the one layer is later than each layer's own time."""
    ways = [(each, i) for i in range(len(net.layers)) for each in net.incoming(i)]
    differ = [f"{each.name}: its spikes take different numbers of steps" for each, _ in ways if each.delay.ndim]
    if differ:
        raise _refusal(differ)
    found: dict[int, int] = {-1 - k: -1 for k in range(len(net.inputs))}
    for _ in net.layers:
        for each, i in ways:
            if each.source in found and i not in found:
                found[i] = found[each.source] + 1 - int(each.delay)
    # What no input reaches has no time of its own but the sample's.
    for i in range(len(net.layers)):
        found.setdefault(i, 0)
    wrong = [
        f"{each.name}: its spikes would have to take {steps} step{'s' * (steps != 1)}, which they do not"
        for each, i in ways
        if (steps := found[each.source] + 1 - found[i]) != int(each.delay)
    ]
    wrong += [
        f"{layer.name}: its bias would begin {abs(found[i])} steps beside the sample"
        for i, layer in enumerate(net.layers)
        if found[i] and np.any(getattr(layer.neuron, "bias_mant", 0))
    ]
    if wrong:
        raise _refusal(wrong)
    return [found[i] for i in range(len(net.layers))]


def _merged(net: Net, parts: tuple[Part, ...]) -> OneLayer:
    total = parts[-1].rows.stop
    fed, recurrent = (np.zeros((total, senders), np.int64) for senders in (net.num_channels, total))
    for i, part in enumerate(parts):
        for each in net.incoming(i):
            dense = each.synapse.sums(np.eye(each.synapse.num_inputs)).T
            if each.source < 0:
                fed[part.rows, net.channels(-1 - each.source)] += dense
            else:
                recurrent[part.rows, parts[each.source].rows] += dense
    values: dict[str, IntArray] = {name: np.zeros(total, np.int64) for name in _MISSING}
    for part, layer in zip(parts, net.layers, strict=True):
        for name, missing in _MISSING.items():
            values[name][part.rows] = getattr(layer.neuron, name, missing)
    return OneLayer(
        weight=as_weights("weights of the inputs", fed, ("neurons", "channels")).astype(np.int64),
        weight_rec=as_weights("weights between layers", recurrent, ("neurons", "neurons")).astype(np.int64),
        a_shift=getattr(net.layers[0].neuron, "a_shift", ACCUMULATOR_SHIFT),
        parts=parts,
        steps=net.steps + max(0, *(part.offset for part in parts)),
        **values,
    )


_MISSING = {"u_decay": DECAY_ONE, "v_decay": 0, "v_th_mant": NEVER, "bias_mant": 0}
"""What a kind of neurons that has no such field does."""

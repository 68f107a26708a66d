"""From a network record to what a chip would hold: populations of neurons and the connections between them.

A CE-LIF layer's temporal encoding reaches it as hardware would deliver it: through ordinary synapses, from a one-hot
clock ring if it is a table, from its oscillators if it is driven. A plan may also be written by hand, for a network
that is not trained yet.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.fixed import STATE_BITS, WEIGHT_STEP
from ...contract.net import Layer, Net
from ...contract.neurons.cuba import CUBA
from ...contract.sources import Oscillators
from ...contract.sources.coupled import Coupled
from ...contract.sources.driven import Driven
from ...contract.sources.phase import Phase
from ...contract.synapses.conv import Conv as ConvSynapse
from ...contract.synapses.dense import Dense as DenseSynapse
from .limits import Limits
from .synapses import WORD, Connection, Conv, Dense, OneToOne, Sparse, weight_bits

HOST = ":input"
"""Source of what enters from outside. No layer may be called so, nor any name with a colon in it."""
CLOCK = ":clock"

_ONE_WORD = {CUBA: "CUBA (hard-coded LIF)", Phase: "CPG phase oscillator", Coupled: "CPG coupled oscillator"}
"""Kinds that take one state word a neuron. Oscillators: 24 bits of state and 24 of increment; the window is shared."""
_WINDOWS: dict[type[Any], tuple[str, ...]] = {Phase: ("start", "length"), Coupled: ("threshold",)}


@dataclass(frozen=True, kw_only=True)
class Population:
    """Neurons of one kind, and what feeds them.

    Parameters
    ----------
    name : str
        Unique in its plan.
    kind : str
        What the neurons are, in words.
    channels, places : int
        Their product is the number of neurons; places other than 1 share the synapses of a convolution.
    inputs : tuple of connections
        What feeds them.
    state_words : int
        64-bit words a neuron.
    groups : int
        Programs or configurations.
    accumulators : int
        Dendritic accumulators a neuron.
    longest_delay : int
        Of the spikes that arrive, in steps.
    """

    name: str
    kind: str
    channels: int
    inputs: tuple[Connection, ...]
    places: int = 1
    state_words: int = 1
    groups: int = 1
    accumulators: int = 1
    longest_delay: int = 0

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.channels * self.places


Plan = tuple[Population, ...]
"""Populations in the order in which cores are given to them. The last one answers to the host."""


def plan(net: Net, limits: Limits) -> Plan:
    """Return what a chip would hold to run a network record.

    Parameters
    ----------
    net : Net
        The record.
    limits : Limits
        Used for the number of neuron groups: parameters of more kinds than that are kept neuron by neuron.

    Raises
    ------
    UnsupportedError
        A layer has synapses whose memory is unknown here; it is named.
    """
    net.require_chain("spikeproof map")
    found: list[Population] = []
    source, delay = HOST, 0
    for layer in net.layers:
        inputs = [_connection(layer, source, slice(0, layer.num_inputs), delay)]
        if layer.cpg is not None:
            name = f"{layer.name}:cpg"
            found.append(_oscillators(name, layer.cpg, limits))
            inputs.append(_connection(layer, name, slice(layer.num_inputs, None), 0))
        if layer.feedback is not None:
            inputs.append(_cheapest(layer.name, layer.feedback.weight, 0, layer.neuron.sums))
        if layer.neuron.takes_te:
            before, connection = _encoding(net, layer, limits, known={population.name for population in found})
            found += before
            inputs.append(connection)
        found.append(_neurons(layer, tuple(inputs), delay, limits))
        source, delay = layer.name, 0 if layer.axon is None else layer.axon.longest - layer.lead
    return tuple(found)


def _neurons(layer: Layer, inputs: tuple[Connection, ...], delay: int, limits: Limits) -> Population:
    neuron = layer.neuron
    channels, *image = layer.shape
    if isinstance(neuron, CUBA) and neuron.stock:
        kind, words = _ONE_WORD[type(neuron)], 1
    else:
        registers = len(set(neuron.State._fields) - {"s"})
        # One word and one a register: what the two micro-coded neurons took whose memory is known (docs/map.md).
        kind, words = f"{type(neuron).__name__} (micro-coded)", 1 + registers
    # A bias is part of every neuron's state.
    varying = [field.name for field in dataclasses.fields(neuron) if field.name not in ("bias", "bias_mant")]
    groups, more = _configurations(neuron, varying, limits)
    return Population(
        name=layer.name,
        kind=kind,
        channels=channels,
        places=math.prod(image),
        inputs=inputs,
        state_words=words + more,
        groups=groups,
        accumulators=neuron.sums + neuron.takes_te,
        longest_delay=delay,
    )


def _configurations(params: Any, names: list[str], limits: Limits) -> tuple[int, int]:
    """Return the neuron groups that per-neuron parameters make, and the words a neuron if those are too many."""
    values = [np.asarray(getattr(params, name)) for name in names]
    columns = [value for value in values if value.ndim == 1 and (value != value[0]).any()]
    if not columns:
        return 1, 0
    groups = len(np.unique(np.stack(columns, axis=1), axis=0))
    return (groups, 0) if groups <= limits.neuron_groups.value else (1, -(-len(columns) * STATE_BITS // WORD))


def _oscillators(name: str, params: Oscillators, limits: Limits) -> Population:
    groups, more = _configurations(params, list(_WINDOWS[type(params)]), limits)
    return Population(
        name=name,
        kind=_ONE_WORD[type(params)],
        channels=params.num_neurons,
        inputs=(),
        state_words=1 + more,
        groups=groups,
        accumulators=0,
    )


def _encoding(net: Net, layer: Layer, limits: Limits, known: set[str]) -> tuple[list[Population], Connection]:
    """Return what must be added to deliver the temporal encoding to a layer, and the connection that does it."""
    if isinstance(net.te, Driven):
        name = f"{layer.name}:te"
        weight = WEIGHT_STEP * net.te.matrix[: layer.num_neurons].astype(np.int64)
        return [_oscillators(name, net.te.cpg, limits)], _cheapest(name, weight, 0)
    rows = min(len(net.te), net.steps)
    weight = WEIGHT_STEP * net.te[:rows, : layer.num_neurons].T.astype(np.int64)
    # Layers run one step after another. A ring that comes round with the sample serves them all, with the table rolled.
    name = CLOCK if net.steps % rows == 0 else f"{layer.name}{CLOCK}"
    ring = Population(name=name, kind="clock ring (hard-coded LIF)", channels=rows, inputs=(OneToOne(source=name),))
    return ([] if name in known else [ring]), _cheapest(name, weight, 0)


def _connection(layer: Layer, source: str, columns: slice, delay: int) -> Connection:
    kind = type(layer.synapse)
    if kind not in _CONNECTIONS:
        known = ", ".join(sorted(k.__name__ for k in _CONNECTIONS))
        raise UnsupportedError(
            f"layer {layer.name!r}: what {kind.__name__} synapses take of Loihi 2's memory is unknown here; known are "
            f"{known}."
        )
    return _CONNECTIONS[kind](layer, source, columns, delay.bit_length())


def _dense(layer: Layer, source: str, columns: slice, delay_bits: int) -> Connection:
    synapse: Any = layer.synapse
    return _cheapest(source, synapse.weight[:, columns], delay_bits, layer.neuron.sums)


def _cheapest(source: str, weight: npt.NDArray[Any], delay_bits: int, sums: int = 1) -> Connection:
    """Return a Dense connection, or a Sparse one if there are zeros to leave out."""
    bits = weight_bits(weight)
    if weight.all():
        return Dense(source=source, num_inputs=weight.shape[1], bits=bits, delay_bits=delay_bits, sums=sums)
    # Rows for a second sum of each neuron stand behind those for the first.
    present = (weight != 0).reshape(sums, -1, weight.shape[1]).sum(axis=0)
    return Sparse(source=source, present=present, bits=bits, delay_bits=delay_bits)


def _conv(layer: Layer, source: str, columns: slice, delay_bits: int) -> Connection:
    synapse: Any = layer.synapse
    return Conv(
        source=source,
        in_channels=synapse.weight.shape[1],
        kernel=math.prod(synapse.kernel),
        bits=weight_bits(synapse.weight),
        delay_bits=delay_bits,
        sums=layer.neuron.sums,
        groups=synapse.groups,
        group_channels=layer.shape[0] // synapse.groups,
    )


_CONNECTIONS: dict[type[Any], Callable[[Layer, str, slice, int], Connection]] = {
    DenseSynapse: _dense,
    ConvSynapse: _conv,
}
"""Kind of synapse -> (layer, source, columns of the weight, delay bits) -> connection."""

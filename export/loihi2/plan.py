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
from . import ways
from .limits import Limits
from .synapses import WORD, Connection, Conv, Dense, OneToOne, Sparse, weight_bits
from .ways import Relay, Share

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
    answers : bool
        Whether the host reads what they send. If it reads nobody's, it reads that of the last population.
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
    answers: bool = False

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.channels * self.places


Plan = tuple[Population, ...]
"""Populations in the order in which cores are given to them."""


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
    relays = ways.relays(net, limits)
    found = [_relay(net, relay, limits) for relay in relays if relay.source < 0]
    for i, layer in enumerate(net.layers):
        shape = _shape(net, i)
        shares = ways.shares(net, i, limits)
        inputs = [_connection(net, i, share, relays, shape) for share in shares]
        if layer.cpg is not None:
            name = f"{layer.name}:cpg"
            found.append(_oscillators(name, layer.cpg, limits))
            weight = layer.synapse.weight[:, layer.num_inputs :]
            inputs.append(_cheapest(name, weight, 0, layer.neuron.sums, shape[1]))
        if layer.neuron.takes_te:
            known = {population.name for population in found}
            before, connection = _encoding(net, layer, limits, known, shape[1])
            found += before
            inputs.append(connection)
        longest = max(share.longest for share in shares)
        found.append(_neurons(layer, tuple(inputs), longest, limits, shape, layer.name in net.answers))
        found += [_relay(net, relay, limits) for relay in relays if relay.source == i]
    return tuple(found)


def _shape(net: Net, index: int) -> tuple[int, int]:
    """Return the channels and places of a layer: those of its convolution, or of the first one that leads to it."""
    layer = net.layers[index]
    if not isinstance(layer.synapse, ConvSynapse):
        for way in net.incoming(index):
            if isinstance(way.synapse, ConvSynapse):
                channels, *image = way.synapse.out_shape
                return channels // layer.neuron.sums, math.prod(image)
    channels, *image = layer.shape
    return channels, math.prod(image)


def _relay(net: Net, relay: Relay, limits: Limits) -> Population:
    """Return the neurons that hand on what a sender, or the relay before, sends."""
    source, stage, senders = relay
    channels, places = int(np.count_nonzero(senders)), 1
    if source >= 0 and senders.all():
        channels, places = _shape(net, source)
    before = ways.name_of(net, source, stage - 1)
    delay_bits = limits.longest_delay.value.bit_length()
    graded = net.max_payload(source) > 1
    return Population(
        name=ways.name_of(net, source, stage),
        kind="relay of payloads (micro-coded)" if graded else "relay (hard-coded LIF)",
        channels=channels,
        places=places,
        inputs=(OneToOne(source=before, delay_bits=delay_bits),),
        state_words=1 + graded,
        longest_delay=limits.longest_delay.value,
    )


def _neurons(
    layer: Layer, inputs: tuple[Connection, ...], delay: int, limits: Limits, shape: tuple[int, int], answers: bool
) -> Population:
    neuron = layer.neuron
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
        channels=shape[0],
        places=shape[1],
        inputs=inputs,
        state_words=words + more,
        groups=groups,
        accumulators=neuron.sums + neuron.takes_te,
        longest_delay=delay,
        answers=answers,
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


def _encoding(
    net: Net, layer: Layer, limits: Limits, known: set[str], places: int
) -> tuple[list[Population], Connection]:
    """Return what must be added to deliver the temporal encoding to a layer, and the connection that does it."""
    if isinstance(net.te, Driven):
        name = f"{layer.name}:te"
        weight = WEIGHT_STEP * net.te.matrix[: layer.num_neurons].astype(np.int64)
        return [_oscillators(name, net.te.cpg, limits)], _cheapest(name, weight, 0, places=places)
    rows = min(len(net.te), net.steps)
    weight = WEIGHT_STEP * net.te[:rows, : layer.num_neurons].T.astype(np.int64)
    # Layers run one step after another. A ring that comes round with the sample serves them all, with the table rolled.
    name = CLOCK if net.steps % rows == 0 else f"{layer.name}{CLOCK}"
    ring = Population(name=name, kind="clock ring (hard-coded LIF)", channels=rows, inputs=(OneToOne(source=name),))
    return ([] if name in known else [ring]), _cheapest(name, weight, 0, places=places)


def _connection(net: Net, index: int, share: Share, relays: list[Relay], shape: tuple[int, int]) -> Connection:
    """Return what a share of a way into a layer of so many channels and places takes."""
    layer, synapse = net.layers[index], share.way.synapse
    if type(synapse) not in _CONNECTIONS:
        known = ", ".join(sorted(k.__name__ for k in _CONNECTIONS))
        raise UnsupportedError(
            f"layer {layer.name!r}: what the {type(synapse).__name__} synapses {share.way.name} take of Loihi 2's "
            f"memory is unknown here; known are {known}."
        )
    senders = next(
        (relay.senders for relay in relays if relay[:2] == (share.way.source, share.stage)),
        np.ones(synapse.num_inputs, np.bool_),
    )
    source = ways.name_of(net, share.way.source, share.stage)
    return _CONNECTIONS[type(synapse)](source, share, senders, layer.neuron.sums, shape)


def _dense(source: str, share: Share, senders: npt.NDArray[np.bool_], sums: int, shape: tuple[int, int]) -> Connection:
    synapse: Any = share.way.synapse
    weight = synapse.weight if senders.all() else synapse.weight[:, senders]
    return _cheapest(source, weight, share.longest.bit_length(), sums, shape[1])


def _cheapest(source: str, weight: npt.NDArray[Any], delay_bits: int, sums: int = 1, places: int = 1) -> Connection:
    """Return a Dense connection, or a Sparse one if there are zeros to leave out."""
    bits = weight_bits(weight)
    if weight.all():
        return Dense(source=source, num_inputs=weight.shape[1], bits=bits, delay_bits=delay_bits, sums=sums)
    # Rows for a second sum of each neuron stand behind those for the first.
    present = (weight != 0).reshape(sums, -1, weight.shape[1]).sum(axis=0)
    return Sparse(source=source, present=present, bits=bits, delay_bits=delay_bits, places=places)


def _conv(source: str, share: Share, senders: npt.NDArray[np.bool_], sums: int, shape: tuple[int, int]) -> Connection:
    synapse: Any = share.way.synapse
    channels, *image = synapse.out_shape
    channels //= sums
    return Conv(
        source=source,
        in_channels=synapse.weight.shape[1],
        kernel=math.prod(synapse.kernel),
        bits=weight_bits(synapse.weight),
        delay_bits=share.longest.bit_length(),
        sums=sums,
        groups=synapse.groups,
        group_channels=channels // synapse.groups,
        copies=ways.copies(share, synapse.in_shape[0]),
        channels=0 if (channels, math.prod(image)) == shape else channels,
    )


_CONNECTIONS: dict[type[Any], Callable[[str, Share, npt.NDArray[np.bool_], int, tuple[int, int]], Connection]] = {
    DenseSynapse: _dense,
    ConvSynapse: _conv,
}
"""Kind of synapse -> (source, share, senders, sums a neuron, channels and places of the layer) -> connection."""

"""NeuroBench's metrics of a network, by its names, from exact counts.

NeuroBench (J. Yik et al., "The NeuroBench framework for benchmarking neuromorphic computing algorithms and systems",
arXiv 2304.04640) measures torch modules by hooks. Here the same things are counted of the integer network, as it is
deployed. Operations on the host are not part of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.fields import declared
from ...contract.net import Incoming, Net
from ...contract.net.layer import Layer
from ...contract.sources import Oscillators
from ...contract.sources.driven import Driven
from ...export.loihi2.ways import RELAY, name_of
from .. import engine
from ..simulate import encode
from ..trace import SPIKES
from ..verify.subject import subject_of
from . import operations

_REGISTER = 3
"""Bytes of a 24-bit register, or of an oscillator's phase, increment or window."""


class SynapticOperations(NamedTuple):
    """Synaptic operations of a sample, in the mean."""

    effective_macs: float
    """Payloads that meet a weight other than 0: a multiplication each."""
    effective_acs: float
    """Unary spikes that meet a weight other than 0: an addition each."""
    dense: float
    """What there would be if every channel and neuron sent in every step and no weight were 0."""


@dataclass(frozen=True, kw_only=True)
class NeuroBench:
    """NeuroBench's metrics of a network on given inputs.

    Parameters
    ----------
    footprint : int
        Bytes of what a network stores: weights and temporal encodings, a byte each, zeros included; delays and what
        neurons hold one by one, in as many bytes as their range takes; registers and oscillators' phases, three each.
    connection_sparsity : float
        Weights that are 0, of all weights; 0..1.
    activation_sparsity : float
        Entries of the layers' rasters that are 0, over all samples and steps; 0..1. Layers that never fire are left
        out.
    synaptic_operations : SynapticOperations
        Of a sample, in the mean. What arrives from the input and from oscillators beside it is counted; what delivers
        a temporal encoding is not, since it meets no weight of a layer.
    """

    footprint: int
    connection_sparsity: float
    activation_sparsity: float
    synaptic_operations: SynapticOperations

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics under the names of NeuroBench's results."""
        macs, acs, dense = self.synaptic_operations
        return {
            "Footprint": self.footprint,
            "ConnectionSparsity": self.connection_sparsity,
            "ActivationSparsity": self.activation_sparsity,
            "SynapticOperations": {"Effective_MACs": macs, "Effective_ACs": acs, "Dense": dense},
        }


def neurobench(network: Any, x: npt.ArrayLike) -> NeuroBench:
    """Measure a network by NeuroBench's metrics.

    Parameters
    ----------
    network : Module, Net or path-like
        A trained module, a record, or a network file.
    x : array_like, shape (samples, channels, steps)
        Inputs, as `spikeproof.verify` takes them.

    Returns
    -------
    NeuroBench

    Raises
    ------
    InputError
        The input does not fit the network.
    UnsupportedError
        The module cannot be made exact, or synapses cannot be counted.

    Notes
    -----
    NeuroBench rounds the connection sparsity to four digits; this does not.
    """
    subject = subject_of(network, x, None, None)
    net, given = subject.net, subject.given
    weights = [synapse.weight for layer in net.layers for synapse in _synapses(net, layer)]
    total = sum(weight.size for weight in weights)
    layers = engine.run(net, encode(net, given), record="spikes").layers
    rasters = [of[SPIKES] for of in layers.values() if SPIKES in of]
    entries = sum(raster.size for raster in rasters)
    fired = sum(int(np.count_nonzero(raster)) for raster in rasters)
    return NeuroBench(
        footprint=_footprint(net),
        connection_sparsity=sum(int((weight == 0).sum()) for weight in weights) / total,
        activation_sparsity=1 - fired / entries if entries else 0.0,
        synaptic_operations=_operations(net, given),
    )


def _synapses(net: Net, layer: Layer) -> Iterator[Any]:
    """Yield the synapses of every way into a layer, those of its oscillators among its own."""
    _own, *others = net.incoming(net.index(layer.name))
    yield layer.synapse
    yield from (way.synapse for way in others)


def _operations(net: Net, x: npt.ArrayLike) -> SynapticOperations:
    found = operations.count(net, x)
    counted = {layer.name: layer.synaptic for layer in found.layers}
    macs = acs = dense = 0
    for i, layer in enumerate(net.layers):
        ways = net.incoming(i)
        graded = {name_of(net, way.source): net.max_payload(way.source) > 1 for way in ways}
        for source, counts in counted[layer.name].items():
            sender, number = source.partition(RELAY)[0], int(counts.sum())
            if graded.get(sender):
                macs += number
            elif sender in graded or source.endswith(":cpg"):
                acs += number
        dense += sum(_joined(way) for way in ways) * found.steps
        dense += layer.cpg.num_neurons * layer.num_sums * found.steps if layer.cpg else 0
    return SynapticOperations(macs / found.samples, acs / found.samples, float(dense))


def _joined(way: Incoming) -> int:
    """Return the synapses of a way, those of weight 0 included."""
    full = dataclasses.replace(way.synapse, weight=np.full(way.synapse.weight.shape, 2))
    return int(operations.fan_outs(full).sum())


def _footprint(net: Net) -> int:
    """Return the bytes of all that a network stores."""
    size = 0
    for layer in net.layers:
        size += sum(synapse.weight.size for synapse in _synapses(net, layer))
        size += sum(map(_stored, (layer.delay, layer.axon.delay if layer.axon else np.array(0))))
        size += _held(layer)
        size += _REGISTER * layer.num_neurons * len(set(layer.neuron.reset()._fields) - {SPIKES})
        size += _oscillators(layer.cpg)
    size += sum(_stored(edge.delay) for edge in net.edges)
    if isinstance(net.te, Driven):
        return size + int(net.te.matrix.size) + _oscillators(net.te.cpg)
    return size + (0 if net.te is None else int(np.asarray(net.te).size))


def _held(layer: Layer) -> int:
    """Return the bytes of a neuron's parameters: one by one where they differ, or once for the layer."""
    size = 0
    for name, field in declared(type(layer.neuron)).items():
        value = np.asarray(getattr(layer.neuron, name))
        each = value.size if field.each and len(np.unique(value)) > 1 else 1
        size += each * _bytes(max(abs(field.low), abs(field.high)), field.low < 0)
    return size


def _stored(delay: npt.NDArray[Any]) -> int:
    """Return the bytes of delays; 0 where there are none."""
    return int(delay.size) * _bytes(int(delay.max()), False) if delay.any() else 0


def _bytes(most: int, signed: bool) -> int:
    return max(1, -(-(most.bit_length() + signed) // 8))


def _oscillators(found: Oscillators | None) -> int:
    """Return the bytes of oscillators: three for every number that the record holds of each, and for its phase."""
    if found is None:
        return 0
    held = sum(value.size for value in vars(found).values() if isinstance(value, np.ndarray))
    return _REGISTER * (held + found.num_neurons)

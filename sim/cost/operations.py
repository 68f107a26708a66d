"""Operations that a network performs on given inputs, counted exactly from the engine's spikes.

- A *synaptic operation* is a spike or payload that arrives at a synapse whose weight is not 0. Zeros are left out of
  synaptic memory (`spikeproof.export.loihi2.plan`), so they cost nothing.
- A *neuron update* is a neuron in a time step, whatever happens to it; clock rings and oscillators update too.
- A *published spike* is one that a neuron sends, whatever its fan-out. Payloads that enter the network are not counted.

What delivers a temporal encoding is counted as it is mapped: a clock ring with one spike a step, or oscillators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.net import Net
from ...contract.sources import raster
from ...contract.sources.driven import Driven
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense
from ...export.loihi2 import limits
from ...export.loihi2.plan import CLOCK, plan
from .. import engine, reference
from ..simulate import encode
from ..trace import SPIKES

Counts = npt.NDArray[np.int64]

_CHUNK_BYTES = 2**27


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """What one population did.

    Parameters
    ----------
    name : str
        Of the population, as in the map: layers, clock rings, oscillators.
    neurons : int
        Neuron updates a step.
    synaptic : mapping of source to ndarray of int64, shape (samples, steps)
        Synaptic operations by where the spikes came from.
    published : ndarray of int64, shape (samples, steps)
        Spikes sent.
    """

    name: str
    neurons: int
    synaptic: Mapping[str, Counts]
    published: Counts

    @property
    def synaptic_operations(self) -> Counts:
        """Synaptic operations of all sources, shape (samples, steps)."""
        return sum(self.synaptic.values(), np.zeros_like(self.published))


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What a network did on given inputs.

    Parameters
    ----------
    layers : tuple of LayerCount
        In the map's order.
    samples, steps : int
        Number of samples, and steps of each.
    """

    layers: tuple[LayerCount, ...]
    samples: int
    steps: int

    @property
    def synaptic(self) -> int:
        """Synaptic operations in all."""
        return sum(int(layer.synaptic_operations.sum()) for layer in self.layers)

    @property
    def updates(self) -> int:
        """Neuron updates in all."""
        return sum(layer.neurons for layer in self.layers) * self.samples * self.steps

    @property
    def published(self) -> int:
        """Spikes sent in all."""
        return sum(int(layer.published.sum()) for layer in self.layers)


def count(net: Net, x: npt.ArrayLike) -> Operations:
    """Count the operations of a network.

    Parameters
    ----------
    net : Net
        The record.
    x : array_like, shape (samples, channels, steps)
        Input in SLAYER's units.

    Returns
    -------
    Operations

    Raises
    ------
    InputError
        The input does not fit the network.
    UnsupportedError
        A layer has synapses whose operations cannot be counted; it is named.
    """
    net.require_chain("The count of operations")
    payload = encode(net, x)
    samples, _, steps = payload.shape
    fan_out = [_fan_out(net, i) for i in range(len(net.layers))]
    events = [np.zeros((samples, 3, steps), np.int64) for _ in net.layers]
    published = [np.zeros((samples, steps), np.int64) for _ in net.layers]
    size = max(1, _CHUNK_BYTES // (4 * steps * sum(layer.num_neurons for layer in net.layers)))
    for first in range(0, samples, size):
        part = slice(first, first + size)
        spikes = engine.run(net, payload[part], record="spikes").layers
        sent: npt.NDArray[Any] = payload[part]
        for i, layer in enumerate(net.layers):
            present = reference.arriving(net, i, sent) != 0
            inputs = layer.num_inputs
            for source, columns in enumerate((slice(0, inputs), slice(inputs, None))):
                events[i][part, source] = np.einsum(
                    "bct,c->bt", present[:, columns], fan_out[i][columns], dtype=np.int64, casting="unsafe"
                )
            if layer.name in spikes:
                sent = spikes[layer.name][SPIKES]
                published[i][part] = np.count_nonzero(sent, axis=1)
            if layer.feedback is not None:  # which arrives a step later
                events[i][part, 2, 1:] = np.einsum(
                    "bnt,n->bt", sent[..., :-1] != 0, _dense(layer.feedback), dtype=np.int64, casting="unsafe"
                )
    return Operations(layers=_by_population(net, events, published, samples, steps), samples=samples, steps=steps)


def _by_population(
    net: Net, events: list[Counts], published: list[Counts], samples: int, steps: int
) -> tuple[LayerCount, ...]:
    index = {layer.name: i for i, layer in enumerate(net.layers)}
    found = []
    for population in plan(net, limits.load()):
        name = population.name
        if name in index:
            i = index[name]
            synaptic = {}
            for connection in population.inputs:
                source = connection.source
                if source.endswith((":te", CLOCK)):
                    synaptic[source] = _every(_encoding_operations(net, i, steps), samples)
                else:
                    synaptic[source] = events[i][:, 2 if source == name else int(source.endswith(":cpg"))]
            found.append(LayerCount(name=name, neurons=population.neurons, synaptic=synaptic, published=published[i]))
        elif name.endswith(CLOCK):
            ones = np.ones((samples, steps), np.int64)
            found.append(LayerCount(name=name, neurons=population.neurons, synaptic={name: ones}, published=ones))
        else:
            layer = net.layers[index[name.partition(":")[0]]]
            oscillators: Any = net.te.cpg if name.endswith(":te") else layer.cpg
            sent = _every(raster(oscillators, steps).sum(axis=1), samples)
            found.append(LayerCount(name=name, neurons=population.neurons, synaptic={}, published=sent))
    return tuple(found)


def _encoding_operations(net: Net, index: int, steps: int) -> Counts:
    """Return the synaptic operations a step that deliver the temporal encoding to a layer."""
    n = net.layers[index].num_neurons
    if isinstance(net.te, Driven):
        fan_out = np.count_nonzero(net.te.matrix[:n], axis=0)
        return np.asarray(raster(net.te.cpg, steps) @ fan_out, dtype=np.int64)
    return np.asarray(np.count_nonzero(net.encoding(steps)[:, :n], axis=1), dtype=np.int64)


def _every(counts: npt.NDArray[Any], samples: int) -> Counts:
    return np.broadcast_to(counts.astype(np.int64), (samples, len(counts))).copy()


def _fan_out(net: Net, index: int) -> Counts:
    """Return how many synapses of a weight other than 0 each input of a layer has, its oscillators among them."""
    synapse = net.layers[index].synapse
    if type(synapse) not in _FAN_OUTS:
        known = ", ".join(sorted(kind.__name__ for kind in _FAN_OUTS))
        raise UnsupportedError(
            f"layer {net.layers[index].name!r}: the operations of {type(synapse).__name__} synapses cannot be counted; "
            f"known are {known}."
        )
    return _FAN_OUTS[type(synapse)](synapse)


def _dense(synapse: Dense) -> Counts:
    return np.asarray(np.count_nonzero(synapse.weight, axis=0), dtype=np.int64)


def _conv(synapse: Conv) -> Counts:
    channels, rows, columns = synapse.in_shape
    (top, left), (down, right) = synapse.padding, synapse.stride
    padded = np.zeros((channels, rows + 2 * top, columns + 2 * left), np.int64)
    _, height, width = synapse.out_shape
    of_groups = synapse.weight.reshape(synapse.groups, -1, *synapse.weight.shape[1:])
    targets = np.count_nonzero(of_groups, axis=1).reshape(channels, *synapse.kernel)
    for i, j in np.ndindex(synapse.kernel):
        y, x = i * synapse.dilation[0], j * synapse.dilation[1]
        seen = padded[:, y : y + (height - 1) * down + 1 : down, x : x + (width - 1) * right + 1 : right]
        seen += targets[:, i, j][:, None, None]
    return padded[:, top : top + rows, left : left + columns].reshape(-1)


_FAN_OUTS: dict[type[Any], Callable[[Any], Counts]] = {Dense: _dense, Conv: _conv}
"""Kind of synapse -> synapses of each of its inputs."""

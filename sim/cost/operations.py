"""Operations that a network performs on given inputs, counted exactly from the engine's spikes.

- A *synaptic operation* is a spike or payload that arrives at a synapse whose weight is not 0. Zeros are left out of
  synaptic memory (`spikeproof.export.loihi2.plan`), so they cost nothing.
- A *neuron update* is a neuron in a time step, whatever happens to it; clock rings and oscillators update too.
- A *published spike* is one that a neuron sends, whatever its fan-out. Payloads that enter the network are not counted.

All are counted in the local time of the layer where they happen: a spike that would arrive after its sample's end is
lost, and is no operation. What delivers a temporal encoding is counted as it is mapped: a clock ring with one spike a
step, or oscillators. So are the relays of delays that are longer than a synapse's.
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
from ...contract.synapses.delays import delayed
from ...contract.synapses.dense import Dense
from ...export.loihi2 import limits, ways
from ...export.loihi2.plan import CLOCK, plan
from .. import engine
from ..reference import senders
from ..simulate import encode

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


def count(net: Net, x: npt.ArrayLike, allowed: limits.Limits | None = None) -> Operations:
    """Count the operations of a network.

    Parameters
    ----------
    net : Net
        The record.
    x : array_like, shape (samples, channels, steps)
        Input in SLAYER's units.
    allowed : limits.Limits, optional
        What the placement kept to, which decides what is relayed, see `spikeproof.export.loihi2.mapping.place`.
        Default: the public limits.

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
    payload = encode(net, x)
    samples, _, steps = payload.shape
    known = limits.load() if allowed is None else allowed
    shares = [ways.shares(net, i, known) for i in range(len(net.layers))]
    fan_outs = [[_fan_outs(net.layers[i].name, share) for share in row] for i, row in enumerate(shares)]
    relays = {ways.name_of(net, relay.source, relay.stage): relay for relay in ways.relays(net, known)}
    arrived: dict[tuple[str, str], Counts] = {}
    published: dict[str, Counts] = {}

    def add(to: dict[Any, Counts], key: Any, part: slice, counts: npt.NDArray[Any]) -> None:
        to.setdefault(key, np.zeros((samples, steps), np.int64))[part] += counts

    size = max(1, _CHUNK_BYTES // (4 * steps * sum(layer.num_neurons for layer in net.layers)))
    for first in range(0, samples, size):
        part = slice(first, first + size)
        sent = senders(net, engine.run(net, payload[part], record="spikes").layers, payload[part])
        fired = {source: each != 0 for source, each in sent.items()}
        for i, layer in enumerate(net.layers):
            if i in fired:
                add(published, layer.name, part, np.count_nonzero(fired[i], axis=1))
            for share, fan_out in zip(shares[i], fan_outs[i], strict=True):
                key = layer.name, ways.name_of(net, share.way.source, share.stage)
                for delay, synapses in fan_out:
                    arriving = delayed(fired[share.way.source], delay)
                    add(arrived, key, part, _weighted(arriving, synapses))
        for name, relay in relays.items():
            handed = delayed(fired[relay.source][:, relay.senders], relay.stage * ways.step_of(known))
            add(published, name, part, np.count_nonzero(handed, axis=1))
    return Operations(
        layers=_by_population(net, known, arrived, published, samples, steps), samples=samples, steps=steps
    )


def _weighted(arriving: npt.NDArray[np.bool_], synapses: Counts) -> Counts:
    """Return the synapses that spikes meet in each step, shape (samples, steps)."""
    found: Counts = np.einsum("bct,c->bt", arriving, synapses, dtype=np.int64, casting="unsafe")
    return found


def _by_population(
    net: Net,
    known: limits.Limits,
    arrived: Mapping[tuple[str, str], Counts],
    published: Mapping[str, Counts],
    samples: int,
    steps: int,
) -> tuple[LayerCount, ...]:
    index = {layer.name: i for i, layer in enumerate(net.layers)}
    nothing = np.zeros((samples, steps), np.int64)
    found = []
    for population in plan(net, known):
        name = population.name
        sent, synaptic = published.get(name, nothing), {}
        if name in index:
            for source in (connection.source for connection in population.inputs):
                if source.endswith((":te", CLOCK)):
                    synaptic[source] = _every(_encoding_operations(net, index[name], steps), samples)
                elif source.endswith(":cpg"):
                    synaptic[source] = _every(_oscillator_operations(net, index[name], steps), samples)
                else:
                    synaptic[source] = arrived[name, source]
        elif ways.RELAY in name:
            synaptic[population.inputs[0].source] = sent  # each has one synapse
        elif name.endswith(CLOCK):
            sent = np.ones_like(nothing)
            synaptic[name] = sent
        else:
            layer = net.layers[index[name.partition(":")[0]]]
            oscillators: Any = net.te.cpg if name.endswith(":te") else layer.cpg
            sent = _every(raster(oscillators, steps).sum(axis=1), samples)
        found.append(LayerCount(name=name, neurons=population.neurons, synaptic=synaptic, published=sent))
    return tuple(found)


def _oscillator_operations(net: Net, index: int, steps: int) -> Counts:
    """Return the synaptic operations a step of the oscillators that a layer listens to beside its inputs."""
    layer: Any = net.layers[index]
    fan_out = np.count_nonzero(layer.synapse.weight[:, layer.num_inputs :], axis=0)
    return np.asarray(raster(layer.cpg, steps) @ fan_out, dtype=np.int64)


def _encoding_operations(net: Net, index: int, steps: int) -> Counts:
    """Return the synaptic operations a step that deliver the temporal encoding to a layer."""
    n = net.layers[index].num_neurons
    if isinstance(net.te, Driven):
        fan_out = np.count_nonzero(net.te.matrix[:n], axis=0)
        return np.asarray(raster(net.te.cpg, steps) @ fan_out, dtype=np.int64)
    return np.asarray(np.count_nonzero(net.encoding(steps)[:, :n], axis=1), dtype=np.int64)


def _every(counts: npt.NDArray[Any], samples: int) -> Counts:
    return np.broadcast_to(counts.astype(np.int64), (samples, len(counts))).copy()


def _fan_outs(layer: str, share: ways.Share) -> list[tuple[npt.NDArray[Any], Counts]]:
    """Return delays, and how many synapses of a weight other than 0 each sender has of each."""
    way = share.way
    if type(way.synapse) not in _FAN_OUTS:
        known = ", ".join(sorted(kind.__name__ for kind in _FAN_OUTS))
        raise UnsupportedError(
            f"layer {layer!r}: the operations of the {type(way.synapse).__name__} synapses {way.name} cannot be "
            f"counted; known are {known}."
        )
    if way.delay.ndim < 2:
        return [(way.delay, fan_outs(way.synapse) * share.senders)]
    return [(np.asarray(delay), fan_outs(synapse)) for delay, synapse in way.by_delay()]


def fan_outs(synapse: Any) -> Counts:
    """Return how many synapses of a weight other than 0 each input has."""
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

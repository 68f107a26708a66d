"""What reaches a layer, in shares: what can wait at a synapse of a chip, and what is handed on by relays before.

A synapse takes one step, and may wait for up to as many more as the limits say. In the local time of a sample, spikes
that take d steps from layer s to layer t must wait for ``L(t) - L(s) + d - 1`` steps, where L says by how many steps a
layer works behind the input: alignment and delay together. What is longer than a synapse can wait is handed on by
relays, neurons that send what they receive: relay k of a sender is late by k times a synapse's longest wait and its own
step, for all who listen to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.net import Incoming, Net
from ...contract.synapses.dense import Dense
from .limits import Limits

HOST = ":input"
"""Source of what enters from outside. No layer may be called so, nor any name with a colon in it."""
RELAY = ":relay"


class Share(NamedTuple):
    """Those synapses of one way into a layer that listen to the sender itself, or to the same relay of it."""

    way: Incoming
    """The way, of all-to-all synapses with the weights of the others set to 0."""
    stage: int
    """0 for the sender, k for its k-th relay."""
    senders: npt.NDArray[np.bool_]
    """Which neurons or channels of the sender are listened to."""
    waits: npt.NDArray[Any]
    """The steps that each synapse waits beyond its own, in the shape of the way's delays; -1 where there is none."""

    @property
    def longest(self) -> int:
        """The longest wait of a synapse."""
        return max(0, int(self.waits.max()))


class Relay(NamedTuple):
    """The k-th relay of a sender."""

    source: int
    """The index of the layer whose spikes it hands on; -1 - k for input k."""
    stage: int
    """Which one: the first listens to the sender, the others to the one before."""
    senders: npt.NDArray[np.bool_]
    """Which neurons or channels it hands on, each by a neuron of its own."""


def name_of(net: Net, source: int, stage: int = 0) -> str:
    """Return the population that a layer, or input k as -1 - k, or a relay of it is called in a plan."""
    if source >= 0:
        name = net.layers[source].name
    else:
        name = HOST if len(net.inputs) == 1 else f"{HOST}.{net.inputs[-1 - source].name}"
    return f"{name}{RELAY}{stage}" if stage else name


def step_of(limits: Limits) -> int:
    """Return by how many steps a relay is late: the longest wait of a synapse, and the step that it takes itself."""
    return limits.longest_delay.value + 1


def shares(net: Net, index: int, limits: Limits) -> list[Share]:
    """Return all ways into a layer, in the shares that synapses and relays hold, in the order of `Net.incoming`."""
    return [share for way in net.incoming(index) for share in _of_way(net, index, way, limits)]


def alignment(net: Net, index: int, way: Incoming) -> int:
    """Return how many steps spikes must wait for those that come a longer way; below 0 where delays make up for it."""
    before = net.latency(way.source) if way.source >= 0 else 0
    return net.latency(index) - before - 1


def _of_way(net: Net, index: int, way: Incoming, limits: Limits) -> Iterator[Share]:
    late = alignment(net, index, way)
    waits = np.maximum(way.delay.astype(np.int64) + late, 0)  # below 0 only where the weight is 0
    stages, step = waits // step_of(limits), step_of(limits)
    heard = way.synapse.weight.any(axis=0) if isinstance(way.synapse, Dense) else np.ones(way.synapse.num_inputs, bool)
    if waits.ndim == 0:
        yield Share(way, int(stages) if heard.any() else 0, heard, waits % step)
        return
    present = _present(way)
    used = np.broadcast_to(stages, present.shape)[present]
    for stage in np.unique(used).tolist() or [0]:
        here = (stages == stage) & (present if waits.ndim == 2 else heard)
        senders = here if waits.ndim == 1 else here.any(axis=0)
        yield Share(_only(way, here), stage, senders, np.where(here, waits % step, -1))


def _present(way: Incoming) -> npt.NDArray[np.bool_]:
    """Return where there is a synapse, shape (sums, senders); those of a convolution are taken to be everywhere."""
    if isinstance(way.synapse, Dense):
        return np.asarray(way.synapse.weight != 0)
    return np.ones((1, way.synapse.num_inputs), np.bool_)


def _only(way: Incoming, here: npt.NDArray[np.bool_]) -> Incoming:
    synapse = way.synapse
    if not isinstance(synapse, Dense):
        return way
    return way._replace(synapse=replace(synapse, weight=np.where(here, synapse.weight, 0)))


def relays(net: Net, limits: Limits) -> list[Relay]:
    """Return the relays that a network needs, each sender's in a row; several ways from a sender share them."""
    wanted: dict[tuple[int, int], npt.NDArray[np.bool_]] = {}
    for i in range(len(net.layers)):
        for share in shares(net, i, limits):
            # One of a convolution's kernels may listen to any place of an image, so all of it is handed on.
            of = share.senders if isinstance(share.way.synapse, Dense) else np.ones_like(share.senders)
            for stage in range(1, share.stage + 1):
                key = (share.way.source, stage)
                wanted[key] = wanted[key] | of if key in wanted else of
    return [Relay(source, stage, wanted[source, stage]) for source, stage in sorted(wanted)]


def copies(share: Share, channels: int) -> int:
    """Return how often a chip must store a convolution's kernels: once for each wait of a channel's places."""
    if share.waits.ndim == 0:
        return 1
    places = share.waits.reshape(channels, math.prod(share.waits.shape) // channels)
    return max(len(set(row[row >= 0].tolist())) for row in places)

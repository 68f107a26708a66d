"""Streams of the batch engine: their registers, what is under way, and how they advance by a block of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.net import Net
from ..trace import SPIKES
from .layers import RunLayer, Scratch, Traced
from .ways import Delays, Way

Array = npt.NDArray[Any]
Tables = Sequence[tuple[Array, Array]]


class Plan:
    """What runs of a network, and in which order; the same for all streams.

    Parameters
    ----------
    net : Net
        The network.
    event_driven, exact_float32
        As in `spikeproof.sim.engine.session.Session`.
    """

    def __init__(self, net: Net, *, event_driven: bool | None, exact_float32: bool) -> None:
        self.net = net
        self.layers = tuple(
            RunLayer(net, index, event_driven=event_driven, exact_float32=exact_float32)
            for index in range(len(net.layers))
        )
        ways = [net.incoming(i)[0] for i in range(len(net.layers))]
        self.own = [None if way.delay.ndim == 2 else Delays(way.delay) for way in ways]
        """Delays of each layer's own synapses; None where each synapse has one, and they run as edges do."""
        self.edges: list[tuple[Way, ...]] = []
        for i, layer in enumerate(self.layers):
            feedback = net.layers[i].feedback is not None
            run = [k for k in range(len(net.incoming(i))) if (k > int(feedback) or (k == 0 and self.own[i] is None))]
            bounds = net.way_bounds(i)
            self.edges.append(tuple(Way(net.incoming(i)[k], bounds[k], layer.dtype, event_driven) for k in run))
        self.answer = net.index(net.answers[0])
        axon = net.layers[self.answer].axon
        self.leaving = None if axon is None else Delays(axon.delay.astype(np.int64))
        self.lines = {source: self._line(source) for source in range(-len(net.inputs), len(self.layers))}
        self.straight = frozenset(source for source in range(-len(net.inputs), 0) if self._is_straight(source))
        """Inputs that reach layers by their own synapses alone, dense and without delay."""

    def _is_straight(self, source: int) -> bool:
        own = [self.net.incoming(i)[0].source == source for i in range(len(self.layers))]
        beside = any(way.source == source for ways in self.edges for way in ways)
        plain = zip(self.layers, self.own, own, strict=True)
        return not beside and all(
            layer.takes_channels and delays is not None and not delays.longest for layer, delays, fed in plain if fed
        )

    def _line(self, source: int) -> int:
        """Return for how many steps what a source sends must be kept."""
        needs = [way.line for ways in self.edges for way in ways if way.source == source]
        needs += [own.longest for i, own in enumerate(self.own) if own and self.net.incoming(i)[0].source == source]
        if source == self.answer and self.leaving is not None:
            needs.append(self.leaving.longest)
        return max(needs, default=0)

    def width(self, source: int) -> int:
        """Return how many channels or neurons a source has."""
        return self.layers[source].num_neurons if source >= 0 else self.net.inputs[-1 - source].num_channels

    def dtype(self, source: int) -> Any:
        """Return the type in which what a source sends is kept."""
        if source >= 0:
            return self.layers[source].neurons.payload
        fed = (i for i in range(len(self.layers)) if self.net.incoming(i)[0].source == source)
        return self.layers[next(fed, 0)].dtype


class Block(NamedTuple):
    """A block of steps of some streams."""

    incoming: Array
    """Payloads of the whole run, shape (S, channels, T)."""
    now: int
    """Which step of the run the block begins at."""
    steps: int
    """How many it has, K."""
    tables: Tables
    """Of each layer what is added to its sums and its encoding, see `RunLayer.tables`."""
    local: slice
    """Which of their rows are those of the block."""
    scratch: Sequence[Scratch]
    """Of each layer."""
    traced: Sequence[Traced]
    """What is traced of each layer over the whole run."""
    sparse: frozenset[int]
    """Inputs of which few entries are not 0, as -1 - k; they must be among `Plan.straight`."""


class Streams:
    """Streams that run side by side.

    Parameters
    ----------
    plan : Plan
        The network.
    num_streams : int
        How many they are.
    """

    def __init__(self, plan: Plan, num_streams: int) -> None:
        self._plan, layers = plan, plan.layers
        self.states = [np.repeat(x.neurons.initial[None], num_streams, axis=0) for x in layers]
        self.counts = [np.zeros((num_streams, x.num_neurons), x.neurons.initial.dtype) for x in layers]
        self.last = [np.zeros((num_streams, x.num_neurons), x.neurons.payload) for x in layers]
        self.lines = {
            source: np.zeros((num_streams, longest, plan.width(source)), plan.dtype(source))
            for source, longest in plan.lines.items()
        }
        self.ahead = [
            [np.zeros((num_streams, way.longest, way.num_sums), x.dtype) if way.is_scattered else None for way in ways]
            for x, ways in zip(layers, plan.edges, strict=True)
        ]
        self.arrived = np.zeros((num_streams, layers[plan.answer].num_neurons), np.int64)

    def restart(self) -> None:
        """Begin a new sample."""
        for layer, state in zip(self._plan.layers, self.states, strict=True):
            state[:] = layer.neurons.initial
        ahead = [array for arrays in self.ahead for array in arrays if array is not None]
        for array in (*self.counts, *self.last, *self.lines.values(), *ahead, self.arrived):
            array[:] = 0

    def part(self, streams: slice) -> Streams:
        """Return some of the streams, which share the memory of these."""
        part = object.__new__(Streams)
        part._plan = self._plan
        part.states, part.counts, part.last = (
            [array[streams] for array in arrays] for arrays in (self.states, self.counts, self.last)
        )
        part.lines = {source: line[streams] for source, line in self.lines.items()}
        part.ahead = [[None if a is None else a[streams] for a in arrays] for arrays in self.ahead]
        part.arrived = self.arrived[streams]
        return part

    def advance(self, block: Block) -> None:
        """Advance by a block."""
        plan, net = self._plan, self._plan.net
        sent: dict[int, Array] = {}
        events: dict[int, int] = {}
        for k in range(len(net.inputs)):
            source = -1 - k
            if source not in block.sparse:
                came = block.incoming[:, net.channels(k), block.now : block.now + block.steps]
                came = np.array(came.transpose(0, 2, 1), plan.dtype(source), order="C")
                self._send(source, came, int(np.count_nonzero(came)), sent, events)
        for group in net.groups:
            for i in group:
                self._gather(i, group, block, sent, events)
            if len(group) == 1 and not any(way.source == group[0] for way in plan.edges[group[0]]):
                i, work, layer = group[0], block.scratch[group[0]], plan.layers[group[0]]
                te, traced = block.tables[i][1][block.local], block.traced[i]
                fired = layer.scan(
                    work.z, te, self.states[i], self.counts[i], work.spikes, traced, block.now, self.last[i]
                )
                self._send(i, work.spikes, fired, sent, events)
            else:
                self._together(group, block, sent, events)
        for work, traced in zip(block.scratch, block.traced, strict=True):
            if SPIKES in traced:
                traced[SPIKES][:, block.now : block.now + block.steps] = work.spikes
        if plan.leaving is not None:
            arriving = plan.leaving.arriving(sent[plan.answer], plan.lines[plan.answer], block.steps)
            self.arrived += arriving.sum(axis=1, dtype=np.int64)
        for source, line in self.lines.items():
            if line.shape[1] and source in sent:
                line[:] = sent[source][:, -line.shape[1] :]

    def _send(self, source: int, block: Array, fired: int, sent: dict[int, Array], events: dict[int, int]) -> None:
        line = self.lines[source]
        sent[source] = np.concatenate([line, block], axis=1) if line.shape[1] else block
        events[source] = fired

    def _gather(
        self,
        index: int,
        group: Sequence[int],
        block: Block,
        sent: Mapping[int, Array],
        events: Mapping[int, int],
    ) -> None:
        """Write what inputs, oscillators and layers outside its group add to a layer's sums of a block."""
        plan, layer, steps = self._plan, self._plan.layers[index], block.steps
        start, z = block.tables[index][0], block.scratch[index].z
        start = start[block.local] if len(start) > 1 else start
        own = plan.net.incoming(index)[0].source
        delays = plan.own[index]
        if own in group or delays is None:
            z[:] = start
        elif own in block.sparse:
            layer.sums_of_channels(block.incoming, block.now, plan.net.channels(-1 - own).start, start, z)
        else:
            x = delays.arriving(sent[own], plan.lines[own], steps)
            layer.sums(x, events[own], start, z)
        for way, ahead in zip(plan.edges[index], self.ahead[index], strict=True):
            if way.source in group:
                continue
            if ahead is None:
                way.add(sent[way.source], plan.lines[way.source], events[way.source], z)
                continue
            buffer = _extended(ahead, steps)
            way.scatter(sent[way.source][:, plan.lines[way.source] :], buffer)
            way.take(buffer, z)
            ahead[:] = buffer[:, steps:]
        if plan.edges[index] and len(group) == 1:
            z[:] = layer.wrapped(z)

    def _together(self, group: Sequence[int], block: Block, sent: dict[int, Array], events: dict[int, int]) -> None:
        """Run layers that feed each other, step by step."""
        plan, steps = self._plan, block.steps
        for i in group:
            self._send(i, block.scratch[i].spikes, 0, sent, events)
            sent[i] = np.array(sent[i])
            sent[i][:, plan.lines[i] :] = 0
        buffers = {
            (i, k): _extended(ahead, steps)
            for i in group
            for k, (way, ahead) in enumerate(zip(plan.edges[i], self.ahead[i], strict=True))
            if ahead is not None and way.source in group
        }
        for t in range(steps):
            for i in group:
                self._one_step(i, t, group, block, sent, buffers, events)
        for (i, k), buffer in buffers.items():
            kept = self.ahead[i][k]
            assert kept is not None
            kept[:] = buffer[:, steps:]

    def _one_step(
        self,
        index: int,
        t: int,
        group: Sequence[int],
        block: Block,
        sent: Mapping[int, Array],
        buffers: Mapping[tuple[int, int], Array],
        events: dict[int, int],
    ) -> None:
        plan, layer, work = self._plan, self._plan.layers[index], block.scratch[index]
        z = work.z[:, t : t + 1].copy()
        own = plan.net.incoming(index)[0].source
        delays = plan.own[index]
        if own in group and delays is not None:
            before = plan.lines[own] + t
            x = np.ascontiguousarray(delays.arriving(sent[own][:, : before + 1], before, 1))
            part = np.empty_like(z)
            layer.sums(x, int(np.count_nonzero(x)), np.zeros((1, layer.num_sums), layer.dtype), part)
            z += part
        for k, way in enumerate(plan.edges[index]):
            if way.source not in group:
                continue
            if (index, k) in buffers:
                way.take(buffers[index, k][:, t:], z)
            else:
                before = plan.lines[way.source] + t
                way.add(sent[way.source][:, : before + 1], before, None, z)
        spikes = np.empty((len(z), 1, layer.num_neurons), work.spikes.dtype)
        te, traced, now = block.tables[index][1][block.local][t : t + 1], block.traced[index], block.now + t
        z, state, counts = layer.wrapped(z), self.states[index], self.counts[index]
        fired = layer.scan(z, te, state, counts, spikes, traced, now, self.last[index])
        events[index] += fired
        work.spikes[:, t] = spikes[:, 0]
        sent[index][:, plan.lines[index] + t] = spikes[:, 0]
        for i in group:
            for k, way in enumerate(plan.edges[i]):
                if way.source == index and (i, k) in buffers:
                    way.scatter(spikes, buffers[i, k], t)


def _extended(ahead: Array, steps: int) -> Array:
    """Return the sums that are to come, with room for those that a block's events make."""
    more = np.zeros((len(ahead), steps, ahead.shape[2]), ahead.dtype)
    return np.concatenate([ahead, more], axis=1)

"""The layers of a forward pass and what each receives, from the record of its operations."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ...contract.errors import UnsupportedError
from . import edges, loops
from .edges import Arrival, Edge, Ranges, Way, arrival, edges_of, whole
from .entries import (
    Entry,
    Layer,
    Port,
    call_name,
    entries_of,
    is_unary,
    over_time,
    refuse_branches,
    used_calls,
)
from .host import plain_word
from .place import Place
from .provenance import INPUT, Event, LeafCall, Recorder, Value, tensors_in
from .rules import Terms
from .shadow import Opaque, Stated, alike, ancestors, shadows, unmoved


class Found(NamedTuple):
    """What `layers_of` found."""

    layers: tuple[Layer, ...]
    arrivals: Mapping[int, Arrival | None]
    """For every call that receives a layer's input, what arrives; None for the network's input."""
    front: set[int]
    """Serial numbers of the events behind the network's input."""
    inner: set[int]
    """Those of the events behind all layers' inputs."""
    ports: tuple[Port, ...]
    """The network's inputs."""
    answers: tuple[int, ...]
    """The layers of which the module's answer is made directly, in its order."""
    joins_steps: bool
    """Whether the module loops over time and returns the last layer's steps one after the other, and nothing else."""
    notes: tuple[str, ...]
    hosts: tuple[int, ...] = ()
    """Calls that receive what the host makes, whose elements are numbered behind those of the input and the layers."""


def layers_of(
    recorder: Recorder, names: Mapping[int, str], answers: Sequence[Value | None] | None, title: str, steps: int
) -> Found:
    """Return the layers that a recorded forward pass calls.

    Parameters
    ----------
    recorder : Recorder
        The record of the pass.
    names : mapping of id of a module to its name
        What the modules are called.
    answers : sequence of Value or None
        What the module returned; None if part of it is not known.
    title : str
        What the module is called.
    steps : int
        Length of the module's input in time.

    Raises
    ------
    UnsupportedError
        Naming the operation, its place and what to do.
    """
    entries = entries_of(recorder, names)
    if not entries:
        raise UnsupportedError(f"{title} calls no block of SLAYER's or of ours in its forward pass.")
    refuse_branches(recorder, entries)
    used = used_calls(recorder, entries, answers)
    notes = tuple(
        f"{call_name(recorder.calls[entry.returns], names)} is called at {recorder.calls[entry.returns].place}, and "
        "nothing uses what it puts out: it is not part of the network."
        for entry in entries
        if entry.returns not in used
    )
    entries = [entry for entry in entries if entry.returns in used]
    if not entries:
        raise UnsupportedError(f"{title}: what it returns does not depend on its blocks. Return what they put out.")
    return _Reading(recorder, names, entries, steps, answers or ()).found(tuple(dict.fromkeys(notes)))


class _Reading:
    """Makes layers of the calls of a recorded run."""

    def __init__(
        self,
        recorder: Recorder,
        names: Mapping[int, str],
        entries: Sequence[Entry],
        steps: int,
        answers: Sequence[Value | None],
    ) -> None:
        self.recorder, self.names = recorder, names
        self.steps = steps
        self.groups = loops.groups([entry.key for entry in entries], entries, self._is_loop)
        self.ports: dict[tuple[str, int], int] = {}
        self.answers = [value for value in answers if value is not None]
        unary = sum(2 << entry.returns for entry in entries if is_unary(entry.part, recorder.calls[entry.returns]))
        wanted = [value for entry in entries for value in recorder.calls[entry.receives].arrived if value is not None]
        loops_over_time = len(self.groups[-1]) > 1 and len(self.answers) == 1
        wanted += self.answers if loops_over_time else ()
        self.shadows, self.elements = shadows(wanted, recorder.roots, unary)
        self.hosts: list[tuple[int, int]] = []
        """What the host makes and spikes may be joined with: a layer that receives it as it is, and the call."""
        if any(value.roots > INPUT and value.roots & INPUT for value in wanted):
            given = self._made_by_host()
            if given:
                self.shadows, self.elements = shadows(wanted, recorder.roots, unary, given)
        self.layer_of = {entry.returns: (i, k) for i, group in enumerate(self.groups) for k, entry in enumerate(group)}
        self.ranges = self._ranges()
        self.arrivals: dict[int, Arrival | None] = {}

    def _made_by_host(self) -> dict[Hashable, Stated]:
        """Return what layers receive as it is, and is no argument of the module, each for the first of the layers."""
        found: dict[Hashable, Stated] = {}
        for i, group in enumerate(self.groups):
            arrived = [value for entry in group for value in self._arrived(entry) if value.roots <= INPUT]
            if len(arrived) < len(group) or self._argument_of(group) is not None:
                continue
            for value, entry in zip(arrived, group, strict=True):
                source, order = unmoved(value)
                if alike(source) not in found:
                    found[alike(source)] = Stated(self.recorder.calls[entry.receives].received[0], order)
                    self.hosts.append((i, entry.receives))
        return found

    def _ranges(self) -> Ranges:
        """Return whose elements the numbers are, root by root."""
        start, rows, arguments = 1, [], 0
        steps_before: dict[int, int] = {}
        for event, tensors in self.recorder.roots.items():
            if event.call is None:
                arguments += 1
            source = -arguments if event.call is None else self.layer_of.get(event.call, (edges.OTHER, 0))[0]
            shape: tuple[int, ...] = tensors[0].shape if tensors else (1,)
            steps = max(1, shape[-1])
            rows.append((start, source, max(1, int(np.prod(shape[1:-1]))), steps, steps_before.get(source, 0)))
            steps_before[source] = steps_before.get(source, 0) + steps if source >= 0 else 0
            start += sum(tensor.numel() for tensor in tensors)
        layers = self._host_layers()
        for layer, call in self.hosts:
            shape, source = self.recorder.calls[call].received[0].shape, -arguments - 1 - layers.index(layer)
            steps, offset = max(1, shape[-1]), steps_before.get(source, 0)
            rows.append((start, source, max(1, int(np.prod(shape[1:-1]))), steps, offset))
            steps_before[source] = offset + steps
            start += int(np.prod(shape))
        starts, sources, elements, steps_of, offsets = (np.asarray(each, np.int64) for each in zip(*rows, strict=True))
        calls = (*(event.call for event in self.recorder.roots), *(None for _ in self.hosts))
        return Ranges(starts, calls, sources, elements, steps_of, offsets)

    def _host_layers(self) -> list[int]:
        """Return the layers that receive what the host makes and spikes may be joined with."""
        return list(dict.fromkeys(layer for layer, _ in self.hosts))

    def found(self, notes: tuple[str, ...]) -> Found:
        """Return all layers."""
        layers = tuple(self._layer(i, group) for i, group in enumerate(self.groups))
        for layer in layers:
            if layer.looped:
                loops.check(layer)
        receiving = [value for group in self.groups for entry in group for value in self._arrived(entry)]
        front = [value for value in receiving if value.roots <= INPUT]
        return Found(
            layers=layers,
            arrivals=self.arrivals,
            front={event.serial for event in ancestors(front)},
            inner={event.serial for event in ancestors(receiving)},
            ports=tuple(self._made_port(kind, number) for kind, number in self.ports),
            answers=self._answering(),
            joins_steps=self._joins_steps(),
            notes=notes,
            hosts=tuple(call for _, call in self.hosts),
        )

    def _made_port(self, kind: str, number: int) -> Port:
        if kind == "argument":
            given = [each[0] for event, each in self.recorder.roots.items() if event.call is None]
            return Port(number, -1, tuple(given[number].shape[1:-1]))
        received = self.recorder.calls[self.groups[number][0].receives].received[0]
        return Port(None, number, tuple(received.shape[1:-1]))

    def _answering(self) -> tuple[int, ...]:
        """Return the layers that the answer is made of, without layers between."""
        found: dict[int, None] = {}
        for value in self.answers:
            for event in ancestors([value]):
                if event.call in self.layer_of:
                    found[self.layer_of[event.call][0]] = None
        return tuple(found)

    def _arrived(self, entry: Entry) -> list[Value]:
        return [value for value in self.recorder.calls[entry.receives].arrived if value is not None]

    def _layer(self, index: int, group: Sequence[Entry]) -> Layer:
        calls = self.recorder.calls
        first = calls[group[0].returns]
        given, arrived = (
            next(iter(self.recorder.roots.values()))[0].shape[0],
            calls[group[0].receives].received[0].shape,
        )
        if arrived[:1] != (given,):
            raise UnsupportedError(
                f"{first.place}: {call_name(first, self.names)} receives a tensor of shape {tuple(arrived)} where the "
                f"module was given {given} samples. Give samples along the first axis, and keep them there."
            )
        name = self.names.get(id(first.part)) or type(first.part).__name__
        behind = ancestors(self._arrived(group[0]))
        moves = [event for event in behind if not event.is_root]
        outputs = [next(tensors_in(calls[entry.returns].output)) for entry in group]
        return Layer(
            part=group[0].part,
            name=name,
            place=first.place,
            calls=tuple(entry.returns for entry in group),
            receives=tuple(entry.receives for entry in group),
            edges=self._edges(index, group, moves[-1].place if moves else None),
            joins=moves[-1].place if moves else first.place,
            joined_by=plain_word(moves[-1]) if moves else "the call",
            received=over_time([calls[entry.receives].received[0] for entry in group]),
            output=over_time(outputs),
            chunks=tuple(output.shape[-1] for output in outputs),
            run=self._run(group[0]),
        )

    def _is_loop(self, group: Sequence[Entry]) -> bool:
        lengths = [self.recorder.calls[entry.receives].received[0].shape[-1] for entry in group]
        axes = next(iter(self.recorder.roots.values()))[0].shape[1:]
        return loops.is_loop(group[0].part, lengths, self.steps, axes)

    def _run(self, entry: Entry) -> Callable[[torch.Tensor], Any]:
        calls = self.recorder.calls
        run = calls[entry.returns].run
        if entry.receives == entry.returns:
            return run
        sums = calls[entry.receives].run
        return lambda x: run(sums(x))

    def _edges(self, index: int, group: Sequence[Entry], moves: Place | None) -> tuple[Edge, ...]:
        """Return what arrives at a layer; sources below 0 are inputs of the network."""
        found = [self._arrival(entry) for entry in group]
        call = self.recorder.calls[group[0].receives]
        known = [each for each in found if each is not None]
        if not known:
            return (whole(self._port(*self._port_of(index, group)), int(np.prod(call.received[0].shape[1:-1]))),)
        target = call_name(self.recorder.calls[group[0].returns], self.names)
        if len(known) < len(found):  # before the first spikes come back in a loop, the host's zeros stand for them
            found = [each or self._host_arrival(entry, target) for each, entry in zip(found, group, strict=True)]
            known = [each for each in found if each is not None]
        names = [call_name(self.recorder.calls[other[0].returns], self.names) for other in self.groups]
        made = edges_of(edges.joined(known), self.ranges, Way(names, target, call.place, moves, len(group) > 1))
        if not made:
            raise UnsupportedError(
                f"{call.place}: nothing but zeros arrives at {target}: what stands in front of it multiplies all "
                "spikes by 0. Leave the block out, or the factor."
            )
        return tuple(each if each.source >= 0 else each._replace(source=self._input(-1 - each.source)) for each in made)

    def _input(self, number: int) -> int:
        """Return which input of the network an argument is, or what the host makes, which are counted behind them."""
        arguments = sum(event.call is None for event in self.recorder.roots)
        if number < arguments:
            return self._port("argument", number)
        layer = self._host_layers()[number - arguments]
        return self._port(*self._port_of(layer, self.groups[layer]))

    def _port(self, kind: str, number: int) -> int:
        """Return which input of the network, as -1 - k, an argument of the module is, or what a layer receives."""
        return -1 - self.ports.setdefault((kind, number), len(self.ports))

    def _port_of(self, index: int, group: Sequence[Entry]) -> tuple[str, int]:
        """Return what enters the network at a layer that receives nothing else: an argument, or what the host makes."""
        argument = self._argument_of(group)
        if argument is not None:
            return "argument", argument
        mine = [self.recorder.calls[entry.receives].arrived for entry in group]
        for i, other in enumerate(self.groups[:index]):
            if [self.recorder.calls[entry.receives].arrived for entry in other] == mine and None not in mine[0]:
                return "host", i
        return "host", index

    def _arrival(self, entry: Entry) -> Arrival | None:
        """Return what arrives in one call of a layer; None for the network's input."""
        call = self.recorder.calls[entry.receives]
        value = call.arrived[0]
        self.arrivals[entry.receives] = None
        if value is None:
            self._refuse_outside(call)
        if value is None or value.roots <= INPUT:
            return None
        shadow = self.shadows[value]
        if isinstance(shadow, Opaque):
            raise edges.refuse_opaque(shadow, self._between(shadow.event, call), self._spikes_of(shadow.event))
        found = arrival(shadow)
        if not edges.matches(found, self.elements, call.received[0]):
            if edges.rounds(found, self.elements, call.received[0]):
                last = [event for event in ancestors([value]) if not event.is_root][-1]
                raise edges.refuse_rounding(found, self.ranges, last, call_name(call, self.names))
            raise UnsupportedError(
                f"{call.place}: what stands in front of {call_name(call, self.names)} does something that cannot be "
                "followed, such as a write through NumPy. Use torch operations that return new tensors."
            )
        self.arrivals[entry.receives] = found
        self._refuse_sums(found, call)
        return found

    def _host_arrival(self, entry: Entry, target: str) -> Arrival:
        """Return what arrives in a call of a layer that receives spikes in others, where none arrives in this one."""
        call = self.recorder.calls[entry.receives]
        value = call.arrived[0]
        if value is None:
            zeros = np.zeros((1, *call.received[0].shape), np.int64)
            found = Arrival(zeros, np.ones_like(zeros, np.float64))
        else:
            shadow = self.shadows[value]
            found = arrival(shadow) if not isinstance(shadow, Opaque) else Arrival(np.zeros(1, np.int64), np.ones(1))
        if found.numbers.shape[1:] != tuple(call.received[0].shape) or not edges.matches(
            found, self.elements, call.received[0]
        ):
            raise UnsupportedError(
                f"{call.place}: in some steps of the loop over time {target} receives spikes, and in others what the "
                "host makes. Synapses are the same in every step."
            )
        self.arrivals[entry.receives] = found
        return found

    def _refuse_sums(self, found: Arrival, call: LeafCall) -> None:
        """Refuse what arrives from synapses without neurons."""
        for root in np.unique(self.ranges.roots_of(found.numbers[found.numbers > 0])):
            number = self.ranges.calls[root]
            if number is not None and number not in self.layer_of:
                other = self.recorder.calls[number]
                raise UnsupportedError(
                    f"{other.place}: the synapses {call_name(other, self.names)} stand in front of "
                    f"{call_name(call, self.names)} without neurons. Put neurons behind them: spikes are what travels "
                    "between layers."
                )

    def _refuse_outside(self, call: LeafCall) -> None:
        spikes = [read for read in self.recorder.reads[: call.reads_before] if read.roots > INPUT]
        if spikes:
            raise UnsupportedError(
                f"{spikes[-1].place}: {spikes[-1].name.strip('_')}() takes spikes out of torch, and "
                f"{call_name(call, self.names)} receives what comes back. Use torch operations."
            )

    def _between(self, event: Event, call: LeafCall) -> str:
        spikes, target = self._spikes_of(event), call_name(call, self.names)
        return f"behind {spikes} and in front of {target}" if " and " in spikes else f"between {spikes} and {target}"

    def _spikes_of(self, event: Event) -> str:
        behind = [i for i in self.layer_of if event.roots >> (i + 1) & 1]
        names = [call_name(self.recorder.calls[i], self.names) for i in behind]
        return " and ".join(dict.fromkeys(names)) or "the input"

    def _joins_steps(self) -> bool:
        """Whether the module returns the steps of its last layer, one after the other, and nothing else."""
        shadow = self.shadows.get(self.answers[0]) if len(self.answers) == 1 else None
        if len(self.groups[-1]) < 2 or not isinstance(shadow, Terms):
            return False
        starts = {call: int(start) for call, start in zip(self.ranges.calls, self.ranges.starts, strict=True)}
        chunks = []
        for entry in self.groups[-1]:
            shape = self.recorder.calls[entry.returns].output.shape
            chunks.append(starts[entry.returns] + np.arange(int(np.prod(shape))).reshape(tuple(shape)))
        found, whole = arrival(shadow), np.concatenate(chunks, axis=-1)
        same = len(found.numbers) == 1 and found.numbers[0].size == whole.size
        return same and np.array_equal(found.numbers[0].reshape(-1), whole.reshape(-1)) and found.moves_only

    def _argument_of(self, group: Sequence[Entry]) -> int | None:
        """Return which argument of the module a layer receives as it is, images flattened or not; None for none."""
        chunks = []
        for entry in group:
            value = self.recorder.calls[entry.receives].arrived[0]
            shadow = None if value is None else self.shadows[value]
            if shadow is None or isinstance(shadow, Opaque):
                return None
            found = arrival(shadow)
            if len(found.numbers) != 1 or not (found.factors == 1).all():
                return None
            chunks.append(found.numbers[0])
        numbers = np.concatenate(chunks, axis=-1)
        first = 1
        for argument, tensors in enumerate(each for event, each in self.recorder.roots.items() if event.call is None):
            shape = tensors[0].shape
            fits = numbers.ndim >= 3 and numbers.shape[0] == shape[0] and numbers.shape[-1] == shape[-1]
            if fits and np.array_equal(numbers.reshape(-1), np.arange(first, first + tensors[0].numel())):
                return argument
            first += tensors[0].numel()
        return None

"""What a module is: host front end, network of blocks, host tail, found by running it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import InputError, UnsupportedError
from . import guard, probes
from .entries import Layer, Port, over_time
from .graph import Found, layers_of
from .host import Host, Operation, operations
from .playback import Cue, OtherCallsError, Player, Watcher, until_enough
from .provenance import INPUT, WRITE, Recorder, Value, snapshot, tensors_in
from .shadow import ancestors


@dataclass(frozen=True, kw_only=True, eq=False)
class Capture:
    """A module's network, and what runs around it on the host.

    Parameters
    ----------
    module : Module
        The user's module.
    layers : tuple of Layer
        Blocks, and pairs of synapses and neurons, in the order in which they run, with what each receives.
    host : Host
        What stands in front of the network and behind it.
    notes : tuple of str
        What is worth knowing and no fault: random numbers, blocks that nothing uses.
    ports : tuple of Port
        The network's inputs.
    answers : tuple of int
        The layers that the module's answer is made of directly, in its order.
    cues : tuple of Cue
        Every call of a leaf in a forward pass.
    types : tuple of dtype
        The types in which the module takes its arguments.
    """

    module: nn.Module
    layers: tuple[Layer, ...]
    host: Host
    notes: tuple[str, ...]
    ports: tuple[Port, ...]
    answers: tuple[int, ...]
    cues: tuple[Cue, ...]
    types: tuple[npt.DTypeLike, ...]

    @property
    def takes_input(self) -> bool:
        """Whether the network's inputs are the module's arguments as they are, images flattened or not."""
        return all(port.argument is not None for port in self.ports)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of what arrives at the first layer, without samples and steps."""
        return tuple(self.layers[0].received.shape[1:-1])

    def watch(self, x: guard.Given) -> Watched:
        """Run the module and return what its layers received and put out, and what it returned.

        Parameters
        ----------
        x : ndarray, shape (samples, ...), or tuple of them
            The module's input, or its inputs.

        Raises
        ------
        UnsupportedError
            It calls other blocks than for the sample with which it was captured.
        InputError
            It does not take the input.
        """
        watcher = Watcher(self.cues)
        with guard.undisturbed(self.module):
            answer = snapshot(self._run(x, watcher))
            self._expect_all(len(watcher.outputs), x)
        received = [_joined([watcher.received[i] for i in layer.receives]) for layer in self.layers]
        outputs = [_joined([watcher.outputs[i] for i in layer.calls]) for layer in self.layers]
        return Watched(received, outputs, answer)

    def replay(self, x: guard.Given, outputs: Sequence[torch.Tensor | None]) -> Any:
        """Return what the module returns if its layers put out `outputs`, a tensor over all steps or None to run it."""
        player = self._player(outputs)
        with guard.undisturbed(self.module):
            answer = snapshot(self._run(x, player))
            self._expect_all(len(player.received), x)
            return answer

    def front(self, x: guard.Given) -> tuple[torch.Tensor, ...]:
        """Return what enters the network, for each of its inputs; no block runs for it."""
        given = guard.tensors(self.module, x, self.types)
        made = [port.layer for port in self.ports if port.argument is None]
        received: list[torch.Tensor] = []
        if made:
            silent = [_blank(layer.output, len(given[0])) for layer in self.layers]
            player = self._player(silent, until=max(self.layers[layer].receives[-1] for layer in made))
            with guard.undisturbed(self.module):
                until_enough(lambda: self._run(x, player))
            received = player.received
        return tuple(
            given[port.argument]
            if port.argument is not None
            else _joined([received[i] for i in self.layers[port.layer].receives])
            for port in self.ports
        )

    def _player(self, outputs: Sequence[torch.Tensor | None], until: int | None = None) -> Player:
        played: list[Any] = [None] * len(self.cues)
        for layer, output in zip(self.layers, outputs, strict=True):
            if output is not None:
                for call, part in zip(layer.calls, layer.split(output.to(layer.output.device)), strict=True):
                    played[call] = part
        return Player(self.cues, played, until)

    def _run(self, x: guard.Given, listener: Watcher | Player) -> Any:
        try:
            with guard.eagerly(self.module):
                return guard.run(self.module, guard.tensors(self.module, x, self.types), listener)
        except OtherCallsError:
            self._expect_all(-1, x)

    def _expect_all(self, calls: int, x: guard.Given) -> None:
        if calls != len(self.cues):
            raise UnsupportedError(
                f"{type(self.module).__name__}: for input of shape {_shapes(x)} its forward pass calls other blocks "
                "than for the sample it was captured with. On a chip every layer runs for every input: let forward "
                "always call the same blocks."
            )


class CaptureError(InputError):
    """The module does not take its sample.

    Parameters
    ----------
    error : InputError
        What it says.
    failed : (Module, shape) or None
        The block that raised, and the shape of what it received, if a block did.
    """

    def __init__(self, error: InputError, failed: tuple[Any, tuple[int, ...]] | None) -> None:
        super().__init__(str(error))
        self.failed = failed


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run of a module showed, one entry a layer."""

    received: list[torch.Tensor]
    outputs: list[torch.Tensor]
    answer: Any
    """What the module returned."""


def capture(module: nn.Module, sample: npt.ArrayLike) -> Capture:
    """Find a module's network by running it on a sample, in evaluation mode and without gradients.

    The module is left as it was. That a capture succeeds proves nothing yet; `spikeproof.verify` does.

    Parameters
    ----------
    module : Module
        Any module that calls blocks of SLAYER's or ours.
    sample : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps)
        Input, as the module takes it; a tuple of arrays for a module that takes several. Two samples are used.

    Returns
    -------
    Capture

    Raises
    ------
    UnsupportedError
        What the module does cannot be a network and a host around it; the message names the operation, its line and
        what to do.
    InputError
        The module does not take the sample.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"{module!r:.100} is no torch module. Give the module that was trained.")
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedError(
            f"{type(module).__name__}: inside TorchScript nobody sees which blocks are called. Give the module that "
            "was scripted."
        )
    x = guard.arguments(sample)
    for each in guard.each(x):
        if each.ndim < 2 or not len(each):
            raise InputError(
                f"sample has shape {each.shape}; expected (samples, channels, steps) and at least one sample."
            )
    x = guard.samples_of(x, np.arange(2) % len(guard.each(x)[0]))
    guard.refuse_autocast()
    names = {id(part): name for name, part in module.named_modules()}
    with guard.undisturbed(module), guard.eagerly(module):
        ran = _run_once(module, x, names)
        recorder, answer, answers = ran.recorder, ran.answer, ran.answers
        parts = dict(module.named_modules())
        known = None if None in answers else answers
        found = layers_of(recorder, names, known, type(module).__name__, guard.each(x)[0].shape[-1])
        cues = tuple(Cue(call.part, call.role) for call in recorder.calls)
        captured = Capture(
            module=module,
            layers=found.layers,
            host=_host(recorder, found, answers, answer, parts),
            notes=found.notes,
            ports=found.ports,
            answers=found.answers,
            cues=cues,
            types=ran.types,
        )
        # The input once more: what was given before may have been written into.
        notes = probes.run(captured, guard.tensors(module, x, ran.types), found, recorder)
        if not any(value is not None and value.roots > INPUT for value in answers):
            _refuse_vacuous(captured, x, answer)
    notes = [*found.notes, *_changing(ran.changed), *notes, *guard.notes(module)]
    return replace(captured, notes=tuple(notes))


class _Ran(NamedTuple):
    """A run of a module that was recorded."""

    recorder: Recorder
    types: tuple[npt.DTypeLike, ...]
    """Those in which the module took its arguments."""
    answer: Any
    answers: list[Value | None]
    """Of the tensors in its answer, what they are."""
    changed: list[str]
    """Its parameters and buffers that have other values after it."""


def _run_once(module: nn.Module, x: guard.Given, names: Mapping[int, str]) -> _Ran:
    """Run a module on two samples, in their own types if it takes those; else raise the error that came furthest."""
    refused: list[tuple[int, CaptureError]] = []
    for types in guard.types_of(x):
        recorder = Recorder(names)
        taken = guard.tensors(module, x, types)
        for tensor in taken:
            recorder.enter(tensor)
        try:
            with guard.undisturbed(module) as changed:
                with recorder.functions(), recorder:
                    answer = guard.run(module, taken, recorder)
                answers = [recorder.value(tensor) for tensor in _tensors(answer)]
                return _Ran(recorder, types, snapshot(answer), answers, changed())
        except InputError as error:
            failed = CaptureError(error, recorder.failed)
            failed.__cause__ = error.__cause__
            refused.append((len(recorder.events), failed))
    raise _furthest(refused, x)


def _furthest(refused: Sequence[tuple[int, CaptureError]], x: guard.Given) -> CaptureError:
    """Return the error of the attempt that came furthest; of several, that in float32, with what the first one said."""
    furthest = max(count for count, _ in refused)
    alike = [error for count, error in refused if count == furthest]
    first, last = alike[0], alike[-1]
    if str(first) == str(last) or all(each.dtype.kind == "f" for each in guard.each(x)):
        return last
    types = " and ".join(str(each.dtype) for each in guard.each(x))
    told = CaptureError(InputError(f"{last} In the type that was given, {types}: {first}"), last.failed)
    told.__cause__ = last.__cause__
    return told


def _changing(names: Sequence[str]) -> list[str]:
    """Return what to say of parameters and buffers that a run of a module changes."""
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [
        f"forward changes {', '.join(names[:3])}{more} of the module. Every run here starts with the values that it "
        "was given with, and a second call of module(x) with others."
    ]


def _tensors(answer: Any) -> list[torch.Tensor]:
    try:
        return list(tensors_in(answer))
    except RecursionError:
        raise UnsupportedError(
            "What the module returns contains itself. Return tensors, tuples or dictionaries."
        ) from None


def _refuse_vacuous(captured: Capture, x: guard.Given, answer: Any) -> None:
    """Refuse a module whose answer shows nothing of its blocks, by no torch operation and by no other way either."""
    others = [1 - layer.output if layer.output.numel() else layer.output for layer in captured.layers]
    again = captured.replay(x, others)
    if not _changed(answer, again):
        raise UnsupportedError(
            f"{type(captured.module).__name__}: what it returns does not depend on its blocks. Return what they put "
            "out."
        )


def _changed(a: Any, b: Any) -> bool:
    """Whether two answers of a module differ anywhere."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape != b.shape or not torch.equal(a, b)
    if hasattr(a, "__dataclass_fields__") and type(a) is type(b):
        return any(_changed(getattr(a, name, None), getattr(b, name, None)) for name in a.__dataclass_fields__)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) != len(b) or any(map(_changed, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) != list(b) or any(_changed(a[key], b[key]) for key in a)
    try:
        return not np.array_equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object))
    except (RuntimeError, TypeError, ValueError):  # tensors in an array of objects, say: nobody can tell
        return True


def _host(
    recorder: Recorder,
    found: Found,
    answers: Sequence[Value | None],
    answer: Any,
    parts: Mapping[str, nn.Module],
) -> Host:
    """Return what runs on the host: the events behind the network's input, and those behind its outputs."""
    before: list[Operation] = []
    takes_input = all(port.argument is not None for port in found.ports)
    if not takes_input:
        before += operations((event for event in recorder.events if event.serial in found.front), parts)
    if not takes_input and not before:  # values left torch, and came back
        places = [Operation(read.name.strip("_"), read.place) for read in recorder.reads if read.roots == INPUT]
        before = places or [Operation("values that no torch operation makes of the input", found.layers[0].place)]
    if found.joins_steps:
        return Host(tuple(before), ())
    return Host(tuple(before), tuple(_behind(recorder, found, answers, answer, parts)))


def _behind(
    recorder: Recorder,
    found: Found,
    answers: Sequence[Value | None],
    answer: Any,
    parts: Mapping[str, nn.Module],
) -> list[Operation]:
    """Return what makes the module's answer: of what the network puts out, and of the input beside it."""
    made = {event.serial for event in ancestors([value for value in answers if value is not None])}
    of_spikes = (event for event in recorder.events if event.roots > INPUT and event.name != WRITE)
    made |= {event.serial for event in of_spikes} - found.inner
    made -= found.front | recorder.within
    of_layers = {call for layer in found.layers for call in (*layer.calls, *layer.receives)}
    after: dict[Operation, None] = {}
    for event in recorder.events:
        if event.call is not None and event.call not in of_layers:
            call = recorder.calls[event.call]
            after[Operation(f"{type(call.part).__name__} {call.role}s", call.place._replace(module=""))] = None
        elif event.serial in made:
            after.update(dict.fromkeys(operations([event], parts)))
    reads = [read for read in recorder.reads if read.roots > INPUT and read.name not in ("item", "__bool__")]
    after.update((Operation(read.name.strip("_"), read.place), None) for read in reads)
    if None in answers or _holds_more(answer):
        after[Operation("code outside torch, which is not followed", None)] = None
    return list(after)


def _holds_more(answer: Any) -> bool:
    """Whether an answer holds arrays or texts, which torch does not see being made."""
    if isinstance(answer, np.ndarray | str | bytes):
        return True
    if isinstance(answer, tuple | list):
        return any(map(_holds_more, answer))
    if hasattr(answer, "__dataclass_fields__"):
        return any(_holds_more(getattr(answer, name)) for name in answer.__dataclass_fields__)
    return isinstance(answer, Mapping) and any(map(_holds_more, answer.values()))


def _joined(chunks: list[Any]) -> torch.Tensor:
    """Return the parts of a run, one or one a step, as one tensor over all steps."""
    return over_time([next(tensors_in(chunk)) for chunk in chunks])


def _shapes(x: guard.Given) -> str:
    return " and ".join(str(each.shape) for each in guard.each(x))


def _blank(output: torch.Tensor, samples: int) -> torch.Tensor:
    return output.new_zeros((samples, *output.shape[1:]))

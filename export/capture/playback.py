"""A module's forward pass with its blocks watched, or with other outputs played back in place of theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from .leaves import Role
from .provenance import swapped, tensors_in, version


class Cue(NamedTuple):
    """A call of a leaf that is expected."""

    part: nn.Module
    role: Role


class OtherCallsError(BaseException):
    """A forward pass calls other blocks than it did when it was captured.

    No user's ``except Exception`` may swallow it.
    """


class _EnoughError(BaseException):
    """All that was asked for has been seen."""


class Watcher:
    """Lets the leaves run, and keeps what they receive and return.

    Parameters
    ----------
    cues : sequence of Cue
        The calls that are expected.
    """

    def __init__(self, cues: Sequence[Cue]) -> None:
        self.cues = cues
        self.received: list[torch.Tensor] = []
        self.outputs: list[Any] = []
        self._last: tuple[torch.Tensor, int, torch.Tensor] | None = None

    def call(self, part: nn.Module, role: Role, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Run a leaf and keep what it did."""
        expect(self.cues, len(self.received), part)
        arrived = next(tensors_in(args))
        last = self._last  # what the leaf before returned arrives most of the time, and is copied once
        unchanged = last is not None and arrived is last[0] and version(arrived) == last[1]
        self.received.append(last[2] if last is not None and unchanged else arrived.detach().clone())
        result = run(*args)
        self.outputs.append(swapped(result, lambda tensor: tensor.detach().clone(), torch.Tensor))
        if isinstance(result, torch.Tensor):
            self._last = (result, version(result), self.outputs[-1])
        return result


class Player:
    """Plays outputs back in place of blocks and neurons; synapses by themselves run.

    Parameters
    ----------
    cues : sequence of Cue
        The calls that are expected.
    outputs : sequence
        For every call, what it returns; None for one that runs.
    until : int, optional
        After this call the run ends.
    """

    def __init__(self, cues: Sequence[Cue], outputs: Sequence[Any], until: int | None = None) -> None:
        self.cues, self.outputs, self.until = cues, outputs, until
        self.received: list[torch.Tensor] = []

    def call(self, part: nn.Module, role: Role, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Return what is to be played."""
        index = len(self.received)
        expect(self.cues, index, part)
        self.received.append(next(tensors_in(args)).detach().clone())
        if index == self.until:
            raise _EnoughError
        output = self.outputs[index]
        return run(*args) if output is None else swapped(output, torch.Tensor.clone, torch.Tensor)


def expect(cues: Sequence[Cue], index: int, part: nn.Module) -> None:
    """Raise an OtherCallsError if the `index`-th call is not that of `part`."""
    if index >= len(cues) or cues[index].part is not part:
        raise OtherCallsError


def until_enough(run: Callable[[], Any]) -> Any:
    """Run a forward pass that a `Player` may end early; then None is returned."""
    try:
        return run()
    except _EnoughError:
        return None

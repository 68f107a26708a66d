"""Runs that show what else the answer of a module depends on: the samples beside a sample, and random numbers.

Spikes are played back in place of the blocks', so that all differences come from what the host does.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from ...contract.errors import InputError
from . import guard
from .playback import OtherCallsError, Player
from .provenance import tensors_in

if TYPE_CHECKING:
    from .capture import Capture

RANDOM = (
    "what the module returns is another in other runs: forward draws random numbers behind the network, or keeps "
    "state. Every run here starts with the same seed."
)
TOGETHER = (
    "what the module returns for a sample depends on the samples beside it. What is compared is module(x) of the "
    "samples that ran together, and not of all of x."
)
_ROUNDING = 1e-3
"""Sums over another number of samples round otherwise."""


def notes(captured: Capture, x: tuple[torch.Tensor, ...], played: list[Any]) -> list[str]:
    """Return what is worth knowing of how the host makes an answer of spikes.

    Parameters
    ----------
    captured : Capture
        What is looked at.
    x : tuple of Tensor, shape (2, ...)
        The arguments of two samples.
    played : list
        What every call returns for the two; None for one that runs.
    """
    both = _answer(captured, x, played, seed=0)
    again = _answer(captured, x, played, seed=1)
    if both is None or again is None:
        return []
    if not all(map(_close, both, again)):
        return [RANDOM]  # which would make one sample look different too
    for sample in range(2):
        one = slice(sample, sample + 1)
        alone = _answer(captured, guard.samples_of(x, one), [each if each is None else each[one] for each in played], 0)
        if alone is not None and not all(_close_alone(a, b, sample) for a, b in zip(both, alone, strict=False)):
            return [TOGETHER]
    return []


def _answer(captured: Capture, x: tuple[torch.Tensor, ...], played: list[Any], seed: int) -> list[torch.Tensor] | None:
    """Return the tensors that a module returns, None where it does not take this input."""
    player = Player(captured.cues, played)
    try:
        with guard.undisturbed(captured.module), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of one sample a deviation is no number, which no user asked for
            answer = guard.run(captured.module, tuple(each.clone() for each in x), player, seed=seed)
    except (InputError, OtherCallsError):  # a tail that takes no single sample, say; a proof of one would tell
        return None
    return [_dense(tensor.detach().cpu()) for tensor in tensors_in(answer)]


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    """Return numbers that can be compared; nothing of a tensor that is quantized or nested."""
    try:
        return tensor.to_dense().to(torch.complex128 if tensor.is_complex() else torch.float64)
    except (RuntimeError, TypeError, NotImplementedError):
        return torch.empty(0)


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape:
        return False
    largest = float(a.abs().nan_to_num().max()) if a.numel() else 0.0
    return torch.allclose(a, b, rtol=_ROUNDING, atol=_ROUNDING * largest * 1e-2, equal_nan=True)


def _close_alone(both: torch.Tensor, alone: torch.Tensor, sample: int) -> bool:
    """Whether the answer for one sample is its part of that for two, along the axis that is half as long."""
    halved = [i for i, sizes in enumerate(zip(both.shape, alone.shape, strict=False)) if sizes[0] != sizes[1]]
    if both.ndim != alone.ndim or len(halved) > 1 or any(both.shape[i] != 2 * alone.shape[i] for i in halved):
        return True  # an answer of another form, which has no rows of samples
    size = alone.shape[halved[0]] if halved else 0
    return _close(both.narrow(halved[0], sample * size, size) if halved else both, alone)

"""Tensors as the arrays that compiled loops take, and samples dealt out to threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch

from ...kernels.cpu.threads import share

Array = npt.NDArray[Any]

_PARTS = 16
"""Samples are dealt out in this many parts at most: a fixed number, so that results do not depend on the threads."""


def rows(x: torch.Tensor) -> Array:
    """Return a tensor (N, ..., T) as an array (N, rows, T), copied if it is not contiguous."""
    found: Array = x.detach().contiguous().view(len(x), -1, x.shape[-1]).numpy()
    return found


def over_samples(samples: int, run: Callable[[slice], None]) -> None:
    """Call `run` with slices of samples, on several threads."""
    parts = min(_PARTS, samples)
    share(lambda i: run(slice(samples * i // parts, samples * (i + 1) // parts)), parts)


def is_float32(*tensors: torch.Tensor) -> bool:
    """Say whether all tensors are plain float32 tensors of a CPU, with values to read."""
    kinds = (torch.Tensor, torch.nn.Parameter)
    return all(type(x) in kinds and x.dtype == torch.float32 and x.device.type == "cpu" for x in tensors)


class Kept:
    """An input that a backward pass needs again, which nobody may change before that."""

    def __init__(self, x: torch.Tensor) -> None:
        self._x, self._version = x.detach(), x._version

    def get(self) -> torch.Tensor:
        """Return it.

        Raises
        ------
        RuntimeError
            It was changed in place, as torch says it of what it keeps itself.
        """
        if self._x._version != self._version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: the "
                "input of a SLAYER block, between its forward and its backward pass"
            )
        return self._x

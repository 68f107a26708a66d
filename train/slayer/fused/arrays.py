"""Tensors as the arrays that compiled loops take, and samples dealt out to threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from ...kernels.threads import share

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


def empty(shape: torch.Size) -> torch.Tensor:
    """Return a float32 tensor in NumPy's memory, which is in large pages: torch's costs a fault for each 4 kB."""
    return torch.from_numpy(np.empty(tuple(shape), np.float32))


_local = threading.local()


def scratch(name: str, dtype: Any, size: int) -> Array:
    """Return room that a thread uses again and again, for the time of one call; what it holds is left from before."""
    rooms = _local.__dict__.setdefault("rooms", {})
    if name not in rooms or len(rooms[name]) < size:
        rooms[name] = np.empty(size, dtype)
    found: Array = rooms[name][:size]
    return found


class Lent:
    """A large float32 array that is used again when this object is gone: a new one costs its pages each time."""

    _free: ClassVar[dict[int, list[Array]]] = {}
    _most = 4
    """Arrays of a size that are kept."""

    def __init__(self, *shape: int) -> None:
        size = math.prod(shape)
        kept = self._free.setdefault(size, [])
        try:
            flat = kept.pop()
        except IndexError:
            flat = np.empty(size, np.float32)
        self.array: Array = flat.reshape(shape)
        """Of any values; not to be used when this object is gone."""

    def __del__(self) -> None:
        kept = self._free.get(self.array.size, [])
        if len(kept) < self._most:
            kept.append(self.array.reshape(-1))

"""In which order torch's product adds up, so that sums over events can round as it does.

A product whose inputs are not whole numbers, such as spikes behind a dropout, rounds each addition, and its order
decides how. Torch's library adds up the inputs of an output one after another, each with one rounding, in blocks whose
length depends on the sizes; and then the blocks. The length is found by trying, once for each size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from .arrays import Array
from .events import Events
from .loops import products as loops

_BLOCKS = 256, 384, 192, 128, 512, 320
"""Lengths that libraries have, beside the whole row and half of it."""
_EXPONENT = 30
"""Sizes from 2**-30 to 2**30 have products whose sums neither underflow nor overflow."""


def product(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return stock's product of weights (O, ...) and an input (N, ..., T), (N, O, 1, 1, T)."""
    return functional.conv3d(x.reshape(len(x), -1, 1, 1, x.shape[-1]), weight.reshape(len(weight), -1, 1, 1, 1))


def block(weight: torch.Tensor, shape: torch.Size, seen: Events) -> int:
    """Return in blocks of how many senders `product` adds up; 0 if that is unknown, or a number is too small or large.

    Parameters
    ----------
    weight : Tensor, shape (O, ...)
        Weights.
    shape : Size
        That of the input.
    seen : Events
        What arrives.
    """
    if not (_is_common(weight.detach().numpy()) and _is_common(seen.values)):
        return 0
    return _block(shape[0], len(weight), weight[0].numel(), shape[-1], torch.get_num_threads())


def _is_common(values: Array) -> bool:
    """Say whether all sizes are 0 or such that sums of products round the same whatever they are scaled by."""
    sizes = np.abs(values)
    smallest = np.min(sizes, initial=np.inf, where=sizes > 0)
    return bool(smallest >= 2.0**-_EXPONENT and np.max(sizes, initial=0) <= 2.0**_EXPONENT)  # nan is neither


@lru_cache(maxsize=256)
@torch.no_grad()
def _block(samples: int, neurons: int, senders: int, steps: int, threads: int) -> int:
    """Return `block` for sizes and a number of torch's threads, which it has."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(samples, senders, steps, generator=generator)
    weight = torch.randn(neurons, senders, generator=generator)
    found = product(weight, x).reshape(samples, neurons, steps)
    rows = np.ascontiguousarray(weight.numpy().T)
    for length in dict.fromkeys([*(one for one in _BLOCKS if one < senders), senders, -(-senders // 2)]):
        if all(_adds_up(rows, x[n].numpy(), found[n].numpy(), length) for n in {0, samples - 1}):
            return length
    return 0


def _adds_up(rows: Array, x: Array, sums: Array, length: int) -> bool:
    """Say whether a sample's sums, (O, T), are what blocks of a length give; `rows` are weights, (senders, O)."""
    senders, steps = x.shape
    for few in (slice(0, 4), slice(0, steps)):  # most lengths are wrong from the first steps on
        values = np.ascontiguousarray(x[:, few].T).ravel()
        count = len(values) // senders
        starts, each = np.arange(count + 1) * senders, np.tile(np.arange(senders, dtype=np.int32), count)
        z = np.empty((count, rows.shape[1]), np.float32)
        loops.forward_in_order(starts, each, values, (rows, np.float32(1)), length, np.empty_like(z[0]), z)
        if not np.array_equal(z, sums[:, few].T):
            return False
    return True

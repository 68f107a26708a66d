"""Matrix products of whole numbers that fit into eight bits: processors add up 64 of them in one instruction.

Spikes and exported weights are such numbers. Sums of 32 bits are exact in any order, as `torch.mm` of the same numbers
is where float32 holds its sums, so both give the same currents.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ....contract.compiled import memory
from ....contract.compiled.compiling import compiled, wide

_LEAST = 2**9
"""Weights of a layer below which converting its inputs takes longer than the product saves."""
_MOST_INPUTS = 2**16
"""Products of two bytes that 32 bits can add up."""


@compiled
def _convert(x, out):  # type: ignore[no-untyped-def]
    """Write the numbers of `x` into bytes and return a bound of their sizes, less than twice the largest.

    It is -1 if a number does not fit.
    """
    wide()
    misfits = sizes = np.int32(0)
    for i in range(len(x)):
        number = np.int32(x[i])
        out[i] = np.int8(number)
        sizes = np.int32(sizes | abs(number))
        misfits = np.int32(misfits | np.int32(x.dtype.type(out[i]) != x[i]))
    return -1 if misfits else sizes


def _converted(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return numbers as bytes, this thread's until the next call, and what `_convert` says of them."""
    out = memory.scratch("bytes", tuple(x.shape), np.int8)
    bound = _convert(x.numpy().reshape(-1), out.reshape(-1))
    return torch.from_numpy(out), int(bound)


class Bytes(NamedTuple):
    """Weights as bytes."""

    weight: torch.Tensor
    """Int8, shape (C, I)."""
    quantum: float
    """What one stands for, a power of two."""

    def product(self, x: torch.Tensor) -> npt.NDArray[np.int32] | None:
        """Return ``x @ weight.T`` in quanta, or None where a number of `x`, of shape (R, I), is not a byte.

        The sums are this thread's, until its next product.
        """
        x_in, bound = _converted(x)
        if bound < 0:
            return None
        out = memory.scratch("sums", (len(x), len(self.weight)), np.int32)
        torch._int_mm(x_in, self.weight.T, out=torch.from_numpy(out))
        return out

    def product_with(self, raster: torch.Tensor, out: torch.Tensor) -> int:
        """Write ``weight @ raster`` in quanta to `out`, int32.

        Returns a bound of the sizes in `raster`, of shape (I, T), less than twice the largest; or -1, with nothing
        written, where a number is not a byte.
        """
        x_in, bound = _converted(raster)
        if bound >= 0:
            torch._int_mm(self.weight, x_in, out=out)
        return bound


def as_bytes(weight: torch.Tensor) -> Bytes | None:
    """Return weights (C, I) as bytes, or None where they are none, or where that is not faster."""
    if weight.numel() < _LEAST or weight.shape[1] > _MOST_INPUTS or not _is_fast():
        return None
    numbers = weight.to(torch.float64).numpy()
    largest = float(np.abs(numbers).max())
    if not 0 < largest < np.inf:
        return None
    exponent = int(np.frexp(largest)[1])
    for quantum in (2.0 ** (exponent - 8), 2.0 ** (exponent - 7)):  # the former where the largest is -128
        whole = numbers / quantum
        if whole.min() >= -128 and whole.max() <= 127 and np.array_equal(whole, np.rint(whole)):
            return Bytes(torch.from_numpy(whole.astype(np.int8)), quantum)
    return None


@functools.cache
def _is_fast() -> bool:
    """Return whether this processor multiplies bytes faster than floats, and torch's product of them is exact.

    Older instructions add up pairs of products in 16 bits, which the largest numbers overflow.
    """
    has_instruction = getattr(torch.cpu, "_is_vnni_supported", lambda: False)()
    if not (has_instruction and hasattr(torch, "_int_mm")):
        return False
    ends = torch.tensor([-128, 127, 1, 0], dtype=torch.int8)
    x = torch.cartesian_prod(ends, ends).repeat(1, 32)
    return torch.equal(torch._int_mm(x, x.mT), x.long() @ x.mT.long())

"""Registers of a neuron as scalars: whole numbers in float64 or in int64, whichever a loop holds them in.

In float64 the arithmetic is exact as long as every product stays below 2**53. That of a 24-bit state and a 13-bit
factor, or an 8-bit encoding, is below 2**37; factors are whole numbers over powers of two; and ``trunc`` rounds toward
zero as the contract does. Unlike products of 64-bit integers, it has SIMD instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ..fixed import DECAY_ONE, DECAY_SHIFT, STATE_BITS, STATE_MAX
from .compiling import inlined

_HALF = 2 ** (STATE_BITS - 1)
_REAL_HALF = float(_HALF)


@inlined
def clip(x: float) -> float:
    """Clip to the signed 24-bit register, as `contract.fixed.sat24`."""
    # Not min() and max(): these forms become one instruction each.
    x = x if x < STATE_MAX else STATE_MAX
    return x if x > -STATE_MAX else -STATE_MAX


def decay(x: float, kept: float) -> float:
    """Return what a step leaves of a state, rounded toward zero, as `contract.fixed.decay`.

    Parameters
    ----------
    x : float or int
        State.
    kept : float or int
        The part that a step keeps: as a fraction beside a float, in 1/4096 beside an int.
    """
    raise NotImplementedError("numba compiles this; it has no other form")


def wrap(x: float) -> float:
    """Wrap a current as Lava's LIF does: in an addition of 32 bits, then once into 24, `contract.fixed.wrap24`.

    A float must fit into 32 bits.
    """
    raise NotImplementedError("numba compiles this; it has no other form")


@overload(decay, inline="always")
def _decay(x: Any, kept: Any) -> Callable[..., Any]:
    def real(x: Any, kept: Any) -> Any:
        return np.trunc(x * kept)

    def whole(x: Any, kept: Any) -> Any:
        # The shift rounds down; adding 4095 to a negative product makes it round toward zero.
        return ((x * kept) + (((x * kept) >> 63) & (DECAY_ONE - 1))) >> DECAY_SHIFT

    return whole if isinstance(x, types.Integer) else real


@overload(wrap, inline="always")
def _wrap(x: Any) -> Callable[..., Any]:
    def real(x: Any) -> Any:
        return x - (2 * _REAL_HALF if x > _REAL_HALF else 0.0) + (2 * _REAL_HALF if x <= -_REAL_HALF else 0.0)

    def whole(x: Any) -> Any:
        low = np.int64(np.int32(x))
        return low - (2 * _HALF if low > _HALF else 0) + (2 * _HALF if low <= -_HALF else 0)

    return whole if isinstance(x, types.Integer) else real


@inlined
def write(register, row):  # type: ignore[no-untyped-def]
    """Write a register of all neurons into a row of integers."""
    for c in range(len(register)):
        row[c] = np.int32(register[c])

"""Registers of a neuron as scalars: whole numbers in float64, float32 or int64, whichever a loop holds them in.

In float64 the arithmetic is exact as long as every product stays below 2**53. That of a 24-bit state and a 13-bit
factor, or an 8-bit encoding, is below 2**37; factors are whole numbers over powers of two; and ``trunc`` rounds toward
zero as the contract does. Unlike products of 64-bit integers, it has SIMD instructions.

In float32 they have twice as many lanes. Whole numbers up to 2**24 are exact there, and so is their sum where it is
no larger; a larger one is rounded, stays beyond 2**24, and is clipped. Only a product needs care: `times`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from ..fixed import DECAY_ONE, DECAY_SHIFT, STATE_BITS, STATE_MAX
from .compiling import inlined

_HALF = 2 ** (STATE_BITS - 1)
_REAL_HALF = float(_HALF)
_COMPILED = "numba compiles this; it has no other form"


@inlined
def clip(x: float) -> float:
    """Clip to the signed 24-bit register, as `contract.fixed.sat24`."""
    # Not min() and max(): these forms become one instruction each.
    top = alike(STATE_MAX, x)
    x = x if x < top else top
    return x if x > -top else -top


def alike(value: float, x: float) -> float:
    """Return a constant in a type that keeps `x`, beside it, in its own: float32 beside float32, else as it is."""
    raise NotImplementedError(_COMPILED)


def times(x: float, factor: float) -> float:
    """Return the product of a state and a real factor, rounded toward zero.

    It is exact in float64. In float32 it is where its magnitude is at most 2**24, and stays beyond 2**24 elsewhere.

    Parameters
    ----------
    x : float
        Whole number of at most 24 bits and a sign.
    factor : float
        Whole number of at most 13 bits over a power of two.
    """
    raise NotImplementedError(_COMPILED)


def decay(x: float, kept: float) -> float:
    """Return what a step leaves of a state, rounded toward zero, as `contract.fixed.decay`.

    Parameters
    ----------
    x : float or int
        State.
    kept : float or int
        The part that a step keeps: as a fraction beside a float, in 1/4096 beside an int.
    """
    raise NotImplementedError(_COMPILED)


def wrap(x: float) -> float:
    """Wrap a current as Lava's LIF does: in an addition of 32 bits, then once into 24, `contract.fixed.wrap24`.

    A float must fit into 32 bits.
    """
    raise NotImplementedError(_COMPILED)


@overload(alike, inline="always")
def _alike(value: Any, x: Any) -> Callable[..., Any]:
    def single(value: Any, x: Any) -> Any:
        return np.float32(value)

    def same(value: Any, x: Any) -> Any:
        return value

    return single if x == types.float32 else same


def _fused(context: Any, x: Any, factor: Any, summand: Any) -> tuple[Any, Callable[..., Any]]:
    """Return ``x * factor + summand``, rounded once."""
    return x(x, factor, summand), lambda context, builder, signature, values: builder.fma(*values)


multiply_add: Any = intrinsic(_fused)
"""``multiply_add(x, factor, summand)`` in a compiled loop: ``x * factor + summand``, rounded once."""


@overload(times, inline="always")
def _times(x: Any, factor: Any) -> Callable[..., Any]:
    def double(x: Any, factor: Any) -> Any:
        return np.trunc(x * factor)

    def single(x: Any, factor: Any) -> Any:
        # Where rounding took the product up to the next whole number, the rest has the other sign.
        product = x * factor
        whole = np.trunc(product)
        rest = multiply_add(x, factor, -whole)
        too_far = rest * product < np.float32(0)
        return whole - np.copysign(np.float32(too_far), product)

    return single if x == types.float32 else double


@overload(decay, inline="always")
def _decay(x: Any, kept: Any) -> Callable[..., Any]:
    def real(x: Any, kept: Any) -> Any:
        return times(x, kept)

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

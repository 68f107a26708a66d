"""Intervals of integers: what a register can hold, whatever the input.

Every operation here is sound: if values lie within the operands, the result of the integer operation of
`spikeproof.contract.fixed` lies within the result. Bounds of both ends are exact where an operation is monotone, as
shifts, decays and sums are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import fixed
from .fixed import STATE_MAX, IntArray


class Interval(NamedTuple):
    """All integers from `low` to `high`, both ends included, for each entry of arrays of one shape."""

    low: IntArray
    high: IntArray

    def plus(self, other: Interval | npt.ArrayLike) -> Interval:
        """Return the sums of any value of each, or of a known value."""
        other = other if isinstance(other, Interval) else exactly(other)
        return Interval(self.low + other.low, self.high + other.high)

    def minus(self, other: Interval | npt.ArrayLike) -> Interval:
        """Return the differences of any value of each, or of a known value."""
        other = other if isinstance(other, Interval) else exactly(other)
        return Interval(self.low - other.high, self.high - other.low)

    def times(self, other: Interval | npt.ArrayLike) -> Interval:
        """Return the products of any value of each, or of a known value."""
        other = other if isinstance(other, Interval) else exactly(other)
        corners = [a * b for a in self for b in other]
        return Interval(np.minimum.reduce(corners), np.maximum.reduce(corners))

    def shifted(self, k: int) -> Interval:
        """Return them shifted left by `k`, or right by ``-k`` toward zero."""
        return Interval(fixed.shift(self.low, k), fixed.shift(self.high, k))

    def decayed(self, lost: npt.ArrayLike) -> Interval:
        """Return them after a decay."""
        return Interval(fixed.decay(self.low, lost), fixed.decay(self.high, lost))

    def clipped(self) -> Interval:
        """Return them after saturation at 24 bits."""
        return Interval(fixed.sat24(self.low), fixed.sat24(self.high))

    def hull(self, other: Interval | npt.ArrayLike) -> Interval:
        """Return the smallest interval that holds both."""
        other = other if isinstance(other, Interval) else exactly(other)
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def where(self, condition: Any, other: Interval | npt.ArrayLike) -> Interval:
        """Return this interval where a condition holds, and another elsewhere."""
        other = other if isinstance(other, Interval) else exactly(other)
        return Interval(np.where(condition, self.low, other.low), np.where(condition, self.high, other.high))

    def within(self, low: int, high: int) -> Any:
        """Return where all values lie from `low` to `high`."""
        return (self.low >= low) & (self.high <= high)


def exactly(values: npt.ArrayLike) -> Interval:
    """Return intervals that hold one known value each."""
    array = np.asarray(values, dtype=np.int64)
    return Interval(array, array)


def same(a: Any, b: Any) -> bool:
    """Return whether two arrays, or nested tuples of them, are one or hold the same numbers."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return a is b or all(same(one, other) for one, other in zip(a, b, strict=True))
    return a is b or bool(np.array_equal(a, b))


def fires(above: Interval) -> Interval:
    """Return whether neurons fire, 0 or 1, by how far the membrane is above the threshold; more than 0 fires."""
    return Interval((above.low > 0).astype(np.int64), (above.high > 0).astype(np.int64))


def kept_after_firing(v: Interval, threshold: Interval, fired: Interval, reset: npt.ArrayLike = 0) -> Interval:
    """Return what neurons hold that are set to `reset` when they fire; one that did not is at most at its threshold."""
    silent = Interval(v.low, np.minimum(v.high, threshold.high))
    left = silent.where(fired.low == 0, reset)
    return left.hull(reset).where(fired.high == 1, left)


WORD = Interval(np.asarray(-(2**31)), np.asarray(2**31 - 1))
"""Anything that a register of 32 bits holds: what a value that left it may have become."""

FULL = STATE_MAX + 1
"""Magnitude that no register of 24 bits exceeds; a wrapped current may reach it."""

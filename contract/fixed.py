"""Integer rules of Loihi 2's registers, as Lava's fixed-point models apply them.

All functions are pure, take integer arrays (or Python integers) of any shape and return int64 arrays.
No product overflows: the widest is a 24-bit state times an 8-bit encoding or a 13-bit decay factor.

=====================  =====================================  ============================
quantity               register                               range
=====================  =====================================  ============================
state (u, v, h)        signed 24 bit, symmetric               ``-STATE_MAX .. STATE_MAX``
decay                  12 bit, 4096 means 1.0                 ``0 .. DECAY_ONE``
weight                 signed 8 bit, step 2                   ``WEIGHT_MIN .. WEIGHT_MAX``, even
weight exponent        shifts a way's sums to the left        ``0 .. WEIGHT_EXP_MAX``
threshold mantissa     unsigned 17 bit, shifted left by 6     ``0 .. THRESHOLD_MANT_MAX``
bias mantissa          signed 13 bit, shifted by an exponent  ``BIAS_MANT_MIN .. BIAS_MANT_MAX``
temporal encoding      signed 8 bit                           ``TE_MIN .. TE_MAX``
=====================  =====================================  ============================
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import RecordError

IntArray = npt.NDArray[np.int64]

STATE_BITS = 24
STATE_MAX = 2 ** (STATE_BITS - 1) - 1
DECAY_SHIFT = 12
DECAY_ONE = 1 << DECAY_SHIFT
WEIGHT_MIN, WEIGHT_MAX, WEIGHT_STEP = -256, 254, 2
WEIGHT_EXP_MAX = 7
"""The largest weight exponent of both generations of Loihi."""
ACCUMULATOR_SHIFT = 6
"""Lava shifts the dendritic sum of unary spikes, and the threshold mantissa, left by this much."""
THRESHOLD_MANT_MAX = 2**17 - 1
BIAS_MANT_MIN, BIAS_MANT_MAX = -(2**12), 2**12 - 1
BIAS_EXP_MAX = 7
TE_MIN, TE_MAX = -128, 127
A_SHIFT_MIN, A_SHIFT_MAX = -23, 18
"""Shifts of a dendritic sum: to the right where payloads are finer than a state's unit."""

FLOAT32_WHOLE = 2**24
"""Whole numbers of up to this magnitude are exact in float32, and so are sums of them that stay there."""
SCALE_MAX = 2**20
"""The largest scale of a layer: so many weight units are 1.0."""


def shl(x: npt.ArrayLike, k: int) -> IntArray:
    """Shift left in 64 bits: ``x << k``."""
    return np.asarray(x, dtype=np.int64) << k


def rtz(x: npt.ArrayLike, k: int) -> IntArray:
    """Shift right and round toward zero: ``sign(x) * (|x| >> k)``.

    Parameters
    ----------
    x : array_like of int
        Values, ``|x| < 2**63``.
    k : int
        Number of bits, at least 0.

    Returns
    -------
    ndarray of int64, shape of `x`

    Examples
    --------
    >>> rtz([-4097, -1, 4097], 12).tolist()
    [-1, 0, 1]
    """
    wide = np.asarray(x, dtype=np.int64)
    return np.asarray(np.sign(wide) * (np.abs(wide) >> k), dtype=np.int64)


def shift(x: npt.ArrayLike, k: int) -> IntArray:
    """Shift left by `k`, or right by ``-k`` toward zero.

    Examples
    --------
    >>> shift([-65, 65], -6).tolist(), shift(-1, 6).tolist()
    ([-1, 1], -64)
    """
    return shl(x, k) if k >= 0 else rtz(x, -k)


def sat24(x: npt.ArrayLike) -> IntArray:
    """Clip to the signed 24-bit register, ``-(2**23 - 1) .. 2**23 - 1``.

    Examples
    --------
    >>> sat24([-2**23, 5, 2**23]).tolist()
    [-8388607, 5, 8388607]
    """
    return np.clip(np.asarray(x, dtype=np.int64), -STATE_MAX, STATE_MAX)


def wrap24(x: npt.ArrayLike) -> IntArray:
    """Wrap once into 24 bits the way Lava's LIF wraps its current.

    Values above ``2**23`` lose ``2**24`` and values at or below ``-2**23`` gain it, so the result lies in
    ``-2**23 + 1 .. 2**23``. At exactly ``+-2**23`` this keeps ``+2**23``, where two's complement would hold
    ``-2**23``: a documented corner of Lava that the contract follows, because Lava is what it is exact with.
    A sum beyond ``3 * 2**23`` is out of range even after the wrap, again as in Lava.

    Examples
    --------
    >>> wrap24([2**23, 2**23 + 1, -2**23, -2**23 + 1]).tolist()
    [8388608, -8388607, 8388608, -8388607]
    """
    wide = np.asarray(x, dtype=np.int64)
    half = 2 ** (STATE_BITS - 1)
    return np.where(wide > half, wide - 2 * half, np.where(wide <= -half, wide + 2 * half, wide))


def wrap(x: npt.ArrayLike, bits: int) -> IntArray:
    """Wrap into a register of `bits` bits, two's complement, as Lava's ports do with a dendritic sum.

    Examples
    --------
    >>> wrap([2**31 - 1, 2**31, -(2**31)], 32).tolist()
    [2147483647, -2147483648, -2147483648]
    """
    half = 1 << (bits - 1)
    return ((np.asarray(x, dtype=np.int64) + half) & (2 * half - 1)) - half


def wrap32(x: npt.ArrayLike) -> IntArray:
    """Wrap into 32 bits, as NumPy does in Lava's models."""
    return wrap(x, 32)


def decay(x: npt.ArrayLike, lost: npt.ArrayLike) -> IntArray:
    """Decay a state by a 12-bit factor, rounding toward zero: ``rtz(x * (4096 - lost), 12)``.

    Parameters
    ----------
    x : array_like of int
        State register, within 24 bits.
    lost : array_like of int
        Fraction lost a step, 0 (keeps all) .. 4096 (clears), broadcast against `x`.

    Returns
    -------
    ndarray of int64

    Examples
    --------
    >>> decay([-4097, 4097], 1).tolist()
    [-4095, 4095]
    """
    kept = DECAY_ONE - np.asarray(lost, dtype=np.int64)
    return rtz(np.asarray(x, dtype=np.int64) * kept, DECAY_SHIFT)


def as_integers(name: str, value: Any, dtype: type[np.integer[Any]], low: int, high: int) -> npt.NDArray[Any]:
    """Return `value` as a read-only integer array after a range check.

    Parameters
    ----------
    name : str
        What the value is called in the error, "layer 'hidden1': v_decay" say.
    value : array_like
        Integers, or floats that hold integers.
    dtype : numpy integer type
        Type of the result; must hold `low` and `high`.
    low, high : int
        Allowed range, both ends included.

    Returns
    -------
    ndarray of `dtype`, not writable

    Raises
    ------
    RecordError
        An entry is not a finite whole number, or lies outside the range; the first one is named.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise RecordError(f"{name}: expected integers, got {array.dtype}.")
    ok = np.isfinite(array) & (array == np.trunc(array)) & (array >= low) & (array <= high)
    if not ok.all():
        index = tuple(int(i) for i in np.argwhere(~ok)[0])
        where = f"[{', '.join(map(str, index))}]" if index else ""
        raise RecordError(f"{name}{where} = {array[index]} is not a whole number in {low}..{high}.")
    result = array.astype(dtype)
    result.setflags(write=False)
    return result


def as_whole(name: str, value: Any, low: int, high: int) -> int:
    """Return `value` as a Python integer after the range check of `as_integers`."""
    array = np.asarray(value)
    if array.shape != ():
        raise RecordError(f"{name}: expected one number, got an array of shape {array.shape}.")
    return int(as_integers(name, array, np.int64, low, high))


def per_neuron(name: str, value: Any, num_neurons: int, low: int, high: int) -> npt.NDArray[Any]:
    """Return one value or one a neuron as a read-only int32 array of shape (num_neurons,), range-checked."""
    array = as_integers(name, value, np.int32, low, high)
    if array.shape not in ((), (1,), (num_neurons,)):
        raise RecordError(f"{name}: shape {array.shape} fits neither one value nor {num_neurons} neurons.")
    return np.broadcast_to(array, (num_neurons,))

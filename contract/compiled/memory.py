"""Arrays for loops: large ones are used again, and all begin where a line of the cache does.

The operating system clears each page of a new array, which can take longer than to fill it. And a vector as long as a
line, in an array that begins in the middle of one, lies in two: a loop that reads what it has just written waits for
both, which makes sums over rows two to three times slower.
"""

from __future__ import annotations

import math
import threading
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SMALLEST = 2**18
"""Bytes; what is smaller costs little."""
_LINE = 64
"""Bytes of a line of the cache, and of the longest vector."""


class _Pool:
    """Arrays that nobody uses any more."""

    most = 2**30
    """Bytes that are kept; where there would be more, those that wait longest go."""

    def __init__(self) -> None:
        self._free: list[Array] = []
        self._lock = threading.RLock()  # an array may be given back in the middle of either function

    def take(self, size: int) -> Array:
        """Return an array of some bytes, of any values."""
        with self._lock:
            fitting = [array for array in self._free if len(array) == size]
            if not fitting:
                return _new(size)
            self._free = [array for array in self._free if array is not fitting[-1]]
            return fitting[-1]

    def give(self, array: Array) -> None:
        """Keep an array for another time."""
        if len(array) > self.most:
            return
        with self._lock:
            kept, total = [], 0
            for one in (array, *reversed(self._free)):
                total += len(one)
                if total > self.most:
                    break
                kept.append(one)
            self._free = kept[::-1]


def _new(size: int) -> Array:
    """Return a new array of some bytes that begins with a line."""
    flat = np.empty(size + _LINE, np.uint8)
    first = -flat.ctypes.data % _LINE
    return flat[first : first + size]


_pool = _Pool()


_mine = threading.local()


class _Owner:
    """What an array and all of its views hold."""

    def __init__(self, flat: Array, shape: tuple[int, ...], dtype: Any) -> None:
        self.__array_interface__ = flat.view(dtype).reshape(shape).__array_interface__


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array of any values, whose memory is used again when neither it nor a view of it is left.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype-like
        Its type, of a fixed size.

    Returns
    -------
    ndarray
        Contiguous; it does not own its memory.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < _SMALLEST:
        small: Array = _new(size).view(dtype).reshape(shape)
        return small
    flat = _pool.take(size)
    owner = _Owner(flat, shape, dtype)
    weakref.finalize(owner, _pool.give, flat).atexit = False
    return np.asarray(owner)


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array of any values that is this thread's until it asks for the next of the same name.

    It costs less than `empty`, for arrays of a block of samples that do not leave a function.

    Parameters
    ----------
    name : str
        What is in it; arrays that are needed at the same time have different names.
    shape : tuple of int
        Its shape.
    dtype : dtype-like
        Its type, of a fixed size.

    Returns
    -------
    ndarray
        Contiguous; the memory is kept as long as the thread lives.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held: Array | None = getattr(_mine, name, None)
    if held is None or len(held) < size:
        held = _new(size)
        setattr(_mine, name, held)
    found: Array = held[:size].view(dtype).reshape(shape)
    return found

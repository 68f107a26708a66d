"""What arrives, as a list of the entries that are not zero, sorted by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ....contract.compiled.compiling import compiled
from .arrays import Array, over_samples, rows

_CHUNK = 32
_SIZE = np.int32(0x7FFFFFFF)
"""The bits of a float32 without its sign: all 0 in 0.0 and -0.0 alone."""


class Events(NamedTuple):
    """The non-zero entries of N samples."""

    starts: Array
    """Where each step's events begin in the sample's lists, and where the last step's end; int64, (N, T + 1)."""
    senders: Array
    """Rows of the input, int32, (N, room)."""
    values: Array
    """What was sent, float32, (N, room)."""
    is_whole: bool
    """All values are whole numbers: sums of them times whole weights are exact in any order."""
    largest: float
    """Largest size of a value."""
    density: float
    """Share of the entries that are not zero."""


def find(x: torch.Tensor, limit: float) -> Events | None:
    """Return the events of an input of shape (N, ..., T), or None if they are more than `limit` or not all finite."""
    entries = rows(x)
    samples, senders, steps = entries.shape
    flat = entries.reshape(samples, -1)
    room = min(flat.shape[1], int(2 * limit * flat.shape[1])) + _CHUNK
    starts = np.empty((samples, steps + 1), np.int64)
    found = Events(
        starts, np.empty((samples, room), np.int32), np.empty((samples, room), np.float32), False, 0.0, 0.0
    )
    largest, whole = np.empty(samples), np.empty(samples, np.bool_)

    def run(part: slice) -> None:
        bits = flat[part].view(np.int32)
        _find(flat[part], bits, steps, starts[part], found.senders[part], found.values[part], largest[part], whole[part])

    over_samples(samples, run)
    count = int(starts[:, -1].sum())
    if (starts[:, -1] < 0).any() or count > limit * entries.size or not np.isfinite(largest).all():
        return None
    return found._replace(is_whole=bool(whole.all()), largest=float(largest.max()), density=count / entries.size)


@compiled
def _find(x, bits, steps, starts, senders, values, largest, whole):  # type: ignore[no-untyped-def]
    """Fill the lists of some samples; one that has no room for its events gets -1 as the end of its last step."""
    places = np.empty(senders.shape[1], np.int64)
    for n in range(len(x)):
        count = _places(bits[n], places)
        starts[n, steps] = count
        largest[n] = 0
        whole[n] = True
        if count >= 0:
            largest[n], whole[n] = _sorted(x[n], places[:count], steps, starts[n], senders[n], values[n])


@compiled
def _places(bits, places):  # type: ignore[no-untyped-def]
    """List where entries are not zero, and return how many; -1 if they do not fit with a chunk to spare."""
    size, room, count = len(bits), len(places) - _CHUNK, 0
    whole = size // _CHUNK * _CHUNK
    for start in range(0, whole, _CHUNK):
        seen = np.int32(0)
        for k in range(start, start + _CHUNK):
            seen |= bits[k]
        if seen & _SIZE:
            for k in range(start, start + _CHUNK):
                places[count] = k
                count += (bits[k] & _SIZE) != 0
            if count > room:
                return -1
    for k in range(whole, size):
        if bits[k] & _SIZE:
            places[count] = k
            count += 1
    return count


@compiled
def _sorted(x, places, steps, starts, senders, values):  # type: ignore[no-untyped-def]
    """Sort events by step, senders in order; return the largest size of a value, and whether all are whole."""
    starts[:] = 0
    for place in places:
        starts[place % steps + 1] += 1
    for t in range(steps):
        starts[t + 1] += starts[t]
    after = starts.copy()
    largest, whole = np.float32(0), True
    for place in places:
        sender = place // steps
        t = place - sender * steps
        value = x[place]
        senders[after[t]] = sender
        values[after[t]] = value
        after[t] += 1
        whole &= value == np.rint(value)
        size = abs(value)
        largest = largest if size <= largest else size  # so that nan stays
    return largest, whole

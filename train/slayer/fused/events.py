"""What arrives, as a list of the entries that are not zero, sorted by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ....contract.compiled import memory
from .arrays import Array, over_samples, rows
from .loops import events as loops


class Events(NamedTuple):
    """The non-zero entries of N samples."""

    starts: Array
    """Where each step's events begin in the lists, and where the last step's end; int64, (N, T + 1)."""
    senders: Array
    """Rows of the input, int32, sample by sample and step by step."""
    values: Array
    """What was sent, float32."""
    is_whole: bool
    """All values are whole numbers: sums of them times whole weights are exact in any order."""
    largest: float
    """Largest size of a value."""
    density: float
    """Share of the entries that are not zero."""


def find(x: torch.Tensor, limit: float) -> Events | None:
    """Return the events of an input of shape (N, ..., T), or None if they are more than `limit` or not all finite."""
    entries = rows(x)
    samples, _, steps = entries.shape
    flat = entries.reshape(samples, -1)
    size = flat.shape[1]
    if size >= 2**31 or loops.share(flat[samples // 2].view(np.int32)) > limit:
        return None
    places = [np.empty(0, np.uint32)] * samples
    room, full = int(2 * limit * size) + 2 * loops.CHUNK, []

    def look(part: slice) -> None:
        found = memory.scratch("places", (room,), np.uint32)
        for n in range(part.start, part.stop):
            even = flat[n, : size // 2 * 2]
            count = loops.find(flat[n].view(np.int32), even.view(np.int64), found)
            if count < 0:
                full.append(n)
            if full:
                return
            places[n] = found[:count].copy()

    over_samples(samples, look)
    ends = np.cumsum([len(each) for each in places])
    if full or ends[-1] > limit * entries.size:
        return None
    return _sorted(flat, places, ends, steps)


def _sorted(flat: Array, places: list[Array], ends: Array, steps: int) -> Events | None:
    samples, total = len(flat), int(ends[-1])
    starts = np.empty((samples, steps + 1), np.int64)
    starts[:, 0] = ends - [len(each) for each in places]
    senders, values = np.empty(total, np.int32), np.empty(total, np.float32)
    largest, whole = np.empty(samples), np.empty(samples, np.bool_)

    def sort(part: slice) -> None:
        for n in range(part.start, part.stop):
            of = slice(starts[n, 0], ends[n])
            largest[n], whole[n] = loops.sort(flat[n], places[n], steps, starts[n], senders[of], values[of])

    over_samples(samples, sort)
    if not np.isfinite(largest).all():
        return None
    return Events(starts, senders, values, bool(whole.all()), float(largest.max()), total / flat.size)


def largest(x: torch.Tensor) -> float:
    """Return the largest size of an entry of an input; infinity if one is not a whole number."""
    flat = rows(x).reshape(len(x), -1)
    found = np.zeros(len(flat))

    def look(part: slice) -> None:
        for n in range(part.start, part.stop):
            found[n] = loops.largest(flat[n]) if not np.isinf(found).any() else 0

    over_samples(len(flat), look)
    return float(found.max())

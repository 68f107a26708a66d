"""Which entries of an input are not zero."""

from __future__ import annotations

import numpy as np

from .....contract.compiled.compiling import compiled

CHUNK = 16
_SIZE = np.int32(0x7FFFFFFF)
"""The bits of a float32 without its sign: all 0 in 0.0 and -0.0 alone."""

_SIZES = np.int64(0x7FFFFFFF7FFFFFFF)


@compiled
def share(bits):  # type: ignore[no-untyped-def]
    """Return the share of entries that are not zero, of every 16th chunk."""
    count = total = 0
    for start in range(0, max(len(bits) - CHUNK, 1), 16 * CHUNK):
        for k in range(start, min(start + CHUNK, len(bits))):
            count += (bits[k] & _SIZE) != 0
            total += 1
    return count / total


@compiled
def find(bits, pairs, places):  # type: ignore[no-untyped-def]
    """List where entries are not zero, and return how many; -1 if they do not fit with a chunk to spare.

    `pairs` are the same bits, two entries at once.
    """
    room, count, half = len(places) - CHUNK, 0, CHUNK // 2
    whole = len(bits) // CHUNK
    for chunk in range(whole):
        seen, first = np.int64(0), chunk * half
        for k in range(half):
            seen |= pairs[first + k]
        if seen & _SIZES:
            for k in range(chunk * CHUNK, (chunk + 1) * CHUNK):
                places[count] = k
                count += (bits[k] & _SIZE) != 0
            if count > room:
                return -1
    for k in range(whole * CHUNK, len(bits)):
        if bits[k] & _SIZE:
            places[count] = k
            count += 1
    return count


@compiled
def sort(x, places, steps, starts, senders, values):  # type: ignore[no-untyped-def]
    """Sort a sample's events by step, senders in order.

    `starts` (T + 1), whose first entry is given, is where each step's events begin in `senders` and `values`. Returns
    the largest size of a value, and whether all are whole.
    """
    length, begin = np.uint32(steps), starts[0]
    starts[1:] = 0
    for place in places:
        starts[place % length + 1] += 1
    for t in range(steps):
        starts[t + 1] += starts[t]
    after = starts.copy()
    largest, whole = np.float32(0), True
    for place in places:
        sender = place // length
        t = place - sender * length
        value = x[place]
        senders[after[t] - begin] = sender
        values[after[t] - begin] = value
        after[t] += 1
        whole &= value == np.rint(value)
        size = abs(value)
        largest = largest if size <= largest else size  # so that nan stays
    return largest, whole


@compiled
def largest(x):  # type: ignore[no-untyped-def]
    """Return the largest size of an entry; infinity if one is not a whole number."""
    found = np.float32(0)
    for start in range(0, len(x), 4 * CHUNK):
        wrong = 0
        for value in x[start : start + 4 * CHUNK]:
            wrong |= not (np.rint(value) == value)
            found = max(found, abs(value))
        if wrong:
            return np.float32(np.inf)
    return found

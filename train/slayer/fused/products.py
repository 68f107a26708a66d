"""Products of a weight matrix with events, and of events with gradients: one addition of a row for each event.

Neurons are dealt with in blocks of `BLOCK`, so that a block's weights stay in the second cache. Their number is filled up
to a multiple of `LANES`: loops without a remainder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ....contract.compiled.compiling import compiled
from ...kernels.threads import share
from .arrays import Array
from .events import Events

LANES, BLOCK = 16, 128
_EXACT = 2.0**24
"""Whole numbers below this are exact in float32."""


def padded(neurons: int) -> int:
    """Return a number of neurons filled up to whole lanes."""
    return -(-neurons // LANES) * LANES


def blocks(neurons: int) -> list[slice]:
    """Return the blocks of a number of neurons, which is filled up."""
    width = padded(neurons)
    return [slice(start, min(start + BLOCK, width)) for start in range(0, width, BLOCK)]


class Weights(NamedTuple):
    """Weights as the loops read them."""

    packed: Array
    """Block after block, in each a row of the block's neurons for each sender; flat float32."""
    senders: int
    largest: float
    """Largest size in units of 1/unit; infinite unless all are whole there."""

    def of(self, block: slice) -> Array:
        """Return a block's weights, (senders, neurons)."""
        part = self.packed[self.senders * block.start : self.senders * block.stop]
        return part.reshape(self.senders, block.stop - block.start)

    def exact_with(self, events: Events) -> bool:
        """Say whether every sum of these weights, each once, times the events' values is exact in float32."""
        return events.is_whole and self.largest * events.largest * self.senders < _EXACT


def pack(weight: torch.Tensor, unit: int, scale: int) -> Weights:
    """Return weights of shape (neurons, ...) times `scale`, for loops; `unit` is a power of two.

    They count as whole if they are multiples of ``1 / unit``.
    """
    matrix = weight.detach().reshape(len(weight), -1).contiguous().numpy()
    neurons, senders = matrix.shape
    found = Weights(np.empty(senders * padded(neurons), np.float32), senders, 0.0)
    parts = blocks(neurons)
    largest = [0.0] * len(parts)

    def run(i: int) -> None:
        rows = matrix[parts[i].start : parts[i].stop]
        largest[i] = _pack(rows, np.float32(unit), np.float32(scale), found.of(parts[i]))

    share(run, len(parts))
    return found._replace(largest=max(largest))


@compiled
def _pack(matrix, unit, scale, packed):  # type: ignore[no-untyped-def]
    neurons, senders = matrix.shape
    largest, wrong = np.float32(0), False
    for first in range(0, senders, LANES):
        last = min(first + LANES, senders)
        for k in range(packed.shape[1]):
            for i in range(first, last):
                packed[i, k] = matrix[k, i] * scale if k < neurons else np.float32(0)
    for k in range(neurons):
        size, bad = _whole(matrix[k], unit)
        wrong |= bad
        largest = max(largest, size)
    return np.inf if wrong else np.float64(largest)


@compiled
def _whole(row, unit):  # type: ignore[no-untyped-def]
    """Return the largest size of a row in 1/unit, and whether an entry is not whole."""
    largest, wrong = np.float32(0), 0
    for w in row:
        level = w * unit
        wrong |= not (np.rint(level) == level)
        largest = max(largest, abs(level))
    return largest, wrong != 0


@compiled
def add(row, factor, other):  # type: ignore[no-untyped-def]
    """Add ``factor * other`` to `row`."""
    for k in range(len(row)):
        row[k] += factor * other[k]


@compiled
def forward(starts, senders, values, weight, z):  # type: ignore[no-untyped-def]
    """Write what the events of a sample add up to in a block's neurons, (T, neurons)."""
    for t in range(len(z)):
        row = z[t]
        row[:] = 0
        for e in range(starts[t], starts[t + 1]):
            add(row, values[e], weight[senders[e]])


@compiled
def _gradient(starts, senders, values, grad, total):  # type: ignore[no-untyped-def]
    """Add to the gradient of a block's weights, (senders, neurons), that of their sums, (N, T, neurons)."""
    for n in range(len(grad)):
        for t in range(grad.shape[1]):
            row = grad[n, t]
            for e in range(starts[n, t], starts[n, t + 1]):
                add(total[senders[n, e]], values[n, e], row)


@compiled
def _unpack(packed, matrix):  # type: ignore[no-untyped-def]
    """Turn a block's gradient, (senders, neurons), into rows of a matrix (neurons, senders)."""
    neurons, senders = matrix.shape
    for first in range(0, senders, LANES):
        last = min(first + LANES, senders)
        for k in range(neurons):
            for i in range(first, last):
                matrix[k, i] = packed[i, k]


def gradient(events: Events, grad: Array, neurons: int, senders: int) -> torch.Tensor:
    """Return the gradient of a weight matrix (neurons, senders), given that of the sums, (N, T, padded neurons)."""
    matrix = np.empty((neurons, senders), np.float32)
    parts = blocks(neurons)

    def run(i: int) -> None:
        part = parts[i]
        total = np.zeros((senders, part.stop - part.start), np.float32)
        _gradient(*events[:3], grad[:, :, part], total)
        _unpack(total, matrix[part.start : part.stop])

    share(run, len(parts))
    return torch.from_numpy(matrix)

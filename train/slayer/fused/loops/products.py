"""Products of weights with events, and of events with gradients: one addition of a row for each event.

Where a loop takes `weights`, they are rows, (senders, neurons), and what one stands for in them, a power of two. Bytes
take a fourth of the memory that floats do, so more of them lie near.
"""

from __future__ import annotations

import numpy as np

from .....contract.compiled.compiling import compiled, wide
from .....contract.compiled.registers import multiply_add
from .....contract.fixed import FLOAT32_WHOLE
from .turning import LANES

_MOST = np.float32(FLOAT32_WHOLE)


@compiled
def pack(matrix, scale, packed):  # type: ignore[no-untyped-def]
    """Write weights (neurons, senders) times `scale` as (senders, neurons), filled up with zeros."""
    neurons, senders = matrix.shape
    for first in range(0, senders, LANES):
        last = min(first + LANES, senders)
        for k in range(packed.shape[1]):
            for i in range(first, last):
                packed[i, k] = packed.dtype.type(matrix[k, i] * scale if k < neurons else np.float32(0))


@compiled
def survey(matrix, unit):  # type: ignore[no-untyped-def]
    """Return the smallest and the largest weight in ``1 / unit``, all of their bits, and whether one does not fit.

    What fits is whole and smaller than 2**24.
    """
    low, high, bits, misfits = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for k in range(len(matrix)):
        least, most, some, wrong = _survey(matrix[k], unit)
        low, high = min(low, least), max(high, most)
        bits, misfits = np.int32(bits | some), np.int32(misfits | wrong)
    return low, high, bits, misfits != 0


@compiled
def _survey(row, unit):  # type: ignore[no-untyped-def]
    wide()
    low, high, bits, wrong = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for k in range(len(row)):
        level = row[k] * unit
        wrong |= np.int32(np.rint(level) != level) | np.int32(abs(level) >= _MOST)
        whole = np.int32(level)  # any number, of what does not fit
        bits |= whole
        low, high = min(low, whole), max(high, whole)
    return low, high, bits, wrong


@compiled
def times(row, factor):  # type: ignore[no-untyped-def]
    """Multiply a row."""
    wide()
    for k in range(len(row)):
        row[k] *= factor


@compiled
def add(row, factor, other):  # type: ignore[no-untyped-def]
    """Add ``factor * other`` to `row`."""
    wide()
    for k in range(len(row)):
        row[k] += factor * other[k]


@compiled
def add_rows(row, senders, values, weight):  # type: ignore[no-untyped-def]
    """Add the weights' rows of some senders to `row`, each times its value: four at once, to go through `row` less.

    Entries are named by both indices: to make an array of each row takes longer than to add it.
    """
    wide()
    e, count = 0, len(senders)
    while e + 4 <= count:
        a, b, c, d = values[e], values[e + 1], values[e + 2], values[e + 3]
        i, j, m, n = senders[e], senders[e + 1], senders[e + 2], senders[e + 3]
        for k in range(len(row)):
            first, second = a * np.float32(weight[i, k]), b * np.float32(weight[j, k])
            row[k] += first + second + (c * np.float32(weight[m, k]) + d * np.float32(weight[n, k]))
        e += 4
    while e < count:
        a, i = values[e], senders[e]
        for k in range(len(row)):
            row[k] += a * np.float32(weight[i, k])
        e += 1


@compiled
def forward(starts, senders, values, weights, z):  # type: ignore[no-untyped-def]
    """Write what the events of a sample add up to in a block's neurons, (T, neurons)."""
    rows, one = weights
    for t in range(len(z)):
        row = z[t]
        row[:] = 0
        of = slice(starts[t], starts[t + 1])
        add_rows(row, senders[of], values[of], rows)
        times(row, one)


@compiled
def _multiply_add(row, factor, weight, i):  # type: ignore[no-untyped-def]
    """Add `factor` times row i of `weight` to `row`, each rounded once."""
    for k in range(len(row)):
        row[k] = multiply_add(factor, np.float32(weight[i, k]), row[k])


@compiled
def forward_in_order(starts, senders, values, weights, block, sums, z):  # type: ignore[no-untyped-def]
    """Do as `forward`, with the rounding of a product that adds up `block` senders after each other, then the blocks.

    `sums` is room for a row. Sums are scaled by a power of two at the end, which rounds nothing.
    """
    weight, one = weights
    for t in range(len(z)):
        row, e, last = z[t], starts[t], starts[t + 1]
        row[:] = 0
        end = block
        while e < last and senders[e] < end:
            _multiply_add(row, values[e], weight, senders[e])
            e += 1
        while e < last:
            end = (senders[e] // block + 1) * block
            sums[:] = 0
            while e < last and senders[e] < end:
                _multiply_add(sums, values[e], weight, senders[e])
                e += 1
            add(row, np.float32(1), sums)
        times(row, one)


@compiled
def gradient(starts, senders, values, grad, first, total):  # type: ignore[no-untyped-def]
    """Add to the gradient of a block's weights, (senders, K), that of their sums, (N, T, K'), from `first` on."""
    wide()
    for n in range(len(grad)):
        for t in range(grad.shape[1]):
            row = grad[n, t, first : first + total.shape[1]]
            for e in range(starts[n, t], starts[n, t + 1]):
                i, value = senders[e], values[e]
                for k in range(len(row)):
                    total[i, k] += value * row[k]


@compiled
def unpack(packed, matrix):  # type: ignore[no-untyped-def]
    """Turn a block's gradient, (senders, neurons), into rows of a matrix (neurons, senders)."""
    neurons, senders = matrix.shape
    for first in range(0, senders, LANES):
        last = min(first + LANES, senders)
        for k in range(neurons):
            for i in range(first, last):
                matrix[k, i] = packed[i, k]

"""Products of weights with events, and of events with gradients: one addition of a row for each event."""

from __future__ import annotations

import numpy as np

from .....contract.compiled.compiling import compiled, wide
from .....contract.compiled.registers import multiply_add
from .turning import LANES


@compiled
def pack(matrix, unit, scale, packed):  # type: ignore[no-untyped-def]
    """Write weights (neurons, senders) times `scale` as (senders, neurons), filled up with zeros.

    Returns the largest size of a weight in ``1 / unit``; infinity if one is not whole there.
    """
    neurons, senders = matrix.shape
    for first in range(0, senders, LANES):
        last = min(first + LANES, senders)
        for k in range(packed.shape[1]):
            for i in range(first, last):
                packed[i, k] = matrix[k, i] * scale if k < neurons else np.float32(0)
    largest, wrong = np.float32(0), False
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
    wide()
    for k in range(len(row)):
        row[k] += factor * other[k]


@compiled
def _add_four(row, a, first, b, second, c, third, d, fourth):  # type: ignore[no-untyped-def]
    wide()
    for k in range(len(row)):
        row[k] += a * first[k] + b * second[k] + (c * third[k] + d * fourth[k])


@compiled
def add_rows(row, senders, values, weight):  # type: ignore[no-untyped-def]
    """Add the weights' rows of some senders to `row`, each times its value: four at once, to go through `row` less."""
    e, count = 0, len(senders)
    while e + 4 <= count:
        _add_four(
            row,
            values[e],
            weight[senders[e]],
            values[e + 1],
            weight[senders[e + 1]],
            values[e + 2],
            weight[senders[e + 2]],
            values[e + 3],
            weight[senders[e + 3]],
        )
        e += 4
    while e < count:
        add(row, values[e], weight[senders[e]])
        e += 1


@compiled
def forward(starts, senders, values, weight, z):  # type: ignore[no-untyped-def]
    """Write what the events of a sample add up to in a block's neurons, (T, neurons)."""
    for t in range(len(z)):
        row = z[t]
        row[:] = 0
        of = slice(starts[t], starts[t + 1])
        add_rows(row, senders[of], values[of], weight)


@compiled
def _multiply_add(row, factor, other):  # type: ignore[no-untyped-def]
    """Add ``factor * other`` to `row`, each rounded once."""
    for k in range(len(row)):
        row[k] = multiply_add(factor, other[k], row[k])


@compiled
def forward_in_order(starts, senders, values, weight, block, sums, z):  # type: ignore[no-untyped-def]
    """Do as `forward`, with the rounding of a product that adds up `block` senders after each other, then the blocks.

    `sums` is room for a row.
    """
    for t in range(len(z)):
        row, e, last = z[t], starts[t], starts[t + 1]
        row[:] = 0
        end = block
        while e < last and senders[e] < end:
            _multiply_add(row, values[e], weight[senders[e]])
            e += 1
        while e < last:
            end = (senders[e] // block + 1) * block
            sums[:] = 0
            while e < last and senders[e] < end:
                _multiply_add(sums, values[e], weight[senders[e]])
                e += 1
            add(row, np.float32(1), sums)


@compiled
def gradient(starts, senders, values, grad, first, total):  # type: ignore[no-untyped-def]
    """Add to the gradient of a block's weights, (senders, K), that of their sums, (N, T, K'), from `first` on."""
    for n in range(len(grad)):
        for t in range(grad.shape[1]):
            row = grad[n, t, first : first + total.shape[1]]
            for e in range(starts[n, t], starts[n, t + 1]):
                add(total[senders[e]], values[e], row)


@compiled
def unpack(packed, matrix):  # type: ignore[no-untyped-def]
    """Turn a block's gradient, (senders, neurons), into rows of a matrix (neurons, senders)."""
    neurons, senders = matrix.shape
    for first in range(0, senders, LANES):
        last = min(first + LANES, senders)
        for k in range(neurons):
            for i in range(first, last):
                matrix[k, i] = packed[i, k]

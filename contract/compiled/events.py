"""Sums that grow by the weights of what fired, on the rows of a loop; exact in any order where every part of one is."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from .compiling import compiled


@compiled
def add(x, weight_t, found, z):
    """Add ``x @ weight_t`` to `z`, at a cost that grows with the entries of `x` that are not 0.

    `x` is (inputs,), `weight_t` (inputs, n), `z` (n,) and `found`, which is written over, int64 of at least
    (inputs + 1,).
    """
    channels = len(z)
    number = weight_t.dtype.type
    num = 0
    for j in range(len(x)):  # without a branch that could be mispredicted
        found[num] = j
        num += np.int64(x[j] != 0)
    i = 0
    while i + 4 <= num:
        j0, j1, j2, j3 = found[i], found[i + 1], found[i + 2], found[i + 3]
        x0, x1, x2, x3 = number(x[j0]), number(x[j1]), number(x[j2]), number(x[j3])
        w0, w1, w2, w3 = weight_t[j0], weight_t[j1], weight_t[j2], weight_t[j3]
        for c in range(channels):
            z[c] += (x0 * w0[c] + x1 * w1[c]) + (x2 * w2[c] + x3 * w3[c])
        i += 4
    while i < num:
        j0 = found[i]
        x0, w0 = number(x[j0]), weight_t[j0]
        for c in range(channels):
            z[c] += x0 * w0[c]
        i += 1

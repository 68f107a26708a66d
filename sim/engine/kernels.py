"""Sums event by event, compiled by numba; the compiled code is cached on disk."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ...contract.compiled.compiling import compiled


@compiled
def events(x, weight_t, start, z):
    """Write the sums ``start + x @ weight_t`` into `z`, at a cost that grows with the entries of `x` that are not 0.

    `x` is (rows, inputs), `weight_t` (inputs, n) and `z` (rows, n); `start` is (K, n), and row r begins with its row
    ``r % K``.
    """
    rows, inputs = x.shape
    channels = weight_t.shape[1]
    number = weight_t.dtype.type
    found = np.empty(inputs + 1, np.int64)
    for r in range(rows):
        x_r, z_r, start_r = x[r], z[r], start[r % len(start)]
        num = 0
        for j in range(inputs):  # without a branch that could be mispredicted
            found[num] = j
            num += np.int64(x_r[j] != 0)
        for c in range(channels):
            z_r[c] = start_r[c]
        i = 0
        while i + 4 <= num:
            j0, j1, j2, j3 = found[i], found[i + 1], found[i + 2], found[i + 3]
            x0, x1, x2, x3 = number(x_r[j0]), number(x_r[j1]), number(x_r[j2]), number(x_r[j3])
            w0, w1, w2, w3 = weight_t[j0], weight_t[j1], weight_t[j2], weight_t[j3]
            for c in range(channels):
                z_r[c] += (x0 * w0[c] + x1 * w1[c]) + (x2 * w2[c] + x3 * w3[c])
            i += 4
        while i < num:
            j0 = found[i]
            x0, w0 = number(x_r[j0]), weight_t[j0]
            for c in range(channels):
                z_r[c] += x0 * w0[c]
            i += 1


@compiled
def scatter(x, weight_t, delay_t, first, ahead):
    """Add to `ahead` what the entries of `x` that are not 0 make in later steps, each synapse after its own delay.

    `x` is (samples, steps, inputs), `weight_t` and `delay_t` (inputs, n), and `ahead` (samples, more steps, n): what
    step t of `x` sends over a synapse of delay d is added in step ``first + t + d``.
    """
    samples, steps, inputs = x.shape
    number = weight_t.dtype.type
    for s in range(samples):
        for t in range(steps):
            for j in range(inputs):
                value = number(x[s, t, j])
                if value != 0:
                    weight, delay, rows = weight_t[j], delay_t[j], ahead[s]
                    for i in range(len(weight)):
                        rows[first + t + delay[i], i] += weight[i] * value

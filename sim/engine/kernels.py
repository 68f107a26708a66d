"""Sums event by event, compiled by numba; the compiled code is cached on disk."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ...contract.compiled.compiling import compiled
from ...contract.compiled.events import add

_LOOK = 16
"""Steps of a channel that are looked at together: most have no event."""


@compiled
def events(x, weight_t, start, z):
    """Write the sums ``start + x @ weight_t`` into `z`, at a cost that grows with the entries of `x` that are not 0.

    `x` is (rows, inputs), `weight_t` (inputs, n) and `z` (rows, n); `start` is (K, n), and row r begins with its row
    ``r % K``.
    """
    found = np.empty(x.shape[1] + 1, np.int64)
    for r in range(len(x)):
        z_r, start_r = z[r], start[r % len(start)]
        for c in range(len(z_r)):
            z_r[c] = start_r[c]
        add(x[r], weight_t, found, z_r)


@compiled
def channel_events(x, begin, channel, weight_t, start, z):
    """Write the sums ``start + x @ weight_t`` of a block of steps into `z`, going through sparse input as it is given.

    `x` is (S, channels, T), of which the block is the K steps from step `begin` on of the inputs from `channel` on;
    `weight_t` is (inputs, n), `z` (S, K, n), and `start` (K, n) or (1, n).
    """
    samples, steps, channels = z.shape
    number = weight_t.dtype.type
    for s in range(samples):
        z_s = z[s]
        for t in range(steps):
            z_t, start_t = z_s[t], start[t % len(start)]
            for c in range(channels):
                z_t[c] = start_t[c]
        for j in range(len(weight_t)):
            x_j, w = x[s, channel + j], weight_t[j]
            for first in range(0, steps, _LOOK):
                end = min(first + _LOOK, steps)
                any_of = x_j[begin + first]
                for t in range(first + 1, end):
                    any_of |= x_j[begin + t]
                if any_of == 0:
                    continue
                for t in range(first, end):
                    payload = x_j[begin + t]
                    if payload != 0:
                        value, z_t = number(payload), z_s[t]
                        for c in range(channels):
                            z_t[c] += value * w[c]


@compiled
def survey(x, channel, num_channels):
    """Return the smallest and the largest entry of some channels of integers (S, channels, T), and how many are not 0.

    All are 0 of none.
    """
    low = high = x[0, channel, 0] if x.size and num_channels else x.dtype.type(0)
    num = 0
    for s in range(len(x)):
        for j in range(channel, channel + num_channels):
            x_j = x[s, j]
            for t in range(len(x_j)):
                value = x_j[t]
                low = value if value < low else low
                high = value if value > high else high
                num += np.int64(value != 0)
    return low, high, num


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

"""Rasters, in which a row is a neuron, and arrays in which neurons lie side by side, turned into each other."""

from __future__ import annotations

import numpy as np

from .....contract.compiled.compiling import compiled

LANES = 16
"""Neurons that are dealt with at once."""


@compiled
def cut(z):  # type: ignore[no-untyped-def]
    """Cut currents to whole units."""
    for k in range(len(z)):
        z[k] = np.trunc(z[k])


@compiled
def scaled(rows, scale, z):  # type: ignore[no-untyped-def]
    """Write currents of shape (neurons, T), `scale` times, as (T, neurons); whole ones are exact in float32."""
    steps, neurons = len(z), len(rows)
    whole = neurons // LANES * LANES
    for first in range(0, whole, LANES):
        for t in range(steps):
            for k in range(LANES):
                z[t, first + k] = scale * np.float32(rows[first + k, t])
    for t in range(steps):
        for k in range(whole, neurons):
            z[t, k] = scale * np.float32(rows[k, t])
        z[t, neurons:] = 0


@compiled
def gradients(grad, place, delay, gain, g):  # type: ignore[no-untyped-def]
    """Write gradients to what was sent, (rows, T), as those to the spikes of some neurons, (T, neurons).

    Neuron k's row is ``place[k]``, and a row's spikes were sent `delay` steps later, `gain` times.
    """
    steps, neurons = len(g), len(place)
    flat = grad.reshape(-1)
    start, factor = np.empty(LANES, np.int64), np.empty(LANES, np.float32)
    g[:, neurons:] = 0
    for first in range(0, neurons, LANES):
        lanes, longest = min(LANES, neurons - first), 0
        for k in range(lanes):
            row = place[first + k]
            start[k], factor[k] = row * steps + delay[row], gain[row]
            longest = max(longest, delay[row])
        common: int = max(steps - longest, 0)
        if lanes == LANES:
            for t in range(common):
                for k in range(LANES):
                    g[t, first + k] = flat[start[k] + t] * factor[k]
        else:
            for t in range(common):
                for k in range(lanes):
                    g[t, first + k] = flat[start[k] + t] * factor[k]
        for k in range(lanes):
            row = place[first + k]
            for t in range(common, steps):
                sent = t + delay[row]
                g[t, first + k] = grad[row, sent] * factor[k] if sent < steps else np.float32(0)


@compiled
def shift(x, delay, y):  # type: ignore[no-untyped-def]
    """Write ``y[n, m, t] = x[n, m, t - delay[m]]``, and 0 before that."""
    samples, neurons, steps = x.shape
    for n in range(samples):
        for m in range(neurons):
            d = min(delay[m], steps)
            row, out = x[n, m], y[n, m]
            out[:d] = 0
            for t in range(d, steps):
                out[t] = row[t - d]


@compiled
def shift_back(grad, delay, y, grad_x, grad_delay):  # type: ignore[no-untyped-def]
    """Shift gradients back, and write ``grad[t] * (y[t-1] - y[t])``, over all steps, as the delay's."""
    samples, neurons, steps = grad.shape
    for n in range(samples):
        for m in range(neurons):
            d = min(delay[m], steps)
            row, shifted, out = grad[n, m], y[n, m], grad_x[n, m]
            for t in range(d, steps):
                out[t - d] = row[t]
            out[steps - d :] = 0
            total, before = np.float64(0), shifted.dtype.type(0)
            for t in range(steps):
                if shifted[t] != before:
                    total += np.float64(row[t]) * (np.float64(before) - np.float64(shifted[t]))
                    before = shifted[t]
            grad_delay[n, m] = total

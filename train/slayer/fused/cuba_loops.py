"""The loops of CUBA neurons: current, membrane, spikes and surrogate of a block of neurons in one sample.

Rows are steps, neurons lie side by side. States are whole numbers of state units, below 2**24 in float32. Loops are
split into small functions: numba's vectorizer gives up on loops over many arrays.
"""

from __future__ import annotations

import numpy as np

from ....contract.compiled.compiling import compiled, inlined

LIMIT = 2.0**24
"""States up to here are exact in float32; the loops leave larger ones to stock."""
_CHUNK = 16
ROOM = _CHUNK
"""Entries beyond the last that a list of spikes needs."""
_LOG2E = np.float32(1.4426950408889634)
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_E1, _E2, _E3 = np.float32(0.6931471805599453), np.float32(0.2402265069591007), np.float32(0.05550410866482158)
_E4, _E5, _E6 = np.float32(0.009618129107628477), np.float32(0.0013333558146428443), np.float32(0.00015403530393381608)


@compiled
def turn(rows, scale, z):  # type: ignore[no-untyped-def]
    """Write currents of shape (neurons, T), in state units and cut to whole ones, as (T, neurons)."""
    for k in range(len(rows)):
        row = rows[k]
        for t in range(len(z)):
            z[t, k] = np.trunc(scale * row[t])
    for k in range(len(rows), z.shape[1]):
        for t in range(len(z)):
            z[t, k] = 0


@compiled
def _currents(z, u, keep, worst):  # type: ignore[no-untyped-def]
    for k in range(len(z)):
        new = np.trunc(u[k] * keep[k]) + z[k]
        u[k] = new
        worst[k] = worst[k] if abs(new) < LIMIT else 1.0  # nan counts as too large


@compiled
def _membranes(u, v, keep, threshold, worst, row):  # type: ignore[no-untyped-def]
    for k in range(len(u)):
        new = np.trunc(v[k] * keep[k]) + u[k]
        worst[k] = worst[k] if abs(new) < LIMIT else 1.0
        row[k] = new
        v[k] = 0.0 if new >= threshold else new


@compiled
def _fired(row, threshold, first, fired, count):  # type: ignore[no-untyped-def]
    """Note which neurons of a row fired, as numbers from `first` on; return the new count."""
    for start in range(0, len(row), _CHUNK):
        seen = 0
        for k in range(start, start + _CHUNK):
            seen |= row[k] >= threshold
        if seen:
            for k in range(start, start + _CHUNK):
                fired[count] = first + k
                count += row[k] >= threshold
    return count


@compiled
def scan(z, u, v, keep_u, keep_v, threshold, first, stride, membranes, fired):  # type: ignore[no-untyped-def]
    """Run a block of neurons over all steps.

    Parameters
    ----------
    z : (T, K) float32
        Currents in whole state units.
    u, v : (K,) float64
        States before the first step, and then after the last one.
    keep_u, keep_v : (K,) float64
        Fraction of a state that a step keeps.
    threshold : float
        At or above it a neuron fires, in state units.
    first, stride : int
        Neuron k that fires at step t is noted as ``t * stride + first + k``.
    membranes : (T, K) float32
        Written: membranes before their reset.
    fired : (T * K + 16,) int32
        Written: who fired, step by step.

    Returns
    -------
    int
        How many fired; -1 if a state left the exact range.
    """
    worst, count = np.zeros(len(u)), 0
    for t in range(len(z)):
        _currents(z[t], u, keep_u, worst)
        _membranes(u, v, keep_v, threshold, worst, membranes[t])
        count = _fired(membranes[t], threshold, t * stride + first, fired, count)
    return -1 if worst.any() else count


@compiled
def send(fired, neurons, place, delay, gain, sent):  # type: ignore[no-untyped-def]
    """Write spikes into a raster (rows, T) that is zero: into neuron k's row ``place[k]``, `delay` steps later."""
    steps = sent.shape[1]
    for code in fired:
        t = code // neurons
        row = place[code - t * neurons]
        t += delay[row]
        if t < steps:
            sent[row, t] = gain[row]


@compiled
def delay_gradient(fired, neurons, place, delay, gain, grad, total):  # type: ignore[no-untyped-def]
    """Add to each row's total what its spikes would gain by coming a step earlier; `grad` is (rows, T)."""
    steps = grad.shape[1]
    for code in fired:
        t = code // neurons
        row = place[code - t * neurons]
        t += delay[row]
        if t < steps:
            after = np.float64(grad[row, t + 1]) if t + 1 < steps else 0.0
            total[row] += gain[row] * (after - np.float64(grad[row, t]))


@compiled
def turn_back(grad, place, delay, gain, g):  # type: ignore[no-untyped-def]
    """Write gradients to what was sent, (rows, T), as those to the spikes of some neurons, (T, neurons)."""
    steps = grad.shape[1]
    for k in range(len(place)):
        row, d, factor = grad[place[k]], delay[place[k]], gain[place[k]]
        for t in range(steps - d):
            g[t, k] = row[t + d] * factor
        for t in range(max(steps - d, 0), steps):
            g[t, k] = 0
    for k in range(len(place), g.shape[1]):
        for t in range(steps):
            g[t, k] = 0


@compiled
def turn_back_steps(grad, place, delay, gain, g):  # type: ignore[no-untyped-def]
    """Do as `turn_back`, for gradients that come as (T, rows)."""
    g[:] = 0
    for t in range(len(grad)):
        row = grad[t]
        for k in range(len(place)):
            r = place[k]
            if t >= delay[r]:
                g[t - delay[r], k] = row[r] * gain[r]


@inlined
def _exp(x):  # type: ignore[no-untyped-def]
    """e to the power of x, which is at most 0, to 2 units in the last place; 0 below the normal range."""
    y = max(x * _LOG2E, np.float32(-127))
    whole = np.floor(y + _HALF)
    f = y - whole
    p = _ONE + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
    return p * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled
def _surrogate(g, membranes, threshold, per_width, height):  # type: ignore[no-untyped-def]
    for k in range(len(g)):
        g[k] *= height * _exp(-abs(membranes[k] - threshold) * per_width)


@compiled
def _back(g, d_v, d_u, keep_v, keep_u, grad_z):  # type: ignore[no-untyped-def]
    for k in range(len(g)):
        new = keep_v[k] * d_v[k] + g[k]
        g[k] = new
        d_v[k] = new
        new = keep_u[k] * d_u[k] + new
        d_u[k] = new
        grad_z[k] = new


@compiled
def back(g, membranes, keep_u, keep_v, threshold, per_width, height, grad_z):  # type: ignore[no-untyped-def]
    """Go back in time, from gradients to spikes, (T, K), to those of what arrives.

    `g` is overwritten with the gradients to the currents. As in stock, no gradient stops at a reset.
    """
    d_v, d_u = np.zeros_like(keep_v), np.zeros_like(keep_u)
    for t in range(len(g) - 1, -1, -1):
        _surrogate(g[t], membranes[t], threshold, per_width, height)
        _back(g[t], d_v, d_u, keep_v, keep_u, grad_z[t])


@compiled
def _decays(d_v, d_u, membranes, before, keep_v, threshold, total_u, total_v):  # type: ignore[no-untyped-def]
    """Add a step's part of the gradients to the decays; `before` is what the membranes of the step before kept."""
    for k in range(len(d_v)):
        total_v[k] += np.float64(d_v[k]) * membranes[k]
        total_u[k] += np.float64(d_u[k]) * (membranes[k] - np.trunc(before[k] * keep_v[k]))
        before[k] = 0.0 if membranes[k] >= threshold else membranes[k]


@compiled
def decay_gradients(d_v, d_u, membranes, v, keep_v, threshold, total_u, total_v):  # type: ignore[no-untyped-def]
    """Add the gradients to what the states lose a step, from those to currents and inputs, (T, K).

    `v` are the membranes before the first step. Currents are not kept: they follow from the membranes, exactly.
    """
    before = v.copy()
    for t in range(len(d_v) - 1):
        _decays(d_v[t + 1], d_u[t + 1], membranes[t], before, keep_v, threshold, total_u, total_v)

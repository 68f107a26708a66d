"""The loops of CUBA neurons: current, membrane, spikes and surrogate of a block of neurons in one sample.

Rows are steps, neurons lie side by side. States are whole numbers of state units, below 2**24 in float32, which is also
what a neuron is stepped in, see `contract.compiled.registers`.
"""

from __future__ import annotations

import numpy as np

from .....contract.compiled.compiling import aligned, compiled, inlined, wide
from .....contract.compiled.registers import times
from .....contract.fixed import FLOAT32_WHOLE
from . import products, turning
from .turning import LANES

LIMIT = np.float32(FLOAT32_WHOLE)
"""States below are exact in float32; the loops leave larger ones to stock."""
ROOM = LANES
"""Entries beyond the last that a list of spikes needs."""
_LOG2E = np.float32(1.4426950408889634)
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_E1, _E2, _E3 = np.float32(0.6931471805599453), np.float32(0.2402265069591007), np.float32(0.05550410866482158)
_E4, _E5, _E6 = np.float32(0.009618129107628477), np.float32(0.0013333558146428443), np.float32(0.00015403530393381608)


@inlined
def advance(u, v, z, keep_u, keep_v, threshold):  # type: ignore[no-untyped-def]
    """Return a neuron's current, membrane and membrane after its reset, and whether both were exact: 1 or 0."""
    u = times(u, keep_u) + z
    level = times(v, keep_v) + u
    exact = np.int32(abs(u) < LIMIT) & np.int32(abs(level) < LIMIT)  # nan is neither
    return u, level, _ZERO if level >= threshold else level, exact


@compiled
def fired(row, threshold, first, codes, count):  # type: ignore[no-untyped-def]
    """Note which neurons of a row fired, as numbers from `first` on; return the new count."""
    for start in range(0, len(row), LANES):
        seen = 0
        for k in range(start, start + LANES):
            seen |= row[k] >= threshold
        if seen:
            for k in range(start, start + LANES):
                codes[count] = first + k
                count += row[k] >= threshold
    return count


@compiled
def scan(z, u, v, keep_u, keep_v, threshold, first, neurons, levels, codes):  # type: ignore[no-untyped-def]
    """Run a block of neurons over all steps.

    Parameters
    ----------
    z : (T, K) float32
        Currents in whole state units.
    u, v : (K,) float32
        States before the first step, and then after the last one.
    keep_u, keep_v : (K,) float32
        Fraction of a state that a step keeps.
    threshold : float32
        At or above it a neuron fires, in state units.
    first, neurons : int
        Neuron k that fires at step t is noted as ``t * neurons + first + k``.
    levels : (T, K') float32
        Written from column `first` on: membranes before their reset.
    codes : (T * K + 16,) int32
        Written: who fired, step by step.

    Returns
    -------
    int
        How many fired; -1 if a state left the exact range.
    """
    wide()
    exact, count = np.ones(len(u), np.int32), 0
    for t in range(len(z)):
        arriving, row = z[t], levels[t, first : first + len(u)]
        for k in range(len(u)):
            u[k], row[k], v[k], held = advance(u[k], v[k], arriving[k], keep_u[k], keep_v[k], threshold)
            exact[k] &= held
        count = fired(row, threshold, t * neurons + first, codes, count)
    return count if exact.all() else -1


@compiled
def scan_events(  # type: ignore[no-untyped-def]
    starts, senders, values, weight, z, u, v, keep_u, keep_v, threshold, first, neurons, levels, codes, ends
):
    """Run a block of neurons in some samples, on what events add up to; `z` is room for a sample's currents.

    Writes to `ends` where each sample's spikes end in `codes`; the last is -1 if a state left the exact range.
    """
    count = 0
    for n in range(len(starts)):
        products.forward(starts[n], senders, values, weight, z)
        of = scan(z, u[n], v[n], keep_u, keep_v, threshold, first, neurons, levels[n], codes[count:])
        count += of
        ends[n] = count
        if of < 0:
            ends[-1] = -1
            return


@compiled
def scan_in_order(  # type: ignore[no-untyped-def]
    starts, senders, values, weight, block, z, u, v, keep_u, keep_v, threshold, first, neurons, levels, codes, ends
):
    """Do as `scan_events`, with the rounding of `products.forward_in_order`."""
    count, sums = 0, aligned(z, z.shape[1])
    for n in range(len(starts)):
        products.forward_in_order(starts[n], senders, values, weight, block, sums, z)
        for t in range(len(z)):
            turning.cut(z[t])
        of = scan(z, u[n], v[n], keep_u, keep_v, threshold, first, neurons, levels[n], codes[count:])
        count += of
        ends[n] = count
        if of < 0:
            ends[-1] = -1
            return


@compiled
def scan_sums(sums, scale, z, u, v, keep_u, keep_v, threshold, first, neurons, levels, codes, ends):  # type: ignore[no-untyped-def]
    """Do as `scan_events`, on sums of shape (N, rows, T)."""
    count, last = 0, min(first + z.shape[1], neurons)
    for n in range(len(sums)):
        turning.scaled(sums[n, first:last], scale, z)
        for t in range(len(z)):
            turning.cut(z[t])
        of = scan(z, u[n], v[n], keep_u, keep_v, threshold, first, neurons, levels[n], codes[count:])
        count += of
        ends[n] = count
        if of < 0:
            ends[-1] = -1
            return


@compiled
def send(fired, ends, neurons, place, delay, gain, sent):  # type: ignore[no-untyped-def]
    """Write spikes into rasters (N, rows, T) that are zero: neuron k's into row ``place[k]``, `delay` steps later."""
    steps, start = sent.shape[2], 0
    for n in range(len(ends)):
        for code in fired[start : ends[n]]:
            t = code // neurons
            row = place[code - t * neurons]
            t += delay[row]
            if t < steps:
                sent[n, row, t] = gain[n, row]
        start = ends[n]


@compiled
def delay_gradients(fired, ends, neurons, place, delay, gain, grad, total):  # type: ignore[no-untyped-def]
    """Add to each row's total what its spikes would gain by coming a step earlier; `grad` is (N, rows, T)."""
    steps, start = grad.shape[2], 0
    for n in range(len(ends)):
        for code in fired[start : ends[n]]:
            t = code // neurons
            row = place[code - t * neurons]
            t += delay[row]
            if t < steps:
                after = np.float64(grad[n, row, t + 1]) if t + 1 < steps else 0.0
                total[row] += gain[n, row] * (after - np.float64(grad[n, row, t]))
        start = ends[n]


@inlined
def _exp(x):  # type: ignore[no-untyped-def]
    """Return e to the power of x, which is at most 0, to 2 units in the last place; 0 below the normal range."""
    y = max(x * _LOG2E, np.float32(-127))
    whole = np.floor(y + _HALF)
    f = y - whole
    p = _ONE + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
    return p * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@inlined
def _slope(level, threshold, per_width, height):  # type: ignore[no-untyped-def]
    """Return the surrogate at a membrane."""
    return height * _exp(-abs(level - threshold) * per_width)


@compiled
def surrogate(g, levels, threshold, per_width, height):  # type: ignore[no-untyped-def]
    """Multiply gradients by the surrogate at membranes."""
    wide()
    for k in range(len(g)):
        g[k] *= _slope(levels[k], threshold, per_width, height)


@compiled
def _through(g, first, membranes, keep_u, keep_v, threshold, per_width, height, grad_z):  # type: ignore[no-untyped-def]
    """Go back in time, from gradients to spikes, (T, K), to those of what arrives, from column `first` on.

    `g` is overwritten with the gradients to the currents. As in stock, no gradient stops at a reset.
    """
    d_v, d_u = np.zeros_like(keep_v), np.zeros_like(keep_u)
    for t in range(len(g) - 1, -1, -1):
        of = slice(first, first + len(d_v))
        _back(g[t], membranes[t, of], d_v, d_u, keep_v, keep_u, threshold, per_width, height, grad_z[t, of])


@compiled
def _back(g, levels, d_v, d_u, keep_v, keep_u, threshold, per_width, height, grad_z):  # type: ignore[no-untyped-def]
    wide()
    for k in range(len(g)):
        new = keep_v[k] * d_v[k] + g[k] * _slope(levels[k], threshold, per_width, height)
        g[k] = new
        d_v[k] = new
        new = keep_u[k] * d_u[k] + new
        d_u[k] = new
        grad_z[k] = new


@compiled
def _decays(d_v, d_u, membranes, before, keep_v, threshold, total_u, total_v):  # type: ignore[no-untyped-def]
    """Add a step's part of the gradients to the decays; `before` is what the membranes of the step before kept."""
    for k in range(len(d_v)):
        total_v[k] += np.float64(d_v[k]) * membranes[k]
        total_u[k] += np.float64(d_u[k]) * np.float64(membranes[k] - times(before[k], keep_v[k]))
        before[k] = _ZERO if membranes[k] >= threshold else membranes[k]


@compiled
def _decay_gradients(d_v, first, d_u, membranes, v, keep_v, threshold, total_u, total_v):  # type: ignore[no-untyped-def]
    """Add the gradients to what the states lose a step, from those to currents, (T, K), and to inputs.

    Inputs and membranes are read from column `first` on. `v` are the membranes before the first step. Currents are not
    kept: they follow from the membranes, exactly.
    """
    before, after = v.copy(), first + len(v)
    for t in range(len(d_v) - 1):
        row = membranes[t, first:after]
        _decays(d_v[t + 1], d_u[t + 1, first:after], row, before, keep_v, threshold, total_u, total_v)


@compiled
def back(grad, place, delay, gain, g, first, membranes, constants, v, grad_z, totals):  # type: ignore[no-untyped-def]
    """Go back through a block of neurons in some samples.

    Parameters
    ----------
    grad : (N, rows, T) float32
        Gradients to what was sent.
    place : (neurons of the block,) int64
        See `turning.gradients`; `delay` and `gain` too.
    g : (T, K) float32
        Room.
    first : int
        Column of the block's first neuron in `membranes` and `grad_z`, (N, T, K').
    constants : tuple
        ``keep_u, keep_v, threshold, per_width, height``, float32.
    v : (N, K) float32
        Membranes before the first step.
    grad_z
        Written: gradients to what arrives.
    totals : (2, K) float64
        The gradients to the decays of currents and membranes are added; empty if they are not needed.
    """
    keep_u, keep_v, threshold, per_width, height = constants
    for n in range(len(grad)):
        turning.gradients(grad[n], place, delay, gain[n], g)
        _through(g, first, membranes[n], keep_u, keep_v, threshold, per_width, height, grad_z[n])
        if totals.size:
            _decay_gradients(g, first, grad_z[n], membranes[n], v[n], keep_v, threshold, totals[0], totals[1])

"""The loops of recurrent CUBA neurons, whose spikes come back to them a step later."""

from __future__ import annotations

import numpy as np

from .....contract.compiled.compiling import aligned, compiled, wide
from . import cuba, products, turning


@compiled
def _arrive(z, feedback, one):  # type: ignore[no-untyped-def]
    wide()
    for k in range(len(z)):
        z[k] = np.trunc(z[k] + feedback[k] * one)


@compiled
def _scan(z, weights, u, v, keep_u, keep_v, threshold, neurons, membranes, fired):  # type: ignore[no-untyped-def]
    """Do as the scan of `cuba`, for all neurons, with the feedback's weights, see `products`."""
    wide()
    weight, one = weights
    exact, feedback, begin, count = np.ones(len(u), np.int32), aligned(z, z.shape[1]), 0, 0
    senders, ones = np.empty(neurons, np.int64), np.ones(neurons, np.float32)
    for t in range(len(z)):
        if count > begin:
            feedback[:] = 0
            for k in range(count - begin):
                senders[k] = fired[begin + k] - (t - 1) * neurons
            products.add_rows(feedback, senders[: count - begin], ones, weight)
            _arrive(z[t], feedback, one)
        else:
            turning.cut(z[t])
        begin = count
        arriving, row = z[t], membranes[t]
        for k in range(len(u)):
            u[k], row[k], v[k], held = cuba.advance(u[k], v[k], arriving[k], keep_u[k], keep_v[k], threshold)
            exact[k] &= held
        count = cuba.fired(row, threshold, t * neurons, fired, count)
    return count if exact.all() else -1


@compiled
def scan_events(  # type: ignore[no-untyped-def]
    starts, senders, values, ways, weight, z, u, v, keep_u, keep_v, threshold, first, neurons, membranes, fired, ends
):
    """Do as `cuba.scan_events`, with the feedback's weights behind those of the input."""
    count = 0
    for n in range(len(starts)):
        products.forward(starts[n], senders, values, ways, z)
        of = _scan(z, weight, u[n], v[n], keep_u, keep_v, threshold, neurons, membranes[n], fired[count:])
        count += of
        ends[n] = count
        if of < 0:
            ends[-1] = -1
            return


@compiled
def scan_sums(sums, scale, weight, z, u, v, keep_u, keep_v, threshold, first, neurons, membranes, fired, ends):  # type: ignore[no-untyped-def]
    """Do as `scan_events`, on sums of shape (N, neurons, T)."""
    count = 0
    for n in range(len(sums)):
        turning.scaled(sums[n], scale, z)
        of = _scan(z, weight, u[n], v[n], keep_u, keep_v, threshold, neurons, membranes[n], fired[count:])
        count += of
        ends[n] = count
        if of < 0:
            ends[-1] = -1
            return


@compiled
def surrogates(membranes, threshold, per_width, height, found):  # type: ignore[no-untyped-def]
    """Write the surrogate at membranes, (N, T, K), as (T, N, K)."""
    for n in range(len(membranes)):
        for t in range(len(found)):
            found[t, n] = np.float32(1)
            cuba.surrogate(found[t, n], membranes[n, t], threshold, per_width, height)


@compiled
def gradients(grad, place, delay, gain, g, found):  # type: ignore[no-untyped-def]
    """Write gradients to what was sent, (N, rows, T), as those to the spikes, (T, N, K); `g` is room, (T, K)."""
    for n in range(len(grad)):
        turning.gradients(grad[n], place, delay, gain[n], g)
        for t in range(len(g)):
            found[t, n] = g[t]


@compiled
def weight_gradient(fired, ends, neurons, grad_z, total):  # type: ignore[no-untyped-def]
    """Add to the gradient of feedback weights, (senders, K), that of what comes a step after each spike, (N, T, K)."""
    start, steps = 0, grad_z.shape[1]
    for n in range(len(ends)):
        for code in fired[start : ends[n]]:
            t = code // neurons
            if t + 1 < steps:
                products.add(total[code - t * neurons], np.float32(1), grad_z[n, t + 1])
        start = ends[n]

"""The loops of the batch engine, compiled by numba; the compiled code is cached on disk.

Arrays are C-contiguous, of shape (S, K, n): samples, steps of a block, neurons. Inner loops run over neurons and
compile to SIMD. A scan runs the step of one kind of neuron over a block: it reads dendritic sums `z`, goes on from the
registers in `state` and leaves them there, writes `spikes`, adds them to `counts` and returns their number, and writes
what is traced into the arrays that are not empty.

Registers are whole numbers in float64, whose arithmetic is exact here and has SIMD instructions, which 64-bit integer
products have not: a 24-bit state times a 13-bit factor, or times an 8-bit encoding, is below 2**37; a dendritic sum is
below 2**31 (`spikeproof.contract.net.Net` refuses more) and its left shift by up to 18 below 2**49; factors are whole
numbers over powers of two; and ``trunc`` rounds toward zero as the contract does. The one register that the contract
does not keep within 24 bits, the current of a CUBA neuron with sums of more than 2**18, has a scan in int64.
"""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ...contract.errors import MissingDependencyError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_SHIFT, STATE_BITS, STATE_MAX

try:
    from numba import njit
except ImportError as error:
    raise MissingDependencyError(
        f"The batch engine needs numba ({error}). Install it with: pip install numba"
    ) from error

_LIMIT = float(STATE_MAX)
_HALF = 2 ** (STATE_BITS - 1)
_UNARY = float(1 << ACCUMULATOR_SHIFT)


def compiled(function):
    """Return a function as numba compiles it, with the code kept on disk for the next process.

    Where numba finds no folder that it may write to, the code is compiled in each process anew, which takes some
    seconds; ``spikeproof doctor`` says so.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(**options)(function)


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
def celif(z, shift, bias, te, keep_v, keep_h, resting, state, counts, spikes, v_out, h_out, theta_out):
    """Run `contract.celif.step`; `state` is (S, 3, n): v, h, and v after the reset. `te` is (K, n)."""
    samples, steps, channels = z.shape
    before = counts.sum()
    for n in range(samples):
        v, h, kept, count = state[n, 0], state[n, 1], state[n, 2], counts[n]
        for t in range(steps):
            z_t, te_t, spikes_t = z[n, t], te[t], spikes[n, t]
            for c in range(channels):
                x = np.trunc(h[c] * keep_h[c]) + np.trunc(v[c] * np.float64(te_t[c]))
                # Not min() and max(): these forms become one instruction each.
                x = x if x < _LIMIT else _LIMIT
                x = x if x > -_LIMIT else -_LIMIT
                y = np.trunc(kept[c] * keep_v[c]) + (np.float64(z_t[c]) * shift + bias[c])
                y = y if y < _LIMIT else _LIMIT
                y = y if y > -_LIMIT else -_LIMIT
                theta = resting + x
                theta = theta if theta < _LIMIT else _LIMIT  # the resting threshold is not negative
                s = 1.0 if y > theta else 0.0
                h[c] = x
                v[c] = y
                kept[c] = y * (1.0 - s)
                count[c] += s
                spikes_t[c] = s
            if v_out.size:
                v_t = v_out[n, t]
                for c in range(channels):
                    v_t[c] = np.int32(v[c])
            if h_out.size:
                h_t = h_out[n, t]
                for c in range(channels):
                    h_t[c] = np.int32(h[c])
            if theta_out.size:
                theta_t = theta_out[n, t]
                for c in range(channels):
                    x = resting + h[c]
                    theta_t[c] = np.int32(x if x < _LIMIT else _LIMIT)
    return np.int64(counts.sum() - before)


@compiled
def cuba(z, bias, keep_u, keep_v, threshold, state, counts, spikes, u_out, v_out):
    """Run `contract.cuba.step` with sums of at most 2**18, so that the current stays within 24 bits.

    `state` is (S, 2, n): u and v.
    """
    samples, steps, channels = z.shape
    half = np.float64(_HALF)
    before = counts.sum()
    for n in range(samples):
        u, v, count = state[n, 0], state[n, 1], counts[n]
        for t in range(steps):
            z_t, spikes_t = z[n, t], spikes[n, t]
            for c in range(channels):
                x = np.trunc(u[c] * keep_u[c]) + np.float64(z_t[c]) * _UNARY
                x = x - (2 * half if x > half else 0.0) + (2 * half if x <= -half else 0.0)
                y = np.trunc(v[c] * keep_v[c]) + x + bias[c]
                y = y if y < _LIMIT else _LIMIT
                y = y if y > -_LIMIT else -_LIMIT
                s = 1.0 if y > threshold else 0.0
                u[c] = x
                v[c] = y * (1.0 - s)
                count[c] += s
                spikes_t[c] = s
            if u_out.size:
                u_t = u_out[n, t]
                for c in range(channels):
                    u_t[c] = np.int32(u[c])
            if v_out.size:
                v_t = v_out[n, t]
                for c in range(channels):
                    v_t[c] = np.int32(v[c])
    return np.int64(counts.sum() - before)


@compiled
def _decay(x, kept):
    product = x * kept
    return product >> DECAY_SHIFT if product >= 0 else -((-product) >> DECAY_SHIFT)


@compiled
def cuba_wide(z, bias, kept_u, kept_v, threshold, state, counts, spikes, u_out, v_out):
    """Run `contract.cuba.step` in int64, whatever the sums; factors are ``4096 - decay``, `state` is int64."""
    samples, steps, channels = z.shape
    before = counts.sum()
    for n in range(samples):
        for t in range(steps):
            for c in range(channels):
                x = _decay(state[n, 0, c], kept_u[c]) + (np.int64(z[n, t, c]) << ACCUMULATOR_SHIFT)
                x = np.int64(np.int32(x))
                x = x - 2 * _HALF if x > _HALF else x + 2 * _HALF if x <= -_HALF else x
                y = _decay(state[n, 1, c], kept_v[c]) + x + bias[c]
                y = min(max(y, -STATE_MAX), STATE_MAX)
                s = 1 if y > threshold else 0
                state[n, 0, c] = x
                state[n, 1, c] = y * (1 - s)
                counts[n, c] += s
                spikes[n, t, c] = s
                if u_out.size:
                    u_out[n, t, c] = x
                if v_out.size:
                    v_out[n, t, c] = state[n, 1, c]
    return counts.sum() - before


@compiled
def readout(z, shift, bias, keep, state, v_out):
    """Run `contract.readout.step`; `state` is (S, 1, n)."""
    samples, steps, channels = z.shape
    for n in range(samples):
        v = state[n, 0]
        for t in range(steps):
            z_t = z[n, t]
            for c in range(channels):
                y = np.trunc(v[c] * keep) + (np.float64(z_t[c]) * shift + bias[c])
                y = y if y < _LIMIT else _LIMIT
                v[c] = y if y > -_LIMIT else -_LIMIT
            if v_out.size:
                v_t = v_out[n, t]
                for c in range(channels):
                    v_t[c] = np.int32(v[c])
    return 0

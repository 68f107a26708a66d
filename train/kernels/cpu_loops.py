"""The loops of the CPU kernels, compiled by numba; the compiled code is cached on disk.

Arrays are C-contiguous, of shape (N, T, C). Inner loops run over channels and compile to SIMD: what keeps numba's
compiler from it, such as a row chosen by a condition, is avoided on purpose.
"""

from __future__ import annotations

import numpy as np

from ...contract.fixed import STATE_MAX
from .compiling import compiled

_LIMIT = float(STATE_MAX)


@compiled
def celif_forward(z, bias, te, keep_v, keep_h, resting, per_unit, half_width, spikes, packed, adaptation):  # type: ignore[no-untyped-def]
    """Run `contract.celif.step`, in float64, which is exact here: see `reference.celif_scan`.

    `z` and `te` are in SLAYER's units, `bias`, `resting` (at least 0) and `half_width` in state units. Writes `spikes`,
    `packed` and, unless it is empty, `adaptation`.
    """
    samples, steps, channels = z.shape
    v, h, after_reset = np.empty((3, channels))
    for n in range(samples):
        v[:] = 0
        h[:] = 0
        after_reset[:] = 0
        for t in range(steps):
            z_t, te_t, spikes_t, packed_t = z[n, t], te[t], spikes[n, t], packed[n, t]
            for c in range(channels):
                x = np.trunc(h[c] * keep_h[c]) + np.trunc(v[c] * np.float64(te_t[c]))
                # Not min() and max(): these forms become one instruction each.
                x = x if x < _LIMIT else _LIMIT
                x = x if x > -_LIMIT else -_LIMIT
                y = np.trunc(after_reset[c] * keep_v[c]) + (np.rint(np.float64(z_t[c]) * per_unit) + bias[c])
                y = y if y < _LIMIT else _LIMIT
                y = y if y > -_LIMIT else -_LIMIT
                theta = resting + x
                theta = theta if theta < _LIMIT else _LIMIT
                s = 1.0 if y > theta else 0.0
                near = 2.0 if abs(y - theta) < half_width else 0.0
                h[c] = x
                v[c] = y
                after_reset[c] = y * (1.0 - s)
                spikes_t[c] = s
                packed_t[c] = np.int32(4.0 * y + (near + s))  # in float64, where the lanes are; then one conversion
            if adaptation.size:
                adaptation[n, t] = h


@compiled
def celif_backward(grad, te, keep_v, keep_h, unit, height, packed, grad_z, grad_te, grad_bias):  # type: ignore[no-untyped-def]
    """Run `reference.celif_backward`, operation by operation.

    `grad` has T steps, or one that stands for all. Writes `grad_z`, adds to `grad_te` (T, C) and to `grad_bias`
    (C,), the sum of `grad_z`.
    """
    samples, steps, channels = packed.shape
    zero, two = grad.dtype.type(0), np.int32(2)
    stride = 1 if grad.shape[1] == steps else 0
    d, lam, total = np.empty((3, channels), keep_v.dtype)
    for n in range(samples):
        d[:] = 0
        lam[:] = 0
        total[:] = 0
        for t in range(steps - 1, -1, -1):
            grad_t, packed_t, grad_z_t = grad[n, t * stride], packed[n, t], grad_z[n, t]
            te_next = te[min(t + 1, steps - 1)]  # without effect in the last step, where lam is 0
            for c in range(channels):
                bits = packed_t[c]
                v = grad.dtype.type(bits >> two) * unit
                g = height if bits & two else zero
                kept = zero if bits & np.int32(1) else keep_v[c]
                fire = (grad_t[c] - keep_v[c] * v * d[c]) * g
                x = fire + kept * d[c] + te_next[c] * lam[c]
                lam[c] = keep_h[c] * lam[c] - fire
                d[c] = x
                total[c] += x
                grad_z_t[c] = x
            if t:
                before, grad_te_t = packed[n, t - 1], grad_te[t]
                for c in range(channels):
                    grad_te_t[c] += lam[c] * (grad.dtype.type(before[c] >> two) * unit)
        for c in range(channels):
            grad_bias[c] += np.float64(total[c])


@compiled
def cuba_forward(z, bias, keep_u, keep_v, limit, per_unit, unit, spikes, membrane, current):  # type: ignore[no-untyped-def]
    """Run `contract.cuba.step`, in float64, which is exact here: see `reference.cuba_scan`.

    `z` and `unit` are in SLAYER's units, `bias` and `limit` in state units. Writes `spikes`, `membrane` before its
    reset and, unless it is empty, `current`.
    """
    samples, steps, channels = z.shape
    half = _LIMIT + 1.0
    u, v = np.empty((2, channels))
    for n in range(samples):
        u[:] = 0
        v[:] = 0
        for t in range(steps):
            z_t, spikes_t, membrane_t = z[n, t], spikes[n, t], membrane[n, t]
            for c in range(channels):
                x = np.trunc(u[c] * keep_u[c]) + np.rint(np.float64(z_t[c]) * per_unit)
                low, high = x + 2.0 * half, x - 2.0 * half
                x = high if x > half else (low if x <= -half else x)
                y = np.trunc(v[c] * keep_v[c]) + x + bias[c]
                y = y if y < _LIMIT else _LIMIT
                y = y if y > -_LIMIT else -_LIMIT
                s = 1.0 if y > limit else 0.0
                u[c] = x
                v[c] = y * (1.0 - s)
                spikes_t[c] = s
                membrane_t[c] = y * unit
            if current.size:
                current[n, t] = u


@compiled
def cuba_backward(local, keep_u, keep_v, grad_z, grad_bias):  # type: ignore[no-untyped-def]
    """Run `reference.cuba_backward` from the surrogate's gradient on; writes `grad_z`, adds to `grad_bias` (C,)."""
    samples, steps, channels = local.shape
    d, x, total = np.empty((3, channels), keep_v.dtype)
    for n in range(samples):
        d[:] = 0
        x[:] = 0
        total[:] = 0
        for t in range(steps - 1, -1, -1):
            local_t, grad_z_t = local[n, t], grad_z[n, t]
            for c in range(channels):
                d[c] = local_t[c] + keep_v[c] * d[c]
                x[c] = d[c] + keep_u[c] * x[c]
                total[c] += d[c]
                grad_z_t[c] = x[c]
        for c in range(channels):
            grad_bias[c] += np.float64(total[c])


@compiled
def count(x, total):  # type: ignore[no-untyped-def]
    """Add `x` (N, T, C) up over its steps into `total` (N, C) and return its smallest value."""
    samples, steps, channels = x.shape
    low = np.full(channels, x.dtype.type(np.inf))
    for n in range(samples):
        total_n = total[n]
        total_n[:] = 0
        for t in range(steps):
            x_t = x[n, t]
            for c in range(channels):
                total_n[c] += np.float64(x_t[c])
                low[c] = x_t[c] if x_t[c] < low[c] else low[c]
    return low.min()

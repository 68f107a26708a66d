"""The loops of the CPU kernels, compiled by numba; the compiled code is cached on disk.

Arrays are C-contiguous, of shape (N, T, C). Inner loops run over channels and compile to SIMD: what keeps numba's
compiler from it, such as a row chosen by a condition, is avoided on purpose.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ....contract.compiled.celif import step
from ....contract.compiled.compiling import compiled, wide
from ....contract.compiled.registers import write


class GradientOperands(NamedTuple):
    """What the backward loop of CE-LIF reads besides gradients and encoding, in the dtype of the gradients."""

    keep_v: Any
    """Fraction of the membrane that a step keeps, shape (C,)."""
    keep_h: Any
    """Fraction of the threshold adaptation that a step keeps, shape (C,)."""
    unit: Any
    """One state unit in SLAYER's units."""
    height: Any
    """Height of the boxcar."""


@compiled
def celif_forward(z, te, layer, half_width, spikes, packed, adaptation):  # type: ignore[no-untyped-def]
    """Run `contract.compiled.celif.step`.

    `z` is in units of which ``layer.per_current`` makes state units, floats or integers, and `te` in SLAYER's; `layer`
    is a `CELIFOperands` and `half_width` in state units, both of the type that holds the registers. Writes `spikes`,
    `packed` and, unless it is empty, `adaptation`.
    """
    wide()
    samples, steps, channels = z.shape
    keep_v, keep_h, resting = layer.keep_v, layer.keep_h, layer.resting
    bias, per_current = layer.bias, layer.per_current
    number = keep_v.dtype.type
    none, near, two = np.int32(0), np.int32(2), np.int32(2)
    v, h, kept = np.empty((3, channels), keep_v.dtype)
    for n in range(samples):
        v[:] = 0
        h[:] = 0
        kept[:] = 0
        for t in range(steps):
            z_t, te_t, spikes_t, packed_t = z[n, t], te[t], spikes[n, t], packed[n, t]
            for c in range(channels):
                a = np.rint(number(z_t[c]) * per_current) + bias[c]
                y, h[c], kept[c], theta, s = step(
                    v[c], h[c], kept[c], a, number(te_t[c]), keep_v[c], keep_h[c], resting
                )
                v[c] = y
                spikes_t[c] = s
                bits = near if abs(y - theta) < half_width else none
                packed_t[c] = (np.int32(y) << two) + bits + np.int32(s)
            if adaptation.size:
                adaptation[n, t] = h


@compiled
def celif_integers(z, te, layer, spikes, v_out, h_out, theta_out):  # type: ignore[no-untyped-def]
    """Run `contract.compiled.celif.step` as `celif_forward` does, and write every register after every step."""
    wide()
    samples, steps, channels = z.shape
    keep_v, keep_h, resting = layer.keep_v, layer.keep_h, layer.resting
    bias, per_current = layer.bias, layer.per_current
    number = keep_v.dtype.type
    v, h, kept, theta, s = np.empty((5, channels), keep_v.dtype)
    for n in range(samples):
        v[:] = 0
        h[:] = 0
        kept[:] = 0
        for t in range(steps):
            z_t, te_t = z[n, t], te[t]
            for c in range(channels):
                a = np.rint(number(z_t[c]) * per_current) + bias[c]
                v[c], h[c], kept[c], theta[c], s[c] = step(
                    v[c], h[c], kept[c], a, number(te_t[c]), keep_v[c], keep_h[c], resting
                )
            write(s, spikes[n, t])
            write(v, v_out[n, t])
            write(h, h_out[n, t])
            write(theta, theta_out[n, t])


@compiled
def celif_backward(grad, te, layer, packed, grad_z, grad_te, grad_bias):  # type: ignore[no-untyped-def]
    """Run `reference.celif_backward`, operation by operation.

    `layer` is a `GradientOperands`; `grad` has T steps, or one that stands for all. Writes `grad_z`, adds to `grad_te`
    (T, C) and to `grad_bias` (C,), the sum of `grad_z`.
    """
    samples, steps, channels = packed.shape
    keep_v, keep_h, unit, height = layer.keep_v, layer.keep_h, layer.unit, layer.height
    zero, two = grad.dtype.type(0), np.int32(2)
    stride = 1 if grad.shape[1] == steps else 0
    d, lam, total = np.empty((3, channels), keep_v.dtype)
    for n in range(samples):
        d[:] = 0
        lam[:] = 0
        total[:] = 0
        for t in range(steps - 1, -1, -1):
            grad_t, packed_t, grad_z_t = grad[n, t * stride], packed[n, t], grad_z[n, t]
            after = min(t + 1, steps - 1)  # without effect in the last step, where lam is 0
            te_next, grad_te_next = te[after], grad_te[after]
            for c in range(channels):
                bits = packed_t[c]
                v = grad.dtype.type(bits >> two) * unit
                grad_te_next[c] += lam[c] * v
                g = height if bits & two else zero
                kept = zero if bits & np.int32(1) else keep_v[c]
                fire = (grad_t[c] - keep_v[c] * v * d[c]) * g
                x = fire + kept * d[c] + te_next[c] * lam[c]
                lam[c] = keep_h[c] * lam[c] - fire
                d[c] = x
                total[c] += x
                grad_z_t[c] = x
        for c in range(channels):
            grad_bias[c] += np.float64(total[c])


@compiled
def count(x, total):  # type: ignore[no-untyped-def]
    """Add `x` (N, T, C) up over its steps into `total` (N, C) and return its smallest value.

    Several steps lie side by side, so that a few channels fill a vector too.
    """
    samples, steps, channels = x.shape
    together = max(1, 64 // channels)
    width, whole = together * channels, steps - steps % together
    sums, low = np.zeros(width), np.full(width, x.dtype.type(np.inf))
    for n in range(samples):
        sums[:] = 0
        flat = x[n].reshape(steps * channels)
        for start in range(0, whole * channels, width):
            row = flat[start : start + width]
            for i in range(width):
                sums[i] += np.float64(row[i])
                low[i] = row[i] if row[i] < low[i] else low[i]
        for i in range(whole * channels, steps * channels):
            c = i - whole * channels
            sums[c] += np.float64(flat[i])
            low[c] = min(low[c], flat[i])
        total_n = total[n]
        total_n[:] = 0
        for i in range(width):
            total_n[i % channels] += sums[i]
    return low.min()

"""The kernels for CPUs: numba, SIMD over neurons, threads over samples.

Inside, tensors are (N, T, C): batch, time, channel. Neurons lie side by side there, so a step is one vector loop,
and that is the layout in which a matrix product over all steps and samples writes its result. The functions take
and return NCT tensors that are views of it, as ``channels_last`` images are; other layouts are copied.

The membrane and the two bits that the backward pass needs of a step travel in one int32,
``v << 2 | near << 1 | s``: 24 + 2 bits.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numba import njit

from ...contract.fixed import STATE_MAX
from .threads import share

_PARTS = 16
"""Samples are dealt out in this many parts at most: a fixed number, so that sums over them are too."""

_LIMIT = float(STATE_MAX)
_compile = njit(nogil=True, cache=True, error_model="numpy")


@_compile
def _celif_forward(z, te, keep_v, keep_h, resting, per_unit, half_width, spikes, packed, adaptation):  # type: ignore[no-untyped-def]
    """`contract.celif.step` over (N, T, C), in float64, which is exact here: see `reference.celif_scan`."""
    samples, steps, channels = z.shape
    v, h, after_reset = np.empty(channels), np.empty(channels), np.empty(channels)
    one, zero = spikes.dtype.type(1), spikes.dtype.type(0)
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
                y = np.trunc(after_reset[c] * keep_v[c]) + np.rint(np.float64(z_t[c]) * per_unit)
                y = y if y < _LIMIT else _LIMIT
                y = y if y > -_LIMIT else -_LIMIT
                theta = resting + x
                theta = theta if theta < _LIMIT else _LIMIT
                theta = theta if theta > -_LIMIT else -_LIMIT
                fires = y > theta
                near = abs(y - theta) < half_width
                h[c] = x
                v[c] = y
                after_reset[c] = 0.0 if fires else y
                spikes_t[c] = one if fires else zero
                bits = (np.int32(2) if near else np.int32(0)) | (np.int32(1) if fires else np.int32(0))
                packed_t[c] = (np.int32(y) << np.int32(2)) | bits
            if adaptation.size:
                adaptation[n, t] = h


@_compile
def _celif_backward(grad, te, keep_v, keep_h, unit, height, packed, grad_z, grad_te):  # type: ignore[no-untyped-def]
    """`reference.celif_backward` over (N, T, C), operation by operation; adds to `grad_te` (T, C)."""
    samples, steps, channels = grad.shape
    zero, two = grad.dtype.type(0), np.int32(2)
    d, lam = np.empty_like(keep_v), np.empty_like(keep_v)
    silent = np.zeros_like(keep_v)
    for n in range(samples):
        d[:] = 0
        lam[:] = 0
        for t in range(steps - 1, -1, -1):
            grad_t, packed_t, grad_z_t = grad[n, t], packed[n, t], grad_z[n, t]
            te_next = te[t + 1] if t + 1 < steps else silent
            for c in range(channels):
                bits = packed_t[c]
                v = grad.dtype.type(bits >> two) * unit
                g = height if bits & np.int32(2) else zero
                kept = zero if bits & np.int32(1) else keep_v[c]
                fire = (grad_t[c] - keep_v[c] * v * d[c]) * g
                x = fire + kept * d[c] + te_next[c] * lam[c]
                lam[c] = keep_h[c] * lam[c] - fire
                d[c] = x
                grad_z_t[c] = x
            if t:
                before, grad_te_t = packed[n, t - 1], grad_te[t]
                for c in range(channels):
                    grad_te_t[c] += lam[c] * (grad.dtype.type(before[c] >> two) * unit)


def celif_forward(
    z: torch.Tensor,
    te: torch.Tensor,
    keep_v: torch.Tensor,
    keep_h: torch.Tensor,
    threshold: float,
    unit: float,
    half_width: float,
) -> tuple[torch.Tensor, tuple[Any, ...]]:
    """Do as `reference.celif_forward`, bit for bit; currents must be finite."""
    spikes, packed, _ = celif_states(z, te, keep_v, keep_h, threshold, unit, half_width, with_h=False)
    return _nct(spikes), (torch.from_numpy(packed),)


def celif_states(
    z: torch.Tensor,
    te: torch.Tensor,
    keep_v: torch.Tensor,
    keep_h: torch.Tensor,
    threshold: float,
    unit: float,
    half_width: float,
    *,
    with_h: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the forward kernel writes: spikes, packed states and, if asked for, ``h`` in state units.

    Arrays of shape (N, T, C), of the dtype of `z`, of int32 and of float64; an ``h`` not asked for is empty.
    """
    z_in = _array(z.transpose(1, 2), z.dtype)
    te_in = _array(te.T, z.dtype)
    keep_v_in, keep_h_in = _array(keep_v, torch.float64), _array(keep_h, torch.float64)
    spikes, packed = np.empty_like(z_in), np.empty(z_in.shape, np.int32)
    h = np.empty(z_in.shape if with_h else (len(z_in), 0, 0))
    # The reference compares in the dtype of z, which a half-width of 0.2, say, is rounded to.
    near = float(z_in.dtype.type(half_width)) / unit
    parts = _parts(len(z_in))

    def run(part: int) -> None:
        n = parts[part]
        _celif_forward(
            z_in[n], te_in, keep_v_in, keep_h_in, threshold / unit, 1 / unit, near, spikes[n], packed[n], h[n]
        )

    share(run, len(parts))
    return spikes, packed, h


def celif_backward(
    grad: torch.Tensor,
    te: torch.Tensor,
    keep_v: torch.Tensor,
    keep_h: torch.Tensor,
    unit: float,
    height: float,
    trace: tuple[Any, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `reference.celif_backward`; sums over the batch add in another order, the same on any machine."""
    packed = trace[0].numpy()
    grad_in = _array(grad.transpose(1, 2), grad.dtype)
    te_in, keep_v_in, keep_h_in = (_array(x, grad.dtype) for x in (te.T, keep_v, keep_h))
    dtype = grad_in.dtype.type
    grad_z = np.empty_like(grad_in)
    parts = _parts(len(packed))
    partial = np.zeros((len(parts), *packed.shape[1:]), dtype)

    def run(part: int) -> None:
        n = parts[part]
        _celif_backward(
            grad_in[n], te_in, keep_v_in, keep_h_in, dtype(unit), dtype(height), packed[n], grad_z[n], partial[part]
        )

    share(run, len(parts))
    return _nct(grad_z), torch.from_numpy(partial.sum(0).T)


def _parts(samples: int) -> list[slice]:
    """Deal out samples: slices of nearly equal length that do not depend on the number of threads."""
    parts = min(samples, _PARTS)
    edges = [samples * i // parts for i in range(parts + 1)] if parts else []
    return [slice(*edge) for edge in pairwise(edges)]


def _array(x: torch.Tensor, dtype: torch.dtype) -> np.ndarray:
    """Return a C-contiguous array of `dtype`, without a copy if the tensor is one."""
    return x.detach().to(dtype).contiguous().numpy()


def _nct(x: np.ndarray) -> torch.Tensor:
    """Return an array of shape (N, T, C) as a tensor of shape (N, C, T) on the same memory."""
    return torch.from_numpy(x).transpose(1, 2)

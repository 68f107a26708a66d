"""The kernels for CUDA devices, in Triton.

A program runs a tile of samples and channels through time, in float64 where the contract speaks. Triton gives a
kernel's float arguments 32 bits, so factors travel in small float64 tensors. Fused multiply-adds are off: they round
once where the reference rounds twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from ...contract.fixed import STATE_MAX
from .api import (
    ALIFKernels,
    CELIFConstants,
    CELIFDense,
    CELIFRecurrent,
    Fired,
    FloatCELIFKernels,
    GatedKernels,
    LIFKernels,
    NormedLIFKernels,
)
from .reference import celif_integers as celif_integers
from .reference import celif_scan as celif_scan
from .reference import count as count
from .reference import recurrent_backward, recurrent_forward

celif_recurrent = CELIFRecurrent(recurrent_forward, recurrent_backward)
celif_dense: CELIFDense | None = None
"""A block multiplies, then calls `celif_forward`."""
lif: LIFKernels | None = None
"""`sequence.layer.Neurons` steps through time in PyTorch."""
float_celif: FloatCELIFKernels | None = None
"""`neurons.FloatCELIF` steps through time in PyTorch."""
alif: ALIFKernels | None = None
"""`neurons.ALIF` steps through time in PyTorch."""
normed_lif: NormedLIFKernels | None = None
"""`sequence.layer.Layer` has a norm, then neurons."""
gated: GatedKernels | None = None
"""`sequence.gru.GRULayer` steps along the sequence."""

_SAMPLES, _CHANNELS = 8, 32
"""A program's tile. Sums over the batch add within tiles first, in a fixed order."""

_LIMIT = tl.constexpr(float(STATE_MAX))
_BEYOND = tl.constexpr(2.0**45)
"""Currents are clipped here before they are rounded; the register saturates long before."""
_ROUNDER = tl.constexpr(1.5 * 2.0**52)
"""Adding and subtracting it rounds a float64 to whole numbers, half to even."""


@triton.jit
def _trunc(x):  # type: ignore[no-untyped-def]
    return tl.where(x < 0, tl.ceil(x), tl.floor(x))


@triton.jit
def _clip(x, limit):  # type: ignore[no-untyped-def]
    return tl.minimum(tl.maximum(x, -limit), limit)


@triton.jit
def _whole(x, per_unit):  # type: ignore[no-untyped-def]
    return (_clip(x.to(tl.float64) * per_unit, _BEYOND) + _ROUNDER) - _ROUNDER


@triton.jit
def _tile(n_samples, n_channels, samples: tl.constexpr, channels: tl.constexpr):  # type: ignore[no-untyped-def]
    n = tl.program_id(0).to(tl.int64) * samples + tl.arange(0, samples)[:, None]
    c = tl.program_id(1) * channels + tl.arange(0, channels)[None, :]
    return n, c, (n < n_samples) & (c < n_channels)


@triton.jit
def _celif_forward(  # type: ignore[no-untyped-def]
    z, te, keep_v, keep_h, scalars, spikes, packed, n_samples, steps, n_channels, S: tl.constexpr, C: tl.constexpr
):
    n, c, inside = _tile(n_samples, n_channels, S, C)
    alpha, beta = tl.load(keep_v + c, c < n_channels, 0.0), tl.load(keep_h + c, c < n_channels, 0.0)
    resting, per_unit, half_width = tl.load(scalars), tl.load(scalars + 1), tl.load(scalars + 2)
    v = tl.zeros((S, C), tl.float64)
    h = tl.zeros((S, C), tl.float64)
    s = tl.zeros((S, C), tl.float64)
    for t in range(steps):
        at = (n * steps + t) * n_channels + c
        te_t = tl.load(te + t * n_channels + c, c < n_channels, 0.0).to(tl.float64)
        h = _clip(_trunc(h * beta) + _trunc(v * te_t), _LIMIT)
        v = _clip(_trunc(v * (1.0 - s) * alpha) + _whole(tl.load(z + at, inside, 0.0), per_unit), _LIMIT)
        theta = _clip(resting + h, _LIMIT)
        s = tl.where(v > theta, 1.0, 0.0).to(tl.float64)
        near = tl.where(tl.abs(v - theta) < half_width, 2.0, 0.0)
        tl.store(spikes + at, s.to(spikes.dtype.element_ty), inside)
        tl.store(packed + at, (4.0 * v + (near + s)).to(tl.int32), inside)


@triton.jit
def _celif_backward(  # type: ignore[no-untyped-def]
    grad,
    te,
    keep_v,
    keep_h,
    scalars,
    packed,
    grad_z,
    grad_te,
    n_samples,
    steps,
    n_channels,
    S: tl.constexpr,
    C: tl.constexpr,
):
    n, c, inside = _tile(n_samples, n_channels, S, C)
    alpha, beta = tl.load(keep_v + c, c < n_channels, 0.0), tl.load(keep_h + c, c < n_channels, 0.0)
    unit, height = tl.load(scalars), tl.load(scalars + 1)
    d = tl.zeros((S, C), grad.dtype.element_ty)
    lam = tl.zeros((S, C), grad.dtype.element_ty)
    te_next = tl.zeros((1, C), grad.dtype.element_ty)
    for back in range(steps):
        t = steps - 1 - back
        at = (n * steps + t) * n_channels + c
        bits = tl.load(packed + at, inside, 0)
        v = (bits >> 2).to(d.dtype) * unit
        g = tl.where((bits & 2) != 0, height, 0.0).to(d.dtype)
        kept = tl.where((bits & 1) != 0, 0.0, alpha).to(d.dtype)
        fire = (tl.load(grad + at, inside, 0.0) - alpha * v * d) * g
        d = fire + kept * d + te_next * lam
        lam = beta * lam - fire
        tl.store(grad_z + at, d, inside)
        te_next = tl.load(te + t * n_channels + c, c < n_channels, 0.0)
        before = tl.load(packed + at - n_channels, inside & (n * 0 + t > 0), 0)
        moved = tl.sum(tl.where(inside, lam * ((before >> 2).to(d.dtype) * unit), 0.0), axis=0)[None, :]
        tl.store(grad_te + (tl.program_id(0).to(tl.int64) * steps + t) * n_channels + c, moved, c < n_channels)


def celif_forward(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Fired:
    """Do as `reference.celif_forward`, bit for bit."""
    unit, keep_v, keep_h = constants.unit, constants.keep_v.double(), constants.keep_h.double()
    z_in, te_in = _time_major(z), te.detach().T.contiguous()
    spikes, packed = torch.empty_like(z_in), torch.empty_like(z_in, dtype=torch.int32)
    near = torch.tensor(constants.half_width, dtype=z.dtype).item() / unit  # as the reference compares it
    scalars = _scalars(z, torch.float64, constants.threshold / unit, 1 / unit, near)
    _launch(_celif_forward, z_in, z_in, te_in, keep_v, keep_h, scalars, spikes, packed)
    return spikes.transpose(1, 2), (packed,)


def celif_backward(
    grad: torch.Tensor, te: torch.Tensor, constants: CELIFConstants, trace: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `reference.celif_backward`; sums over the batch add in another order, a fixed one."""
    (packed,) = trace
    grad_in, te_in = _time_major(grad), te.detach().T.to(grad.dtype).contiguous()
    keep_v, keep_h = constants.keep_v.to(grad.dtype), constants.keep_h.to(grad.dtype)
    grad_z = torch.empty_like(grad_in)
    partial = grad_in.new_zeros(triton.cdiv(len(grad_in), _SAMPLES), *grad_in.shape[1:])
    scalars = _scalars(grad, grad.dtype, constants.unit, constants.height)
    _launch(_celif_backward, grad_in, grad_in, te_in, keep_v, keep_h, scalars, packed, grad_z, partial)
    return grad_z.transpose(1, 2), partial.sum(0).T


def _time_major(x: torch.Tensor) -> torch.Tensor:
    return x.detach().transpose(1, 2).contiguous()


def _scalars(like: torch.Tensor, dtype: torch.dtype, *values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, device=like.device)


def _launch(kernel: Any, shaped: torch.Tensor, *arrays: torch.Tensor) -> None:
    """Run a kernel over the tiles of an array of shape (N, T, C)."""
    samples, steps, channels = shaped.shape
    if shaped.numel() == 0:
        return
    grid = triton.cdiv(samples, _SAMPLES), triton.cdiv(channels, _CHANNELS)
    with torch.cuda.device_of(shaped):
        kernel[grid](*arrays, samples, steps, channels, S=_SAMPLES, C=_CHANNELS, num_warps=2, enable_fp_fusion=False)

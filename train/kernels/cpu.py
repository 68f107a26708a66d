"""The kernels for CPUs: numba, SIMD over neurons, threads over samples.

Inside, tensors are (N, T, C): batch, time, channel. Neurons lie side by side there, so a step is one vector loop,
and that is the layout in which a matrix product over all steps and samples writes its result. The functions take
and return NCT tensors that are views of it, as ``channels_last`` images are; other layouts are copied.

The membrane and the two bits that the backward pass needs of a step travel in one int32,
``v << 2 | near << 1 | s``: 24 + 2 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from . import cpu_loops
from .cpu_lif import lif_backward as lif_backward
from .cpu_lif import lif_forward as lif_forward
from .reference import cuba_surrogate
from .threads import share

_PARTS = 16
"""Samples are dealt out in this many parts at most: a fixed number, so that sums over them add in a fixed order."""

_BLOCK_BYTES = 2**21
"""Currents of a block of samples, between a matrix product and the neurons: small enough for a core's cache."""


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
    spikes, packed, _ = celif_states(z, te, keep_v, keep_h, threshold, unit, half_width)
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
    with_h: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the forward kernel writes: spikes, packed states and, if asked for, ``h`` in state units.

    Arrays of shape (N, T, C), of the dtype of `z`, of int32 and of float64; an ``h`` not asked for is empty.
    """
    z_in = _array(z.transpose(1, 2), z.dtype)
    spikes, packed = np.empty_like(z_in), np.empty(z_in.shape, np.int32)
    h = np.empty(z_in.shape if with_h else (len(z_in), 0, 0))
    run = _forward_runner(z_in.dtype.type, None, te, keep_v, keep_h, threshold, unit, half_width)
    _deal(len(z_in), lambda part, n: run(z_in[n], spikes[n], packed[n], h[n]))
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
    grad_in = _gradient(grad)
    grad_z = np.empty(packed.shape, grad_in.dtype)
    run, sums = _backward_runner(grad_in.dtype.type, packed.shape, te, keep_v, keep_h, unit, height)
    _deal(len(packed), lambda part, n: run(part, grad_in[n], packed[n], grad_z[n]))
    return _nct(grad_z), sums()[0]


@torch.autocast("cpu", enabled=False)  # a product in half precision would round
def celif_dense_forward(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    te: torch.Tensor,
    keep_v: torch.Tensor,
    keep_h: torch.Tensor,
    threshold: float,
    unit: float,
    half_width: float,
) -> tuple[torch.Tensor, tuple[Any, ...]]:
    """Return the spikes of a dense layer, as `celif_forward` of ``weight @ x + bias``.

    The currents exist for a chunk of samples at a time, which saves the passes over memory that they would cost.

    Parameters
    ----------
    x : Tensor, shape (N, I, T)
        Inputs, of a dtype in which the sums are exact.
    weight : Tensor, shape (C, I)
        Weights in SLAYER's units, of the dtype of `x`.
    bias : Tensor, shape (C,), or None
        Biases, multiples of `unit`.
    te, keep_v, keep_h, threshold, unit, half_width
        As in `reference.celif_forward`.

    Returns
    -------
    spikes : Tensor, shape (N, C, T)
    trace : tuple
        What `celif_dense_backward` wants.
    """
    x_tm, weight_t = x.detach().transpose(1, 2).contiguous(), weight.detach().T
    samples, steps, inputs = x_tm.shape
    channels = len(weight)
    spikes = np.empty((samples, steps, channels), x_tm.numpy().dtype)
    packed, h = np.empty(spikes.shape, np.int32), np.empty((samples, 0, 0))
    neurons = _forward_runner(spikes.dtype.type, bias, te, keep_v, keep_h, threshold, unit, half_width)

    def run(part: int, n: slice) -> None:
        for b in _blocks(n, spikes):
            z = torch.mm(x_tm[b].view(-1, inputs), weight_t).view(-1, steps, channels).numpy()
            neurons(z, spikes[b], packed[b], h[b])

    _deal(samples, run)
    return _nct(spikes), (x_tm, torch.from_numpy(packed))


@torch.autocast("cpu", enabled=False)
def celif_dense_backward(
    grad: torch.Tensor,
    weight: torch.Tensor,
    te: torch.Tensor,
    keep_v: torch.Tensor,
    keep_h: torch.Tensor,
    unit: float,
    height: float,
    trace: tuple[Any, ...],
    needs_x: bool,
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Go back through `celif_dense_forward`.

    Returns
    -------
    grad_x : Tensor, shape (N, I, T)
        None unless `needs_x`.
    grad_weight : Tensor, shape (C, I)
    grad_bias : Tensor, shape (C,)
    grad_te : Tensor, shape (C, T)
    """
    x_tm, packed = trace[0], trace[1].numpy()
    weight, grad_in = weight.detach(), _gradient(grad)
    inputs, channels = x_tm.shape[-1], packed.shape[-1]
    grad_x = torch.empty_like(x_tm) if needs_x else None
    partial_weight = torch.zeros((min(_PARTS, len(packed)), *weight.shape), dtype=weight.dtype)
    neurons, sums = _backward_runner(grad_in.dtype.type, packed.shape, te, keep_v, keep_h, unit, height)

    def run(part: int, n: slice) -> None:
        for b in _blocks(n, packed):
            grad_z = np.empty(packed[b].shape, grad_in.dtype)
            neurons(part, grad_in[b], packed[b], grad_z)
            flat = torch.from_numpy(grad_z).view(-1, channels)
            partial_weight[part].addmm_(flat.T, x_tm[b].view(-1, inputs))
            if grad_x is not None:
                torch.mm(flat, weight, out=grad_x[b].view(-1, inputs))

    _deal(len(packed), run)
    grad_te, grad_bias = sums()
    return None if grad_x is None else grad_x.transpose(1, 2), _sum(partial_weight.numpy()), grad_bias, grad_te


def cuba_forward(
    z: torch.Tensor, bias: torch.Tensor, keep_u: torch.Tensor, keep_v: torch.Tensor, threshold: float, unit: float
) -> tuple[torch.Tensor, tuple[Any, ...]]:
    """Do as `reference.cuba_forward`, bit for bit; currents must be finite."""
    spikes, membrane, _ = cuba_states(z, bias, keep_u, keep_v, threshold, unit)
    return _nct(spikes), (torch.from_numpy(membrane),)


def cuba_states(
    z: torch.Tensor,
    bias: torch.Tensor,
    keep_u: torch.Tensor,
    keep_v: torch.Tensor,
    threshold: float,
    unit: float,
    *,
    with_u: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the forward kernel writes: spikes, membrane before its reset and, if asked for, ``u``.

    Arrays of shape (N, T, C); the membrane in SLAYER's units, ``u`` in state units.
    """
    z_in = _array(z.transpose(1, 2), z.dtype)
    bias_in, keep_u_in, keep_v_in = (_array(x, torch.float64) for x in (bias, keep_u, keep_v))
    bias_in = np.rint(bias_in / unit)
    spikes, membrane = np.empty_like(z_in), np.empty_like(z_in)
    u = np.empty(z_in.shape if with_u else (len(z_in), 0, 0))
    _deal(
        len(z_in),
        lambda part, n: cpu_loops.cuba_forward(
            z_in[n], bias_in, keep_u_in, keep_v_in, threshold / unit, 1 / unit, unit, spikes[n], membrane[n], u[n]
        ),
    )
    return spikes, membrane, u


def cuba_backward(
    grad: torch.Tensor,
    keep_u: torch.Tensor,
    keep_v: torch.Tensor,
    threshold: float,
    tau: float,
    height: float,
    trace: tuple[Any, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `reference.cuba_backward`; sums over samples and steps add in another order, the same on any machine."""
    local = _array(cuba_surrogate(grad.transpose(1, 2), trace[0], threshold, tau, height), grad.dtype)
    keep_u_in, keep_v_in = (_array(x, grad.dtype) for x in (keep_u, keep_v))
    grad_z = np.empty_like(local)
    partial = np.zeros((min(_PARTS, len(local)), local.shape[2]))
    _deal(
        len(local),
        lambda part, n: cpu_loops.cuba_backward(local[n], keep_u_in, keep_v_in, grad_z[n], partial[part]),
    )
    return _nct(grad_z), torch.from_numpy(partial.sum(0).astype(local.dtype))


def count(x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Do as `reference.count`."""
    x_in = _array(x.transpose(1, 2), x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32)
    total = np.zeros((len(x_in), x_in.shape[2]))
    lows: list[float] = []
    if x_in.size:
        _deal(len(x_in), lambda part, n: lows.append(float(cpu_loops.count(x_in[n], total[n]))))
    return torch.from_numpy(total), min(lows, default=0.0)


def _forward_runner(  # type: ignore[no-untyped-def]
    dtype, bias, te, keep_v, keep_h, threshold, unit, half_width
) -> Callable[..., None]:
    """Bind a layer's parameters to the forward loop: a function of currents, spikes, packed states and h."""
    te_in = np.ascontiguousarray(te.detach().numpy().T, dtype)
    keep_v_in, keep_h_in = _array(keep_v, torch.float64), _array(keep_h, torch.float64)
    bias_in = np.zeros(len(keep_v_in)) if bias is None else _array(bias, torch.float64) / unit
    # The reference compares in the dtype of z, which a half-width of 0.2, say, is rounded to.
    near = float(dtype(half_width)) / unit

    def run(z: np.ndarray, spikes: np.ndarray, packed: np.ndarray, h: np.ndarray) -> None:
        cpu_loops.celif_forward(
            z, bias_in, te_in, keep_v_in, keep_h_in, threshold / unit, 1 / unit, near, spikes, packed, h
        )

    return run


def _backward_runner(  # type: ignore[no-untyped-def]
    dtype, shape, te, keep_v, keep_h, unit, height
) -> tuple[Callable[..., None], Callable[[], tuple[torch.Tensor, torch.Tensor]]]:
    """Bind a layer's parameters to the backward loop, and return how to sum up what its parts have gathered."""
    te_in, keep_v_in, keep_h_in = (np.ascontiguousarray(x.detach().numpy().T, dtype) for x in (te, keep_v, keep_h))
    partial_te = np.zeros((min(_PARTS, shape[0]), *shape[1:]), dtype)
    partial_bias = np.zeros((len(partial_te), shape[2]))

    def run(part: int, grad: np.ndarray, packed: np.ndarray, grad_z: np.ndarray) -> None:
        cpu_loops.celif_backward(
            grad,
            te_in,
            keep_v_in,
            keep_h_in,
            dtype(unit),
            dtype(height),
            packed,
            grad_z,
            partial_te[part],
            partial_bias[part],
        )

    def sums() -> tuple[torch.Tensor, torch.Tensor]:
        return _sum(partial_te).T, torch.from_numpy(partial_bias.sum(0).astype(dtype))

    return run, sums


def _deal(samples: int, run: Callable[[int, slice], None]) -> None:
    """Call ``run(part, slice of samples)`` for every part, on several threads."""
    parts = min(samples, _PARTS)
    if parts:
        slices = [slice(*edges) for edges in pairwise(samples * i // parts for i in range(parts + 1))]
        share(lambda part: run(part, slices[part]), parts)


def _blocks(samples: slice, x: np.ndarray) -> list[slice]:
    """Cut a part into blocks of about `_BLOCK_BYTES` of an array (N, T, C), one sample at least."""
    size = max(1, _BLOCK_BYTES // max(1, x[:1].size * 4))
    return [slice(b, min(b + size, samples.stop)) for b in range(samples.start, samples.stop, size)]


def _sum(parts: np.ndarray) -> torch.Tensor:
    """Add up parts, in NumPy: torch's threads would spin beside the next layer's."""
    return torch.from_numpy(parts.sum(0))


def _array(x: torch.Tensor, dtype: torch.dtype) -> np.ndarray:
    """Return a C-contiguous array of `dtype`, without a copy if the tensor is one."""
    return x.detach().to(dtype).contiguous().numpy()


def _gradient(grad: torch.Tensor) -> np.ndarray:
    """Return a gradient as (N, T, C), or as (N, 1, C) where it is the same at every step, as a mean's is."""
    if grad.stride(-1) == 0:
        grad = grad[..., :1]
    return _array(grad.transpose(1, 2), grad.dtype)


def _nct(x: np.ndarray) -> torch.Tensor:
    """Return an array of shape (N, T, C) as a tensor of shape (N, C, T) on the same memory."""
    return torch.from_numpy(x).transpose(1, 2)

"""CUBA neurons over a whole sequence, differentiable."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from . import select


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z, bias, keep_u, keep_v, threshold, unit, tau, height):  # type: ignore[no-untyped-def]
        ctx.kernels = select.kernels(z.device)
        spikes, trace = ctx.kernels.cuba_forward(z, bias, keep_u, keep_v, threshold, unit)
        ctx.save_for_backward(keep_u, keep_v, *trace)
        ctx.surrogate = threshold, tau, height
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        keep_u, keep_v, *trace = ctx.saved_tensors
        grads = ctx.kernels.cuba_backward(grad, keep_u, keep_v, *ctx.surrogate, trace)
        return *grads, None, None, None, None, None, None


def fire(
    z: torch.Tensor,
    bias: torch.Tensor,
    keep_u: torch.Tensor,
    keep_v: torch.Tensor,
    threshold: float,
    unit: float,
    *,
    tau: float,
    height: float = 1.0,
) -> torch.Tensor:
    """Return the spikes of a CUBA layer: `contract.cuba.step` forward, SLAYER's gradients backward.

    Parameters
    ----------
    z : Tensor, shape (N, C, T)
        Input currents in SLAYER's units.
    bias, keep_u, keep_v, threshold, unit
        As in `reference.cuba_scan`.
    tau : float
        Width of the surrogate, SLAYER's ``tau_rho``.
    height : float
        SLAYER's ``scale_rho``.

    Returns
    -------
    Tensor, shape (N, C, T)
        0 or 1.
    """
    return _Fire.apply(z, bias, keep_u, keep_v, threshold, unit, tau, height)

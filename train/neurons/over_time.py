"""The spikes of floating-point neurons over all steps at once, where kernels compute them."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ..kernels import select
from ..kernels.api import FloatCELIFConstants, FloatCELIFKernels


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, te: torch.Tensor, kernels: FloatCELIFKernels, constants: FloatCELIFConstants
    ) -> torch.Tensor:
        ctx.kernels, ctx.constants = kernels, constants
        spikes, trace = kernels.forward(x, te, constants)
        ctx.save_for_backward(te, *trace)
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        te, *trace = ctx.saved_tensors
        grad_x, grad_te = ctx.kernels.backward(grad, te, ctx.constants, trace)
        return grad_x, grad_te, None, None


def over_time(x: torch.Tensor, te: torch.Tensor | None, constants: FloatCELIFConstants) -> torch.Tensor | None:
    """Return the spikes of all steps, or None where no kernel computes them.

    They are those that the neurons send step by step, bit for bit.

    Parameters
    ----------
    x : Tensor, shape (N, T, C)
        Currents.
    te : Tensor, shape (C, columns), optional
        Encoding of the neurons; past the last column it begins again. None has no effect.
    constants : FloatCELIFConstants
        What the neurons are.
    """
    kernels, steps = select.kernels(x.device).float_celif, x.shape[1]
    if kernels is None or x.dtype != torch.float32 or not steps:
        return None
    if te is None:
        te = x.new_zeros(x.shape[2], steps)
    columns = te.shape[1]
    te = te[:, :steps] if steps <= columns else te[:, torch.arange(steps) % columns]
    spikes: torch.Tensor = _Fire.apply(x, te, kernels, constants)
    return spikes

"""The spikes of floating-point neurons over all steps at once, where kernels compute them."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ..kernels.api import ALIFConstants, ALIFKernels, FloatCELIFConstants, FloatCELIFKernels

Kernels = FloatCELIFKernels | ALIFKernels
Constants = FloatCELIFConstants | ALIFConstants


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kernels: Any, constants: Constants, *learned: torch.Tensor) -> torch.Tensor:
        ctx.kernels, ctx.constants, ctx.count = kernels, constants, len(learned)
        spikes: torch.Tensor
        spikes, trace = kernels.forward(x, *learned, constants)
        ctx.save_for_backward(*learned, *trace)
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        learned, trace = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        of_x, *of_learned = ctx.kernels.backward(grad, *learned, ctx.constants, trace)
        return of_x, None, None, *of_learned


def over_time(
    x: torch.Tensor, kernels: Kernels | None, constants: Constants, *learned: torch.Tensor
) -> torch.Tensor | None:
    """Return the spikes of all steps, or None where no kernel computes them.

    They are those that the neurons send step by step, bit for bit.

    Parameters
    ----------
    x : Tensor, shape (N, T, C)
        Currents.
    kernels : FloatCELIFKernels, ALIFKernels or None
        Those of the neurons on the device of `x`.
    constants : FloatCELIFConstants or ALIFConstants
        What the neurons are.
    *learned : Tensor
        What learns beside the currents, in the order in which the kernels take it.
    """
    if kernels is None or x.dtype != torch.float32 or not x.shape[1]:
        return None
    spikes: torch.Tensor = _Fire.apply(x, kernels, constants, *learned)
    return spikes

"""CE-LIF neurons as torch functions: kernels forward, surrogate gradients backward."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ..kernels import select
from ..kernels.api import CELIFConstants, CELIFDense


class Fire(torch.autograd.Function):
    """Spikes of a layer over a whole sequence; the rules stand in `kernels.reference`."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> torch.Tensor:
        """Run the kernels, and keep what the backward pass needs."""
        ctx.kernels, ctx.constants = select.kernels(z.device), constants
        spikes, trace = ctx.kernels.celif_forward(z, te, constants)
        ctx.save_for_backward(te, *trace)
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        """Go back in time."""
        te, *trace = ctx.saved_tensors
        return *ctx.kernels.celif_backward(grad, te, ctx.constants, trace), None


def fired(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> torch.Tensor:
    """Return the spikes of CE-LIF neurons, with gradients.

    Parameters
    ----------
    z : Tensor, shape (N, C, T)
        Input currents in SLAYER's units.
    te : Tensor, shape (C, T)
        Encoding, real values.
    constants : CELIFConstants
        The layer's constants.

    Returns
    -------
    Tensor, shape (N, C, T)
        0 or 1.
    """
    spikes: torch.Tensor = Fire.apply(z, te, constants)
    return spikes


class DenseFire(torch.autograd.Function):
    """Spikes of a dense layer in one call, which may come back to it a step later."""

    @staticmethod
    def forward(ctx: Any, x, weight, bias, feedback, te, kernels: CELIFDense, constants: CELIFConstants):  # type: ignore[no-untyped-def]
        """Run the kernels, and keep what the backward pass needs."""
        ctx.kernels, ctx.constants = kernels, constants
        spikes, trace = kernels.forward(x, weight, bias, feedback, te, constants)
        ctx.save_for_backward(weight, feedback, te, *trace, *(() if feedback is None else (spikes,)))
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        """Go back in time."""
        weight, feedback, te, *trace = ctx.saved_tensors
        grad_x, grad_weight, grad_bias, grad_feedback, grad_te = ctx.kernels.backward(
            grad, weight, feedback, te, ctx.constants, trace, ctx.needs_input_grad[0]
        )
        return grad_x, grad_weight, grad_bias if ctx.needs_input_grad[2] else None, grad_feedback, grad_te, None, None


class RecurrentFire(torch.autograd.Function):
    """Spikes of a layer whose spikes come back to it a step later."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, te: torch.Tensor, weight: torch.Tensor, constants: CELIFConstants) -> Any:
        """Run the kernels, and keep what the backward pass needs."""
        ctx.kernels, ctx.constants = select.kernels(z.device).celif_recurrent, constants
        spikes, trace = ctx.kernels.forward(z, te, weight, constants)
        ctx.save_for_backward(te, weight, spikes, *trace)
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        """Go back in time."""
        te, weight, spikes, *trace = ctx.saved_tensors
        grad_z, grad_te = ctx.kernels.backward(grad, te, weight, ctx.constants, trace)
        # What a neuron receives in a step was sent in the step before.
        received, sent = (x.transpose(0, 1).flatten(1) for x in (grad_z[..., 1:], spikes[..., :-1]))
        return grad_z, grad_te, received @ sent.T.to(received.dtype), None

"""lava-dl's ``_LIDynamics``, the leaky integrator of CUBA and ALIF neurons, on the compiled kernel."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ...kernels.cpu import leaky


def dynamics(module: ModuleType) -> type[torch.autograd.Function]:
    """Return a stand-in for lava-dl's ``_LIDynamics`` that falls back on `module`'s own functions.

    A call for one step, as recurrent blocks make it, stays stock: there is no loop to compile.
    """

    class FusedLIDynamics(torch.autograd.Function):
        DEBUG = False  # lava-dl sets it at every call

        @staticmethod
        def forward(ctx: Any, x, decay, state, threshold, scale):  # type: ignore[no-untyped-def]
            fits = (
                x.device.type == "cpu"
                and x.dtype == state.dtype == torch.get_default_dtype() == torch.float32
                and x.shape[-1] > 1
                and x.numel() > 0
                and x.shape[:-1] == state.shape
            )
            y = leaky.forward(x, decay, state, threshold, scale) if fits else None
            ctx.fused = y is not None
            if y is None:
                y = module._li_dynamics_fwd(x, decay, state, threshold, scale, dtype=torch.int64)
            # Stock keeps the output always; only a learned decay needs it.
            ctx.save_for_backward(decay, *([y] if ctx.needs_input_grad[1] or not ctx.fused else []))
            return y

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
            decay, *kept = ctx.saved_tensors
            if not ctx.fused:
                return *module._li_dynamics_bwd(grad, *kept, decay), None, None, None
            grad_x = leaky.backward(grad, decay)
            grad_decay = None
            if kept:
                # As lava-dl sums it: over everything, or all but the first dimension after the batch.
                product = grad_x[..., 1:] * kept[0][..., :-1]
                if decay.numel() == 1:
                    grad_decay = product.flatten().sum(0, keepdim=True)
                else:
                    grad_decay = product.sum((0, -1))
                    if grad_decay.dim() != 1:
                        grad_decay = grad_decay.flatten(1).sum(1)
            return grad_x, grad_decay, None, None, None

    return FusedLIDynamics

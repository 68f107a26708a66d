"""lava-dl's ``_delayFunction``, a learned delay for each neuron, as compiled shifts.

Stock shifts one neuron after the other in a Python loop, and computes the gradient of the delays with a convolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from .arrays import is_float32, over_samples, rows
from .loops import turning

_LONGEST = 2**31
"""Delays from here on are left to stock."""


def function(stock: Any) -> type[torch.autograd.Function]:
    """Return a stand-in for lava-dl's ``_delayFunction``; what it does not hold is left to `stock`."""

    class FusedDelay(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x, delay, grad_scale, sampling_time):  # type: ignore[no-untyped-def]
            ctx.fused = (
                is_float32(x, delay)
                and sampling_time == 1
                and x.numel() > 0
                and delay.numel() == x[0, ..., 0].numel()
                and bool(((delay >= 0) & (delay < _LONGEST)).all())
            )
            if not ctx.fused:
                return stock.forward(ctx, x, delay, grad_scale, sampling_time)
            steps = delay.detach().flatten().to(torch.int64)
            y = torch.empty(x.shape)
            x_in, d, out = rows(x), steps.numpy(), rows(y)
            over_samples(len(out), lambda n: turning.shift(x_in[n], d, out[n]))
            ctx.grad_scale = grad_scale
            ctx.save_for_backward(y, steps)
            return y

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
            if not ctx.fused:
                return stock.backward(ctx, grad)
            y, steps = ctx.saved_tensors
            grad_x = torch.empty(grad.shape)
            grad_in, d, shifted, out = rows(grad), steps.numpy(), rows(y), rows(grad_x)
            each = np.empty(out.shape[:2])
            over_samples(len(out), lambda n: turning.shift_back(grad_in[n], d, shifted[n], out[n], each[n]))
            total = torch.from_numpy(each.sum(0)).float().reshape(grad.shape[1:-1])
            return grad_x, total * ctx.grad_scale, None, None

    return FusedDelay

"""Straight-through rounding: integer values forward, plain gradients backward.

The float twins of the contract's registers. A twin holds the register divided by a power of two, so float32
carries every 24-bit register exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_SMALL = 2**20
"""Up to this many values NumPy is faster than torch, which starts and awaits its threads for every operation."""


class _Quantize(torch.autograd.Function):
    """Round half to even, as NumPy does, and clip; the gradient passes the rounding and stops at the clipping."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, step: float, low: int, high: int) -> torch.Tensor:
        ctx.small = x.device.type == "cpu" and x.numel() <= _SMALL and x.dtype in (torch.float32, torch.float64)
        if ctx.small:
            whole = np.rint(x.detach().numpy() / step)
            ctx.inside = (whole >= low) & (whole <= high)
            return torch.from_numpy(np.asarray(whole.clip(low, high) * step))
        k = torch.round(x / step)
        ctx.save_for_backward((k >= low) & (k <= high))
        return k.clamp(low, high) * step

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if ctx.small and not torch.is_grad_enabled():
            return torch.from_numpy(np.asarray(grad.numpy() * ctx.inside)), None, None, None
        inside = torch.from_numpy(np.asarray(ctx.inside)) if ctx.small else ctx.saved_tensors[0]
        return grad * inside, None, None, None


def quantize(x: torch.Tensor, step: float, low: int, high: int) -> torch.Tensor:
    """Round to the nearest ``k * step`` with a whole k in ``low..high``.

    Parameters
    ----------
    x : Tensor
        Real values.
    step : float
        Distance of two levels, a power of two.
    low, high : int
        Smallest and largest level, in steps.

    Returns
    -------
    Tensor, shape and dtype of `x`
        Gradients pass straight through the rounding and stop where the value was clipped, as SLAYER's do.
    """
    return _Quantize.apply(x, step, low, high)


def levels(x: torch.Tensor, step: float, low: int, high: int) -> torch.Tensor:
    """Return the whole numbers k of `quantize`, as an int64 tensor without gradient."""
    with torch.no_grad():
        return torch.round(x / step).clamp(low, high).to(torch.int64)

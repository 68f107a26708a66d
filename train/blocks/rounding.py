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
    """Round half to even, as NumPy does, and clip; what the gradient passes, `quantize` says."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, step: float, low: int, high: int, inward: bool) -> torch.Tensor:
        ctx.small = x.device.type == "cpu" and x.numel() <= _SMALL and x.dtype in (torch.float32, torch.float64)
        ctx.inward = inward
        if ctx.small:
            whole = np.rint(x.detach().numpy() / step)
            ctx.side = np.subtract(whole > high, whole < low, dtype=np.int8)
            return torch.from_numpy(np.asarray(whole.clip(low, high) * step))
        k = torch.round(x / step)
        ctx.save_for_backward((k > high).to(torch.int8) - (k < low).to(torch.int8))
        return k.clamp(low, high) * step

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if ctx.small and not torch.is_grad_enabled():
            plain = grad.numpy()
            return torch.from_numpy(np.asarray(plain * _passes(plain, ctx.side, ctx.inward))), None, None, None, None
        side = torch.from_numpy(np.asarray(ctx.side)) if ctx.small else ctx.saved_tensors[0]
        return grad * _passes(grad.detach(), side, ctx.inward), None, None, None, None


def _passes(grad: Any, side: Any, inward: bool) -> Any:
    """Return where a gradient passes, for the side on which a value was clipped: -1 below, 1 above, 0 not at all."""
    return (side == 0) | ((side > 0) & (grad > 0)) | ((side < 0) & (grad < 0)) if inward else side == 0


def quantize(x: torch.Tensor, step: float, low: int, high: int, *, inward: bool = False) -> torch.Tensor:
    """Round to the nearest ``k * step`` with a whole k in ``low..high``.

    Gradients pass straight through the rounding. Where a value was clipped they stop, as SLAYER's do; or, if `inward`,
    only those stop that would move it further out. A step of gradient descent goes against the gradient, so a value
    above the range comes back by a positive one, and a value below by a negative one. With gradients that stop, a
    parameter that was once moved out of its range stays where it is, whatever the loss says later.

    Parameters
    ----------
    x : Tensor
        Real values.
    step : float
        Distance of two levels, a power of two.
    low, high : int
        Smallest and largest level, in steps.
    inward : bool
        Whether gradients pass that bring a clipped value back.

    Returns
    -------
    Tensor, shape and dtype of `x`
    """
    return _Quantize.apply(x, step, low, high, inward)


def levels(x: torch.Tensor, step: float, low: int, high: int) -> torch.Tensor:
    """Return the whole numbers k of `quantize`, as an int64 tensor without gradient."""
    with torch.no_grad():
        return torch.round(x / step).clamp(low, high).to(torch.int64)

"""Straight-through rounding: integer values forward, plain gradients backward.

The float twins of the contract's registers. A twin holds the register divided by a power of two, so float32
carries every 24-bit register exactly.
"""

from __future__ import annotations

import torch


class _Round(torch.autograd.Function):
    """Round half to even, as NumPy does; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return grad


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
    return _Round.apply(x / step).clamp(low, high) * step


def levels(x: torch.Tensor, step: float, low: int, high: int) -> torch.Tensor:
    """Return the whole numbers k of `quantize`, as an int64 tensor without gradient."""
    with torch.no_grad():
        return torch.round(x / step).clamp(low, high).to(torch.int64)

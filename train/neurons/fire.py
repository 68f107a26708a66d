"""The spike and its surrogate gradient, which all neurons share."""

from __future__ import annotations

from typing import Any

import torch

HALF_WIDTH = 0.2
"""Of the boxcar, the value of arXiv 2308.15150."""


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor, half_width: float) -> torch.Tensor:
        ctx.save_for_backward(distance)
        ctx.half_width = half_width
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (distance,) = ctx.saved_tensors
        return grad * (distance.abs() < ctx.half_width), None


def fire(distance: torch.Tensor, half_width: float = HALF_WIDTH) -> torch.Tensor:
    """Return 1 where the membrane is above its threshold, 0 elsewhere.

    Parameters
    ----------
    distance : Tensor
        Membrane minus threshold.
    half_width : float
        Gradients pass where the distance is nearer to 0, with height 1.
    """
    spikes: torch.Tensor = _Fire.apply(distance, half_width)
    return spikes

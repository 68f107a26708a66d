"""The spike and its surrogate gradient, which all neurons share."""

from __future__ import annotations

from typing import Any

import torch

HALF_WIDTH = 0.2
"""Of the boxcar, the value of arXiv 2308.15150."""


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (distance,) = ctx.saved_tensors
        return grad * (distance.abs() < HALF_WIDTH)


def fire(distance: torch.Tensor) -> torch.Tensor:
    """Return 1 where the membrane is above its threshold, 0 elsewhere.

    Parameters
    ----------
    distance : Tensor
        Membrane minus threshold. Gradients pass where it is nearer to 0 than `HALF_WIDTH`, with height 1.
    """
    spikes: torch.Tensor = _Fire.apply(distance)
    return spikes

"""Training that has left the numbers."""

from __future__ import annotations

import math

import torch

from ...contract.errors import DivergedError


def refuse_divergence(module: torch.nn.Module, loss: float, epoch: int) -> None:
    """Stop before anything of an epoch is kept whose loss or parameters are no numbers."""
    largest = {name: value.detach().abs().max().item() for name, value in module.named_parameters() if value.numel()}
    lost = {name: most for name, most in largest.items() if not most < _LOST}  # written so that nan is lost too
    if math.isfinite(loss) and not lost:
        return
    name, most = next(iter(lost.items()), ("", 0.0))
    what = f"its loss is {loss:g}" if not lost else f"{name.removeprefix('module.')} reaches {most:g}"
    raise DivergedError(
        f"Training diverged in epoch {epoch}: {what}. Train with a smaller learning_rate, or clip gradients "
        "(gradient_clip)."
    )


_LOST = 2.0**16
"""No parameter comes back from here: 8-bit weights end at 4 in SLAYER's units, where the forward pass clips them. So
the loss may stay finite."""

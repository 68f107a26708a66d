"""Training that has left the numbers."""

from __future__ import annotations

import math

import torch

from ....contract.errors import DivergedError

LARGE = 1e6
"""Gradient norms beyond are told of: they explode on their way through time, and clipping hides it."""
_LOST = 2.0**16
"""No parameter comes back from here: 8-bit weights end at 4 in SLAYER's units, where the forward pass clips them. So
the loss may stay finite."""
_FIX = "Train with a smaller learning_rate, or clip gradients (gradient_clip)."
_CALMER = (
    "Gradients through time can grow at every step: train with a smaller half_width or te_std, a te_mean nearer to 0, "
    "or a smaller learning_rate. Clipping cannot help a gradient that is no number."
)


def refuse_step(norm: float, epoch: int, step: int, module: torch.nn.Module) -> None:
    """Stop before the optimiser takes a step along a gradient that is no number.

    Parameters
    ----------
    norm : float
        Of the gradient of all parameters, before it is clipped.
    epoch, step : int
        Where training is, both counted from 1.
    module : Module
        The network, its gradients still there.

    Raises
    ------
    DivergedError
        The norm is not finite.
    """
    if math.isfinite(norm):
        return
    grads = {name: one.grad for name, one in module.named_parameters() if one.grad is not None}
    first = next((name for name, grad in grads.items() if not grad.isfinite().all()), None)
    what = f"the gradient of {first} is not finite" if first else f"the norm of the gradient is {norm:g}"
    fix = _FIX if _lost(module) else _CALMER
    raise DivergedError(f"Training diverged in epoch {epoch}, step {step}: {what}. {fix}")


def refuse_divergence(module: torch.nn.Module, loss: float, epoch: int) -> None:
    """Stop before anything of an epoch is kept whose loss or parameters are no numbers."""
    lost = _lost(module)
    if math.isfinite(loss) and not lost:
        return
    name, most = next(iter(lost.items()), ("", 0.0))
    what = f"its loss is {loss:g}" if not lost else f"{name} reaches {most:g}"
    raise DivergedError(f"Training diverged in epoch {epoch}: {what}. {_FIX}")


def _lost(module: torch.nn.Module) -> dict[str, float]:
    """Return the parameters that have left all ranges, and how far."""
    largest = {name: value.detach().abs().max().item() for name, value in module.named_parameters() if value.numel()}
    return {name: most for name, most in largest.items() if not most < _LOST}  # written so that nan is lost too

"""Gradients are clipped by their norm, however large it is."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.linalg import vector_norm

_TINY = 1e-6
"""As in torch: no norm is divided by 0."""


def clip(parameters: Iterable[torch.nn.Parameter], most: float) -> float:
    """Make gradients smaller by one factor if their norm is more than `most`, and return what it was.

    The same numbers as `torch.nn.utils.clip_grad_norm_`, but for a norm that float32 does not hold while all gradients
    are numbers: there torch multiplies by 0, and the steps that it lets an optimiser take lead nowhere.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those whose gradients count as one vector; changed in place.
    most : float
        Largest norm; 0 does not clip.

    Returns
    -------
    float
        The norm before. It is not finite only if a gradient is not, and then no gradient is changed.
    """
    grads = [one.grad for one in parameters if one.grad is not None]
    if not grads:
        return 0.0
    norm = vector_norm(torch.stack([vector_norm(grad) for grad in grads]))
    if not norm.isfinite():
        norm = vector_norm(torch.stack([vector_norm(grad, dtype=torch.float64) for grad in grads]))
    if most and norm.isfinite():
        factor = (most / (norm + _TINY)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factor)
    return norm.item()

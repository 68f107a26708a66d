"""Dropout of spikes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Mask = Literal["sequence", "step"]
"""Whether a neuron is silent through a whole sample, or a new mask is drawn in every step."""


class Dropout(nn.Module):
    """Silences neurons at random while a network is trained.

    What is left is not made larger, as `torch.nn.Dropout` does: spikes stay 0 or 1, so that training computes the
    integers of a network with fewer neurons.

    Parameters
    ----------
    share : float
        Of the neurons, 0..1.
    mask : {"sequence", "step"}
        Whether a neuron is silent through a whole sample, or a new mask is drawn in every step.
    time : int
        Axis of the steps.
    """

    def __init__(self, share: float, mask: Mask = "sequence", *, time: int = -1) -> None:
        super().__init__()
        self.share, self.mask, self._time = share, mask, time

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the spikes, those of silent neurons 0; in evaluation mode all of them."""
        if not self.training or not self.share:
            return x
        shape = list(x.shape)
        if self.mask == "sequence":
            shape[self._time] = 1
        return x * (torch.rand(shape, device=x.device) >= self.share)

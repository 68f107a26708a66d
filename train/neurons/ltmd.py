"""LTMD: LIF whose threshold is learned, one a layer."""

from __future__ import annotations

import math

import torch
from torch import nn

from ...contract.errors import InputError
from .fire import fire
from .lif import LIFState


class LTMD(nn.Module):
    """A leaky integrate-and-fire neuron with a learned threshold, reset to zero; `k` is learned.

    One step::

        u = decay * u * (1 - s) + x
        s = u > tanh(k)

    `threshold` is the one before training, between -1 and 1. The paper's moderate dropout is not part of the neuron and
    left out.

    References
    ----------
    S. Wang et al., "LTMD: Learning improvement of spiking neural networks with learnable thresholding neurons and
    moderate dropout", NeurIPS 2022.
    """

    def __init__(self, num_neurons: int, *, decay: float = 0.5, threshold: float = 0.3) -> None:
        super().__init__()
        if not -1 < threshold < 1:
            raise InputError(f"LTMD threshold = {threshold} is outside -1..1, which tanh(k) never reaches.")
        self.decay = decay
        self.k = nn.Parameter(torch.tensor(math.atanh(threshold)))

    def initial(self, x: torch.Tensor) -> LIFState:
        """Return the state before a sample."""
        return LIFState(torch.zeros_like(x), torch.zeros_like(x))

    def forward(self, x: torch.Tensor, state: LIFState, t: int) -> tuple[torch.Tensor, LIFState]:
        """Advance by one time step; `x` has shape (N, C)."""
        u = self.decay * state.u * (1 - state.s) + x
        s = fire(u - self.k.tanh())
        return s, LIFState(u, s)

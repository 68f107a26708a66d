"""PLIF: LIF whose membrane time constant is learned, one a layer."""

from __future__ import annotations

import torch
from torch import nn

from .fire import fire
from .lif import LIFState


class PLIF(nn.Module):
    """A parametric leaky integrate-and-fire neuron that is reset to zero; `w` is learned.

    One step::

        u = u' + sigmoid(w) * (x - u'),  u' = u * (1 - s)
        s = u > threshold

    References
    ----------
    W. Fang et al., "Incorporating learnable membrane time constant to enhance learning of spiking neural networks",
    arXiv 2007.05785.
    """

    def __init__(self, num_neurons: int, *, threshold: float = 0.3) -> None:
        super().__init__()
        self.threshold = threshold
        self.w = nn.Parameter(torch.zeros(()))  # a decay of 0.5

    def initial(self, x: torch.Tensor) -> LIFState:
        """Return the state before a sample."""
        return LIFState(torch.zeros_like(x), torch.zeros_like(x))

    def forward(self, x: torch.Tensor, state: LIFState, t: int) -> tuple[torch.Tensor, LIFState]:
        """Advance by one time step; `x` has shape (N, C)."""
        kept = state.u * (1 - state.s)
        u = kept + self.w.sigmoid() * (x - kept)
        s = fire(u - self.threshold)
        return s, LIFState(u, s)

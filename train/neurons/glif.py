"""GLIF: LIF with learned gates between kinds of leak, of input and of reset."""

from __future__ import annotations

import torch
from torch import nn

from .fire import fire
from .lif import LIFState


class GLIF(nn.Module):
    """A gated leaky integrate-and-fire neuron; every quantity below is learned, one a neuron.

    One step::

        u = (1 - a * (1 - decay)) * u * (1 - c * s) - (1 - a) * leak
            + (1 - b * (1 - conductance)) * x - (1 - c) * drop * s
        s = u > theta

    The gates a, b and c, the decay and the conductance lie in 0..1. The paper has a conductance for each of a few
    steps; here it is one for all, since sequences are long.

    References
    ----------
    X. Yao et al., "GLIF: A unified gated leaky integrate-and-fire neuron for spiking neural networks",
    arXiv 2210.13768.
    """

    def __init__(self, num_neurons: int, *, threshold: float = 0.3, decay: float = 0.5) -> None:
        super().__init__()
        gates = torch.empty(3, num_neurons).uniform_(-0.5, 0.5)
        self.gates = nn.Parameter(gates)
        self.decay = nn.Parameter(torch.full((num_neurons,), decay).logit())
        self.conductance = nn.Parameter(torch.zeros(num_neurons))
        self.leak = nn.Parameter(torch.zeros(num_neurons))
        self.drop = nn.Parameter(torch.full((num_neurons,), threshold))
        self.theta = nn.Parameter(torch.full((num_neurons,), threshold))

    def initial(self, x: torch.Tensor) -> LIFState:
        """Return the state before a sample."""
        return LIFState(torch.zeros_like(x), torch.zeros_like(x))

    def forward(self, x: torch.Tensor, state: LIFState, t: int) -> tuple[torch.Tensor, LIFState]:
        """Advance by one time step; `x` has shape (N, C)."""
        a, b, c = self.gates.sigmoid()
        kept = (1 - a * (1 - self.decay.sigmoid())) * state.u * (1 - c * state.s) - (1 - a) * self.leak
        u = kept + (1 - b * (1 - self.conductance.sigmoid())) * x - (1 - c) * self.drop * state.s
        s = fire(u - self.theta)
        return s, LIFState(u, s)

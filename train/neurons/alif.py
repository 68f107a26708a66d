"""ALIF: LIF whose threshold rises with its own spikes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from .fire import fire


class ALIFState(NamedTuple):
    """Membrane, threshold adaptation and spikes."""

    u: torch.Tensor
    adaptation: torch.Tensor
    s: torch.Tensor


class ALIF(nn.Module):
    """An adaptive leaky integrate-and-fire neuron; the time constants are learned, two a neuron.

    One step::

        adaptation = rho * adaptation + (1 - rho) * s,     rho = exp(-1 / tau_adaptation)
        theta = threshold + gain * adaptation
        u = alpha * u + x - theta * s,                     alpha = exp(-1 / tau_membrane)
        s = u > theta

    References
    ----------
    G. Bellec et al., arXiv 1803.09574; soft reset, gain and initial time constants (means 20 and 700 steps) as in the
    ALIF that the authors of arXiv 2308.15150 compare with in their later code.
    """

    def __init__(self, num_neurons: int, *, threshold: float = 0.3, gain: float = 1.8) -> None:
        super().__init__()
        self.threshold, self.gain = threshold, gain
        self.tau_membrane = nn.Parameter(torch.empty(num_neurons).normal_(20, 5))
        self.tau_adaptation = nn.Parameter(torch.empty(num_neurons).normal_(700, 25))

    def initial(self, x: torch.Tensor) -> ALIFState:
        """Return the state before a sample."""
        return ALIFState(torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x))

    def forward(self, x: torch.Tensor, state: ALIFState, t: int) -> tuple[torch.Tensor, ALIFState]:
        """Advance by one time step; `x` has shape (N, C)."""
        alpha, rho = (torch.exp(-1 / tau.clamp(min=0.1)) for tau in (self.tau_membrane, self.tau_adaptation))
        adaptation = rho * state.adaptation + (1 - rho) * state.s
        theta = self.threshold + self.gain * adaptation
        u = alpha * state.u + x - theta * state.s
        s = fire(u - theta)
        return s, ALIFState(u, adaptation, s)

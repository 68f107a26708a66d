"""ALIF: LIF whose threshold rises with its own spikes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from ..kernels import select
from ..kernels.api import ALIFConstants
from .fire import HALF_WIDTH, fire
from .over_time import over_time


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
        alpha, rho = self._decays()
        adaptation = rho * state.adaptation + (1 - rho) * state.s
        theta = self.threshold + self.gain * adaptation
        u = alpha * state.u + x - theta * state.s
        s = fire(u - theta)
        return s, ALIFState(u, adaptation, s)

    def over_time(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return the spikes of all steps for currents of shape (N, T, C), or None where no kernel computes them.

        They are those of `forward` step by step, bit for bit.
        """
        constants = ALIFConstants(self.threshold, self.gain, HALF_WIDTH)
        return over_time(x, select.kernels(x.device).alif, constants, *self._decays())

    def _decays(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what membrane and adaptation keep of themselves in a step."""
        return torch.exp(-1 / self.tau_membrane.clamp(min=0.1)), torch.exp(-1 / self.tau_adaptation.clamp(min=0.1))

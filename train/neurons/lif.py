"""LIF: leaky integrate-and-fire."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from ..kernels import select
from ..kernels.api import Embedding, FloatCELIFConstants
from .fire import HALF_WIDTH, fire
from .over_time import over_time


class LIFState(NamedTuple):
    """Membrane before its reset, and spikes."""

    u: torch.Tensor
    s: torch.Tensor


class LIF(nn.Module):
    """A leaky integrate-and-fire neuron that is reset to zero.

    One step::

        u = decay * u * (1 - s) + x
        s = u > threshold

    References
    ----------
    arXiv 2308.15150, the discrete LIF.
    """

    def __init__(self, num_neurons: int, *, decay: float = 0.5, threshold: float = 0.3) -> None:
        super().__init__()
        self.decay, self.threshold = decay, threshold

    def initial(self, x: torch.Tensor) -> LIFState:
        """Return the state before a sample."""
        return LIFState(torch.zeros_like(x), torch.zeros_like(x))

    def forward(self, x: torch.Tensor, state: LIFState, t: int) -> tuple[torch.Tensor, LIFState]:
        """Advance by one time step; `x` has shape (N, C)."""
        u = self.decay * state.u * (1 - state.s) + x
        s = fire(u - self.threshold)
        return s, LIFState(u, s)

    def over_time(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return the spikes of all steps for currents of shape (N, T, C), or None where no kernel computes them.

        The kernels are CE-LIF's: LIF neurons are those that add nothing to their threshold.
        """
        constants = FloatCELIFConstants(self.decay, 0.0, self.threshold, HALF_WIDTH, Embedding())
        return over_time(x, select.kernels(x.device).float_celif, constants, x.new_zeros(x.shape[2], x.shape[1]))

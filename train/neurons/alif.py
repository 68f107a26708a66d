"""ALIF: LIF whose threshold rises with its own spikes."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ..kernels import select
from ..kernels.api import ALIFConstants, ALIFKernels
from .fire import HALF_WIDTH, fire


class ALIFState(NamedTuple):
    """Membrane, threshold adaptation and spikes."""

    u: torch.Tensor
    adaptation: torch.Tensor
    s: torch.Tensor


class _Fire(torch.autograd.Function):
    """The spikes of all steps by fused kernels."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        alpha: torch.Tensor,
        rho: torch.Tensor,
        kernels: ALIFKernels,
        constants: ALIFConstants,
    ) -> torch.Tensor:
        ctx.kernels, ctx.constants = kernels, constants
        spikes, trace = kernels.forward(x, alpha, rho, constants)
        ctx.save_for_backward(alpha, rho, *trace)
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        alpha, rho, *trace = ctx.saved_tensors
        return *ctx.kernels.backward(grad, alpha, rho, ctx.constants, trace), None, None


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
        kernels = select.kernels(x.device).alif
        if kernels is None or x.dtype != torch.float32 or not x.shape[1]:
            return None
        constants = ALIFConstants(self.threshold, self.gain, HALF_WIDTH)
        spikes: torch.Tensor = _Fire.apply(x, *self._decays(), kernels, constants)
        return spikes

    def _decays(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what membrane and adaptation keep of themselves in a step."""
        return torch.exp(-1 / self.tau_membrane.clamp(min=0.1)), torch.exp(-1 / self.tau_adaptation.clamp(min=0.1))

"""What all bodies are made of: LIF neurons over the spike steps, a norm over channels, and both behind a linear map."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ..kernels import select
from ..kernels.api import LIFConstants, LIFKernels
from ..neurons import LIF
from ..neurons.fire import HALF_WIDTH


class _Fire(torch.autograd.Function):
    """LIF spikes of all steps by fused kernels; gradients as `neurons.LIF` and its surrogate have them."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kernels: LIFKernels, constants: LIFConstants) -> torch.Tensor:
        ctx.kernels, ctx.constants = kernels, constants
        spikes, u = kernels.forward(x.flatten(1), constants)
        ctx.save_for_backward(u)
        return spikes.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (u,) = ctx.saved_tensors
        found: torch.Tensor = ctx.kernels.backward(grad.flatten(1), u, ctx.constants)
        return found.view_as(grad), None, None


class Neurons(nn.Module):
    """LIF neurons, one for each sample, position and channel, over the spike steps.

    Parameters
    ----------
    num_neurons : int
        Number of channels D.
    threshold : float
        Membrane above which a neuron fires.
    """

    def __init__(self, num_neurons: int, *, threshold: float = 0.3) -> None:
        super().__init__()
        self.cell = LIF(num_neurons, threshold=threshold)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes, 0 or 1, for currents of the same shape, spike steps first."""
        cell, kernels = self.cell, select.kernels(x.device).lif
        if x.dtype == torch.float32 and kernels is not None:
            return _Fire.apply(x, kernels, LIFConstants(cell.decay, cell.threshold, HALF_WIDTH))
        state, spikes = cell.initial(x[0]), []
        for t, current in enumerate(x.unbind(0)):
            s, state = cell(current, state, t)
            spikes.append(s)
        return torch.stack(spikes)


class Norm(nn.BatchNorm1d):
    """Batch norm of channels, the last axis, over all others."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` normalised, same shape."""
        return super().forward(x.flatten(0, -2)).view_as(x)


class Layer(nn.Module):
    """``SN(BN(W x + b))``: a linear map of the channels, a norm and LIF neurons.

    Parameters
    ----------
    n_in, n : int
        Number of input and output channels.
    """

    def __init__(self, n_in: int, n: int) -> None:
        super().__init__()
        self.synapse, self.norm, self.neuron = nn.Linear(n_in, n), Norm(n), Neurons(n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes, shape (T_s, N, L, n), for `x` of shape (T_s, N, L, n_in)."""
        spikes: torch.Tensor = self.neuron(self.norm(self.synapse(x)))
        return spikes


def taps(x: torch.Tensor, kernel: int, dilation: int = 1, *, ahead: int = 0) -> torch.Tensor:
    """Return each position's channels beside those of positions before it: a convolution before its weights.

    Parameters
    ----------
    x : Tensor, shape (T_s, N, L, D)
        Spikes; zero before the first position and behind the last.
    kernel, dilation : int
        Number of taps, and positions from one to the next.
    ahead : int
        How many of the taps lie behind the position; 0 looks at nothing that comes later.

    Returns
    -------
    Tensor, shape (T_s, N, L, kernel * D)
        Earliest tap first.
    """
    length, before = x.shape[2], (kernel - 1 - ahead) * dilation
    padded = nn.functional.pad(x, (0, 0, before, ahead * dilation))
    return torch.cat([padded[:, :, i * dilation : i * dilation + length] for i in range(kernel)], dim=-1)

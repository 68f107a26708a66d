"""Spike-GRU."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ..kernels import select
from ..kernels.api import GatedKernels
from ..neurons.fire import HALF_WIDTH, fire


class _Gated(torch.autograd.Function):
    """All steps along the sequence by fused kernels; gradients as `fire` has them."""

    @staticmethod
    def forward(
        ctx: Any, currents: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, kernels: GatedKernels
    ) -> torch.Tensor:
        ctx.kernels = kernels
        trace = kernels.forward(currents, weight, bias)
        ctx.save_for_backward(weight, *trace)
        return trace[0][1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        weight, *trace = ctx.saved_tensors
        return *ctx.kernels.backward(grad.contiguous(), weight, tuple(trace), HALF_WIDTH), None


class GRULayer(nn.Module):
    """A gated recurrent layer whose gates and state are spikes, along the sequence, for each spike step by itself.

    One step along the sequence, with Theta(a) = 1 where a > 0::

        r = Theta(W_r x + U_r h),  z = Theta(W_z x + U_z h)
        n = Theta(W_n x + r * (U_n h))
        h = (1 - z) * n + z * h

    Parameters
    ----------
    width : int
        Number of channels D.

    References
    ----------
    SpikingJelly's SpikingGRUCell, which SeqSNN (arXiv 2402.01533) uses.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.synapse, self.recurrent = nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)
        self.neuron = nn.Identity()  # says that the output is spikes, whose rate is recorded

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the state at every position, shape and range of `x`: (T_s, N, L, D), 0 or 1."""
        steps, samples, length, width = x.shape
        kernels = select.kernels(x.device).gated
        if x.dtype == torch.float32 and kernels is not None:
            turned = self.synapse(x.flatten(0, 1).transpose(0, 1).contiguous())
            after = _Gated.apply(turned, self.recurrent.weight, self.recurrent.bias, kernels)
            found: torch.Tensor = after.transpose(0, 1).reshape(steps, samples, length, width)
            return found
        currents = self.synapse(x).flatten(0, 1)
        h = x.new_zeros(steps * samples, width)
        states = []
        for current in currents.unbind(1):
            gates, heard = current.split([2 * width, width], -1), self.recurrent(h).split([2 * width, width], -1)
            r, z = fire(gates[0] + heard[0]).chunk(2, -1)
            n = fire(gates[1] + r * heard[1])
            h = n + z * (h - n)
            states.append(h)
        return torch.stack(states, dim=1).view_as(x)


def spike_gru(width: int, depth: int) -> nn.Sequential:
    """Return `depth` gated layers."""
    return nn.Sequential(*(GRULayer(width) for _ in range(depth)))

"""What all bodies are made of: LIF neurons over the spike steps, a norm over channels, and both behind a linear map."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ..kernels import select
from ..kernels.api import LIFConstants, LIFKernels, NormedLIFKernels, Norming
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


class _FireNormed(torch.autograd.Function):
    """A norm and LIF spikes of all steps by fused kernels, for currents without the bias of the linear map `before`."""

    @staticmethod
    def forward(
        ctx: Any,
        z: torch.Tensor,
        before: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor,
        given: tuple[NormedLIFKernels, Norming, LIFConstants],
    ) -> torch.Tensor:
        ctx.given, ctx.before = given, None if before is None else before.shape
        ctx.save_for_backward(z, weight, bias)
        kernels, norming, constants = given
        return kernels.forward(z, norming, constants)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        z, weight, bias = ctx.saved_tensors
        kernels, norming, constants = ctx.given
        grad_z, *others = kernels.backward(grad, z, norming._replace(weight=weight, bias=bias), constants)
        norm = norming.of_batch  # takes off whatever is the same in all values of a channel
        before = (
            None if ctx.before is None else z.new_zeros(ctx.before) if norm else grad_z.view(-1, z.shape[-1]).sum(0)
        )
        return grad_z, before, *others, None


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
            return _Fire.apply(x, kernels, self.constants())
        state, spikes = cell.initial(x[0]), []
        for t, current in enumerate(x.unbind(0)):
            s, state = cell(current, state, t)
            spikes.append(s)
        return torch.stack(spikes)

    def scaled(self, x: torch.Tensor, factor: float) -> torch.Tensor:
        """Return ``self(factor * x)``, in one pass over memory where the kernels can."""
        kernels = select.kernels(x.device).normed_lif
        if x.dtype != torch.float32 or kernels is None:
            spikes: torch.Tensor = self(factor * x)
            return spikes
        one, none = (torch.full(x.shape[-1:], value) for value in (1.0, 0.0))
        norming = Norming(one, none, none.double(), factor * one.double(), of_batch=False)
        found: torch.Tensor = _FireNormed.apply(x, None, one, none, (kernels, norming, self.constants()))
        return found

    def constants(self) -> LIFConstants:
        """Return what the neurons are, for kernels."""
        return LIFConstants(self.cell.decay, self.cell.threshold, HALF_WIDTH)


class Norm(nn.BatchNorm1d):
    """Batch norm of channels, the last axis, over all others."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` normalised, same shape."""
        return super().forward(x.flatten(0, -2)).view_as(x)

    def norming(self, x: torch.Tensor, before: torch.Tensor, kernels: NormedLIFKernels) -> Norming:
        """Return what the norm makes of ``x + before`` as a norm of `x`; while training, count it as a batch."""
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        mean, variance = self.running_mean.double() - before.detach().double(), self.running_var.double()
        if self.training:
            assert self.num_batches_tracked is not None
            mean, variance = kernels.moments(x.detach())
            count = x.numel() // x.shape[-1]
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_((mean + before.detach()).float(), self.momentum)
            self.running_var.lerp_((variance * (count / max(1, count - 1))).float(), self.momentum)
        return Norming(self.weight, self.bias, mean, (variance + self.eps).rsqrt(), of_batch=self.training)


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
        if self._fuses(x):
            return self.fire(nn.functional.linear(x, self.synapse.weight))
        spikes: torch.Tensor = self.neuron(self.norm(self.synapse(x)))
        return spikes

    def fire(self, z: torch.Tensor) -> torch.Tensor:
        """Return the spikes for what the linear map gave without its bias; with kernels, in one pass over memory."""
        kernels, norm, bias = select.kernels(z.device).normed_lif, self.norm, self.synapse.bias
        if kernels is None or not self._fuses(z):
            spikes: torch.Tensor = self.neuron(norm(z + bias))
            return spikes
        given = (kernels, norm.norming(z, bias, kernels), self.neuron.constants())
        found: torch.Tensor = _FireNormed.apply(z, bias, norm.weight, norm.bias, given)
        return found

    def _fuses(self, x: torch.Tensor) -> bool:
        fused = select.kernels(x.device).normed_lif is not None
        return fused and x.dtype == torch.float32 and isinstance(self.norm, Norm)


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
    found: torch.Tensor = _Taps.apply(x, kernel, dilation, ahead)
    return found


class _Taps(torch.autograd.Function):
    """See `taps`; each value is copied once each way."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kernel: int, dilation: int, ahead: int) -> torch.Tensor:
        length = x.shape[2]
        # Tap i of a position is what stands `back` positions before it.
        ctx.places = [(i, back) for i in range(kernel) if abs(back := (kernel - 1 - ahead - i) * dilation) < length]
        ctx.size = x.shape
        found = x.new_zeros(*x.shape[:3], kernel, x.shape[3])
        for i, back in ctx.places:
            found[:, :, max(back, 0) : length + min(back, 0), i] = x[:, :, max(-back, 0) : length - max(back, 0)]
        return found.flatten(3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        length = ctx.size[2]
        of_taps = grad.view(*ctx.size[:3], -1, ctx.size[3])
        grad_x = grad.new_zeros(ctx.size)
        for i, back in ctx.places:
            grad_x[:, :, max(-back, 0) : length - max(back, 0)] += of_taps[
                :, :, max(back, 0) : length + min(back, 0), i
            ]
        return grad_x, None, None, None

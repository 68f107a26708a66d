"""Delays that learn: steps that spikes take, whole in the forward pass and smooth in the backward pass.

A delay is a real number that is rounded in every forward pass, so what is computed is what the exported integers
compute, `spikeproof.contract.synapses.delays` and `spikeproof.contract.synapses.axon`. Its gradient is that of a
relaxation: a spike arrives not in one step, but spread over all possible delays by a Gaussian around the real one,
made to sum to 1. `narrow` makes the Gaussian narrower in the course of training. The gradients of weights and of
spikes are those of the whole delays.

References
----------
Hammouamri et al., Learning Delays in Spiking Neural Networks using Dilated Convolutions with Learnable Spacings, ICLR
2024: there the spread is in the forward pass of training too, and is rounded away in the end.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ...contract.errors import UnsupportedError
from ...contract.synapses import axon, delays

Delay = Literal["axon", "synapse"] | bool | None
"""Which delays a block learns: one a neuron on what it sends ("axon" or True), one a synapse, or none."""

_NARROWEST = 0.5
"""Width of the Gaussian in the end, in steps: a delay then sees hardly more than the steps beside it."""


class Delays(nn.Module):
    """Delays of 0 to `max_delay` whole steps, of any shape; what is common to those of axons and of synapses.

    Parameters
    ----------
    shape : tuple of int
        Shape of the delays.
    max_delay : int
        The longest delay in steps, 1..`limit`.

    Attributes
    ----------
    delay : Parameter, shape `shape`
        Real delays in steps, drawn evenly from 0..`max_delay`.
    width : float
        Standard deviation of the Gaussian, in steps.

    Raises
    ------
    UnsupportedError
        `max_delay` is out of range.
    """

    limit: int

    def __init__(self, shape: tuple[int, ...], max_delay: int) -> None:
        super().__init__()
        if not 1 <= max_delay <= self.limit:
            raise UnsupportedError(
                f"max_delay = {max_delay} is outside 1..{self.limit} steps, which is what delays of "
                f"{'axons' if isinstance(self, AxonDelays) else 'synapses'} may have."
            )
        self.max_delay = max_delay
        self.delay = nn.Parameter(torch.empty(shape).uniform_(0, max_delay))
        self.width = _NARROWEST
        self.narrow(0.0)

    def narrow(self, share: float) -> None:
        """Make the Gaussian as wide as it is after a share of the training, 0..1.

        It shrinks from a quarter of `max_delay` to half a step, by the same factor in every epoch of the first three
        quarters of the training.
        """
        widest = max(self.max_delay / 4, _NARROWEST)
        self.width = widest * (_NARROWEST / widest) ** min(share / 0.75, 1.0)

    def whole(self) -> torch.Tensor:
        """Return the rounded delays, int64, without gradient."""
        return self.delay.detach().clamp(0, self.max_delay).round().to(torch.int64)

    def record(self) -> npt.NDArray[np.int64]:
        """Return the rounded delays as the contract wants them."""
        found: npt.NDArray[np.int64] = self.whole().cpu().numpy()
        return found


class AxonDelays(Delays):
    """Delays of what neurons send, one a neuron, as SLAYER's ``axon.Delay``; up to 63 steps."""

    limit = axon.MAX_DELAY

    def forward(self, s: torch.Tensor) -> torch.Tensor:
        """Return what arrives of spikes that are sent, both of shape (N, C, T)."""
        return _Sent.apply(s, self.delay, self.whole(), self.max_delay, self.width)


class SynapseDelays(Delays):
    """Delays of a dense layer's synapses, one each, up to 1023 steps."""

    limit = delays.MAX_DELAY

    def forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the sums of what arrives over synapses with delays.

        Parameters
        ----------
        x : Tensor, shape (N, I, T)
            What is sent.
        weight : Tensor, shape (O, I)
            Weights, of a dtype in which the sums are exact.
        bias : Tensor, shape (O,), or None
            What is added in every step.

        Returns
        -------
        Tensor, shape (N, O, T), of the weights' dtype
        """
        # In half precision the product would round: the contract does not.
        with torch.autocast(x.device.type, enabled=False):
            moved = (x.to(weight.dtype), weight, self.delay, self.whole(), self.max_delay, self.width)
            z: torch.Tensor = _Summed.apply(*moved)
            return z if bias is None else z + bias[:, None]


def made(delay: Delay, max_delay: int, in_neurons: int, out_neurons: int) -> AxonDelays | SynapseDelays | None:
    """Return the delays that a dense block asks for.

    Raises
    ------
    UnsupportedError
        There is no such kind of delays, or `max_delay` is out of range.
    """
    if delay is None or delay is False:
        return None
    if delay is True or delay == "axon":
        return AxonDelays((out_neurons,), max_delay)
    if delay == "synapse":
        return SynapseDelays((out_neurons, in_neurons), max_delay)
    raise UnsupportedError(f"delay = {delay!r} is unknown; choose 'axon' (or True), 'synapse' or None.")


def narrow(module: nn.Module, share: float) -> None:
    """Narrow the Gaussian of all delays of a network, as training goes on.

    Parameters
    ----------
    module : Module
        The network. One without delays is left as it is.
    share : float
        How much of the training is done, 0..1; see `Delays.narrow`.
    """
    for part in module.modules():
        if isinstance(part, Delays):
            part.narrow(share)


def spread(delay: torch.Tensor, max_delay: int, width: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how the relaxation spreads a spike over the possible delays, and how that changes with the delay.

    Parameters
    ----------
    delay : Tensor, shape (...)
        Real delays in steps.
    max_delay : int
        The longest possible delay.
    width : float
        Standard deviation of the Gaussian in steps.

    Returns
    -------
    share : Tensor, shape (max_delay + 1, ...)
        How much of a spike takes 0, 1, ... steps; the sum is 1.
    slope : Tensor, shape (max_delay + 1, ...)
        Its derivative to the delay.
    """
    taps = torch.arange(max_delay + 1, device=delay.device, dtype=delay.dtype)
    distance = taps.view(-1, *(1,) * delay.dim()) - delay.clamp(0, max_delay)
    share = torch.softmax(-(distance**2) / (2 * width**2), dim=0)
    pull = distance / width**2
    return share, share * (pull - (share * pull).sum(0))


def _inward(grad: torch.Tensor, delay: torch.Tensor, max_delay: int) -> torch.Tensor:
    """Return the gradient of delays without what would push one further out of its range."""
    outward = ((delay <= 0) & (grad > 0)) | ((delay >= max_delay) & (grad < 0))
    return grad.masked_fill(outward, 0)


class _Sent(torch.autograd.Function):
    """Spikes of each neuron, moved by its delay."""

    @staticmethod
    def forward(ctx: Any, s: torch.Tensor, delay: torch.Tensor, whole: torch.Tensor, most: int, width: float):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(s, delay, whole)
        ctx.most, ctx.width = most, width
        return _moved(s, whole)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        s, delay, whole = ctx.saved_tensors
        steps = s.shape[-1]
        together = torch.zeros(ctx.most + 1, len(delay), dtype=grad.dtype, device=grad.device)
        for d in range(min(ctx.most + 1, steps)):
            together[d] = (grad[..., d:] * s[..., : steps - d]).sum((0, 2))
        _, slope = spread(delay, ctx.most, ctx.width)
        grad_delay = _inward((together * slope).sum(0).to(delay.dtype), delay, ctx.most)
        return _moved(grad, -whole), grad_delay, None, None, None


def _moved(x: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Return `x`, shape (N, C, T), with each channel moved by so many steps; nothing enters at the ends."""
    steps = torch.arange(x.shape[-1], device=x.device)
    source = steps - by[:, None]
    inside = (source >= 0) & (source < len(steps))
    found = x.gather(2, source.clamp(0, max(len(steps) - 1, 0)).expand(len(x), -1, -1))
    return found * inside.to(x.dtype)


class _Summed(torch.autograd.Function):
    """``z[o, t] = sum_i W[o, i] x[i, t - D[o, i]]``, a product for every delay; steps come first in memory."""

    @staticmethod
    def forward(ctx: Any, x, weight, delay, whole, most: int, width: float):  # type: ignore[no-untyped-def]
        x = x.permute(2, 0, 1).contiguous()
        ctx.save_for_backward(x, weight, delay, whole)
        ctx.most, ctx.width = most, width
        steps, samples, _ = x.shape
        z = x.new_zeros(steps, samples, len(weight))
        for d in whole.unique().tolist():
            if d < steps:
                _flat(z[d:]).addmm_(_flat(x[: steps - d]), (weight * (whole == d)).T)
        return z.permute(1, 2, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        x, weight, delay, whole = ctx.saved_tensors
        grad = grad.to(weight.dtype).permute(2, 0, 1).contiguous()
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.zeros_like(x)
            for d in whole.unique().tolist():
                if d < len(x):
                    _flat(grad_x[: len(x) - d]).addmm_(_flat(grad[d:]), weight * (whole == d))
            grad_x = grad_x.permute(1, 2, 0)
        # What spikes and gradients have in common at every distance in time: all that weights and delays need.
        together = weight.new_zeros(ctx.most + 1, *weight.shape)
        for d in range(min(ctx.most + 1, len(x))):
            torch.mm(_flat(grad[d:]).T, _flat(x[: len(x) - d]), out=together[d])
        _, slope = spread(delay, ctx.most, ctx.width)
        grad_delay = _inward(((together * slope).sum(0) * weight).to(delay.dtype), delay, ctx.most)
        return grad_x, together.gather(0, whole[None])[0], grad_delay, None, None, None


def _flat(x: torch.Tensor) -> torch.Tensor:
    """Return steps and samples in one axis, without a copy."""
    return x.view(-1, x.shape[-1])

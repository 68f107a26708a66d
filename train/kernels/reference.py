"""The kernels as eager PyTorch loops: slow, on any device, and the oracle of the fused ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...contract.fixed import STATE_MAX
from .api import (
    ALIFKernels,
    CELIFConstants,
    CELIFDense,
    CELIFRecurrent,
    Fired,
    FloatCELIFKernels,
    GatedKernels,
    Integers,
    LIFKernels,
    NormedLIFKernels,
    Registers,
)

celif_dense: CELIFDense | None = None
"""A block multiplies, then calls `celif_forward`."""
lif: LIFKernels | None = None
"""`sequence.layer.Neurons` steps through time, which is the oracle of the fused kernels too."""
float_celif: FloatCELIFKernels | None = None
"""`neurons.FloatCELIF` steps through time in PyTorch."""
alif: ALIFKernels | None = None
"""`neurons.ALIF` steps through time in PyTorch."""
normed_lif: NormedLIFKernels | None = None
"""`sequence.layer.Layer` has a norm, then neurons."""
gated: GatedKernels | None = None
"""`sequence.gru.GRULayer` steps along the sequence."""


def celif_scan(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Registers:
    """Run the step of `contract.neurons.celif` over all time steps of a batch, in float64 arithmetic that is exact.

    A 24-bit state times a 12-bit factor, or times an 8-bit encoding, needs fewer bits than float64's 53,
    factors are powers of two over whole numbers, and ``trunc`` rounds toward zero: so every line below is the
    line of the contract.
    """
    return _scan(z, te, constants, None)


def _scan(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants, weight: torch.Tensor | None) -> Registers:
    """Do as `celif_scan`; by a `weight` (C, C), what neurons fired in the step before adds to their currents."""
    unit = constants.unit
    with torch.no_grad():
        a = torch.round(z.to(torch.float64) / unit).permute(2, 0, 1)
        te = te.to(torch.float64).T
        keep_v, keep_h = constants.keep_v.to(torch.float64), constants.keep_h.to(torch.float64)
        resting = constants.threshold / unit
        back = None if weight is None else torch.round(weight.to(torch.float64).T / unit)
        v = h = s = torch.zeros_like(a[0])
        steps = []
        for a_t, te_t in zip(a, te, strict=True):
            a_t = a_t if back is None else a_t + s @ back
            h = (torch.trunc(h * keep_h) + torch.trunc(v * te_t)).clamp(-STATE_MAX, STATE_MAX)
            v = (torch.trunc(v * (1 - s) * keep_v) + a_t).clamp(-STATE_MAX, STATE_MAX)
            theta = (resting + h).clamp(-STATE_MAX, STATE_MAX)
            s = (v > theta).to(torch.float64)
            steps.append((s, v, h, theta))
        s, v, h, theta = (torch.stack(x, dim=-1) for x in zip(*steps, strict=True))
        return Registers(s.to(z.dtype), *((x * unit).to(z.dtype) for x in (v, h, theta)))


def celif_integers(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Integers:
    """Return the registers of `celif_scan` in state units, which are whole numbers there."""
    s, *states = celif_scan(z.to(torch.float64), te, constants)
    return Integers(s.to(torch.int32), *((x / constants.unit).to(torch.int32) for x in states))


def celif_forward(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Fired:
    """Return the spikes of `celif_scan`, and the tensors that `celif_backward` wants."""
    registers = celif_scan(z, te, constants)
    near = (registers.v - registers.theta).abs() < constants.half_width
    return registers.s, (registers.s, registers.v, near)


def celif_backward(
    grad: torch.Tensor, te: torch.Tensor, constants: CELIFConstants, trace: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Go back in time through `celif_forward`, by the gradients of arXiv 2308.15150 (equations 5 to 7).

    With e the gradient of the loss to the spikes, g the boxcar surrogate and d, l the gradients to membrane and
    threshold::

        e'[t] = e[t] - alpha v[t] d[t+1]
        l[t]  = -e'[t] g[t] + beta l[t+1]
        d[t]  =  e'[t] g[t] + alpha (1 - s[t]) d[t+1] + te[t+1] l[t+1]

    The gradient to the current is d[t], to the encoding the sum over the batch of l[t] v[t-1]. The reset is not
    detached. Roundings and saturations pass gradients straight through.
    """
    return _back(grad, te, constants, trace, None)


def _back(
    grad: torch.Tensor,
    te: torch.Tensor,
    constants: CELIFConstants,
    trace: Sequence[torch.Tensor],
    weight: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `celif_backward`; with a `weight` R from neuron to neuron, ``R^T d[t+1]`` is part of e[t]."""
    s, v, near = trace
    keep_v, keep_h, te = (x.to(grad.dtype) for x in (constants.keep_v, constants.keep_h, te))
    last = grad.shape[-1] - 1
    d = torch.zeros_like(grad[..., 0])
    lam = torch.zeros_like(d)
    grad_z = torch.empty_like(grad)
    grad_te = torch.zeros_like(te)
    for t in range(last, -1, -1):
        sent = grad[..., t] if weight is None else grad[..., t] + d @ weight.to(grad.dtype)
        fire = (sent - keep_v * v[..., t] * d) * (near[..., t].to(grad.dtype) * constants.height)
        d = fire + keep_v * (1 - s[..., t]) * d
        if t < last:
            d = d + te[:, t + 1] * lam
        lam = keep_h * lam - fire
        grad_z[..., t] = d
        if t:
            grad_te[:, t] = (lam * v[..., t - 1]).sum(0)
    return grad_z, grad_te


def recurrent_forward(z: torch.Tensor, te: torch.Tensor, weight: torch.Tensor, constants: CELIFConstants) -> Fired:
    """Return the spikes, and the tensors that `recurrent_backward` wants; see `api.CELIFRecurrent`."""
    registers = _scan(z, te, constants, weight)
    near = (registers.v - registers.theta).abs() < constants.half_width
    return registers.s, (registers.s, registers.v, near)


def recurrent_backward(
    grad: torch.Tensor,
    te: torch.Tensor,
    weight: torch.Tensor,
    constants: CELIFConstants,
    trace: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Go back in time through `recurrent_forward`."""
    return _back(grad, te, constants, trace, weight)


celif_recurrent = CELIFRecurrent(recurrent_forward, recurrent_backward)


def count(x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Add up with torch's own sum."""
    return x.sum(-1, dtype=torch.float64), x.min().item() if x.numel() else 0.0

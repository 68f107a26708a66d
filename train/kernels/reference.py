"""The kernels as eager PyTorch loops: slow, on any device, and the oracle of the fused ones.

Tensors are NCT (batch, channel, time). Values are in SLAYER's units; ``unit`` is one state unit in them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ...contract.fixed import STATE_MAX


class Registers(NamedTuple):
    """What the neurons held at the end of every step, tensors of shape (N, C, T) in SLAYER's units."""

    s: torch.Tensor
    """Spikes, 0 or 1."""
    v: torch.Tensor
    """Membrane, before the reset of a neuron that fired."""
    h: torch.Tensor
    """Threshold adaptation."""
    theta: torch.Tensor
    """Threshold that the membrane was compared with."""


def celif_scan(
    z: torch.Tensor, te: torch.Tensor, keep_v: torch.Tensor, keep_h: torch.Tensor, threshold: float, unit: float
) -> Registers:
    """Run `contract.celif.step` over all time steps of a batch, in float64 arithmetic that is exact.

    A 24-bit state times a 12-bit factor, or times an 8-bit encoding, needs fewer bits than float64's 53,
    factors are powers of two over whole numbers, and ``trunc`` rounds toward zero: so every line below is the
    line of the contract.

    Parameters
    ----------
    z : Tensor, shape (N, C, T)
        Input currents in SLAYER's units; rounded to whole state units.
    te : Tensor, shape (C, T)
        Encoding, real values.
    keep_v, keep_h : Tensor, shape (C,)
        Fraction of the membrane and of the adaptation that a step keeps, multiples of 1/4096.
    threshold : float
        Resting threshold in SLAYER's units.
    unit : float
        One state unit in SLAYER's units, a power of two.

    Returns
    -------
    Registers
        Tensors of the dtype of `z`, without gradient.
    """
    with torch.no_grad():
        a = torch.round(z.to(torch.float64) / unit).permute(2, 0, 1)
        te = te.to(torch.float64).T
        keep_v, keep_h = keep_v.to(torch.float64), keep_h.to(torch.float64)
        resting = threshold / unit
        v = h = s = torch.zeros_like(a[0])
        steps = []
        for a_t, te_t in zip(a, te, strict=True):
            h = (torch.trunc(h * keep_h) + torch.trunc(v * te_t)).clamp(-STATE_MAX, STATE_MAX)
            v = (torch.trunc(v * (1 - s) * keep_v) + a_t).clamp(-STATE_MAX, STATE_MAX)
            theta = (resting + h).clamp(-STATE_MAX, STATE_MAX)
            s = (v > theta).to(torch.float64)
            steps.append((s, v, h, theta))
        s, v, h, theta = (torch.stack(x, dim=-1) for x in zip(*steps, strict=True))
        return Registers(s.to(z.dtype), *((x * unit).to(z.dtype) for x in (v, h, theta)))


def celif_forward(
    z: torch.Tensor,
    te: torch.Tensor,
    keep_v: torch.Tensor,
    keep_h: torch.Tensor,
    threshold: float,
    unit: float,
    half_width: float,
) -> tuple[torch.Tensor, tuple[Any, ...]]:
    """Return the spikes of `celif_scan`, shape (N, C, T), and the tensors that `celif_backward` wants."""
    registers = celif_scan(z, te, keep_v, keep_h, threshold, unit)
    near = (registers.v - registers.theta).abs() < half_width
    return registers.s, (registers.s, registers.v, near)


def celif_backward(
    grad: torch.Tensor,
    te: torch.Tensor,
    keep_v: torch.Tensor,
    keep_h: torch.Tensor,
    unit: float,
    height: float,
    trace: tuple[Any, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Go back in time through `celif_forward`, by the gradients of arXiv 2308.15150 (equations 5 to 7).

    With e the gradient of the loss to the spikes, g the boxcar surrogate and d, l the gradients to membrane and
    threshold::

        e'[t] = e[t] - alpha v[t] d[t+1]
        l[t]  = -e'[t] g[t] + beta l[t+1]
        d[t]  =  e'[t] g[t] + alpha (1 - s[t]) d[t+1] + te[t+1] l[t+1]

    The gradient to the current is d[t], to the encoding the sum over the batch of l[t] v[t-1]. The reset is not
    detached. Roundings and saturations pass gradients straight through.

    Parameters
    ----------
    grad : Tensor, shape (N, C, T)
        Gradient of the loss to the spikes.
    te, keep_v, keep_h, unit
        As in `celif_scan`.
    height : float
        Height of the boxcar.
    trace : tuple
        What `celif_forward` kept.

    Returns
    -------
    grad_z : Tensor, shape (N, C, T)
    grad_te : Tensor, shape (C, T)
        Its first column is zero: the membrane before a sample is 0.
    """
    s, v, near = trace
    keep_v, keep_h, te = keep_v.to(grad.dtype), keep_h.to(grad.dtype), te.to(grad.dtype)
    last = grad.shape[-1] - 1
    d = torch.zeros_like(grad[..., 0])
    lam = torch.zeros_like(d)
    grad_z = torch.empty_like(grad)
    grad_te = torch.zeros_like(te)
    for t in range(last, -1, -1):
        fire = (grad[..., t] - keep_v * v[..., t] * d) * (near[..., t].to(grad.dtype) * height)
        d = fire + keep_v * (1 - s[..., t]) * d
        if t < last:
            d = d + te[:, t + 1] * lam
        lam = keep_h * lam - fire
        grad_z[..., t] = d
        if t:
            grad_te[:, t] = (lam * v[..., t - 1]).sum(0)
    return grad_z, grad_te


def cuba_scan(
    z: torch.Tensor,
    bias: torch.Tensor,
    keep_u: torch.Tensor,
    keep_v: torch.Tensor,
    threshold: float,
    unit: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Run `contract.cuba.step` over all time steps of a batch, in float64 arithmetic that is exact.

    Parameters
    ----------
    z : Tensor, shape (N, C, T)
        Input currents in SLAYER's units; rounded to whole state units, below 2**31 of them.
    bias : Tensor, shape (C,)
        Added to the membrane at every step, in SLAYER's units.
    keep_u, keep_v : Tensor, shape (C,)
        Fraction of current and membrane that a step keeps, multiples of 1/4096.
    threshold : float
        Threshold in SLAYER's units.
    unit : float
        One state unit in SLAYER's units, a power of two.

    Returns
    -------
    s, u, v : Tensor, shape (N, C, T)
        Spikes, current, and membrane before the reset of a neuron that fired; of the dtype of `z`.
    """
    half = STATE_MAX + 1
    with torch.no_grad():
        a = torch.round(z.to(torch.float64) / unit).permute(2, 0, 1)
        bias = torch.round(bias.to(torch.float64) / unit)
        keep_u, keep_v = keep_u.to(torch.float64), keep_v.to(torch.float64)
        u = v = torch.zeros_like(a[0])
        steps = []
        for a_t in a:
            u = torch.trunc(u * keep_u) + a_t
            u = torch.where(u > half, u - 2 * half, torch.where(u <= -half, u + 2 * half, u))
            before_reset = (torch.trunc(v * keep_v) + u + bias).clamp(-STATE_MAX, STATE_MAX)
            s = (before_reset > threshold / unit).to(torch.float64)
            v = before_reset * (1 - s)
            steps.append((s, u, before_reset))
        s, u, v = (torch.stack(x, dim=-1) for x in zip(*steps, strict=True))
        return s.to(z.dtype), (u * unit).to(z.dtype), (v * unit).to(z.dtype)


def cuba_forward(
    z: torch.Tensor, bias: torch.Tensor, keep_u: torch.Tensor, keep_v: torch.Tensor, threshold: float, unit: float
) -> tuple[torch.Tensor, tuple[Any, ...]]:
    """Return the spikes of `cuba_scan`, shape (N, C, T), and the tensors that `cuba_backward` wants."""
    s, _, v = cuba_scan(z, bias, keep_u, keep_v, threshold, unit)
    return s, (v,)


def cuba_surrogate(grad: torch.Tensor, v: torch.Tensor, threshold: float, tau: float, height: float) -> torch.Tensor:
    """Return the gradient to the membrane at each step alone, SLAYER's: an exponential around the threshold."""
    return grad * (height / 2 / tau * torch.exp((v - threshold).abs() / -tau))


def cuba_backward(
    grad: torch.Tensor,
    keep_u: torch.Tensor,
    keep_v: torch.Tensor,
    threshold: float,
    tau: float,
    height: float,
    trace: tuple[Any, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Go back in time through `cuba_forward`, by SLAYER's gradients: the reset is detached, decays are not cut by it.

    With e the gradient to the spikes and g the surrogate's, ``d[t] = e[t] g[t] + keep_v d[t+1]`` and
    ``c[t] = d[t] + keep_u c[t+1]``.

    Returns
    -------
    grad_z : Tensor, shape (N, C, T)
        c.
    grad_bias : Tensor, shape (C,)
        d summed over samples and steps.
    """
    keep_u, keep_v = keep_u.to(grad.dtype), keep_v.to(grad.dtype)
    local = cuba_surrogate(grad, trace[0], threshold, tau, height)
    c = torch.zeros_like(grad[..., 0])
    d = torch.zeros_like(c)
    grad_z = torch.empty_like(grad)
    grad_bias = torch.zeros_like(c[0])
    for t in range(grad.shape[-1] - 1, -1, -1):
        d = local[..., t] + keep_v * d
        c = d + keep_u * c
        grad_z[..., t] = c
        grad_bias += d.sum(0)
    return grad_z, grad_bias


def count(x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the sum over time of spikes of shape (N, C, T), in float64 of shape (N, C), and the smallest value."""
    return x.sum(-1, dtype=torch.float64), x.min().item() if x.numel() else 0.0

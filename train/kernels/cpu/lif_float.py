"""The floating-point LIF neuron for CPUs: numba, SIMD over neurons.

Arrays are (T, M), time first: M neurons of all samples and positions side by side. The arithmetic is float32 and in
the order of `spikeproof.train.neurons.lif`, so spikes are bit for bit the same.
"""

from __future__ import annotations

import numpy as np
import torch

from ....contract.compiled.compiling import compiled
from ..api import LIFConstants


@compiled
def _forward_loop(x, decay, threshold, u, s):  # type: ignore[no-untyped-def]
    steps, size = x.shape
    zero, one = np.float32(0), np.float32(1)
    for t in range(steps):
        x_t, u_t, s_t = x[t], u[t], s[t]
        if t == 0:
            for i in range(size):
                u_t[i] = x_t[i]
                s_t[i] = one if x_t[i] - threshold > zero else zero
            continue
        old_u, old_s = u[t - 1], s[t - 1]
        for i in range(size):
            new = decay * old_u[i] * (one - old_s[i]) + x_t[i]
            u_t[i] = new
            s_t[i] = one if new - threshold > zero else zero


@compiled
def _backward_loop(grad, u, decay, threshold, half_width, grad_x):  # type: ignore[no-untyped-def]
    """Go back in time: ``grad_x[t]`` is what reaches the membrane after step t."""
    steps, size = grad.shape
    zero, one = np.float32(0), np.float32(1)
    for t in range(steps - 1, -1, -1):
        g_t, u_t, out = grad[t], u[t], grad_x[t]
        if t == steps - 1:
            for i in range(size):
                out[i] = g_t[i] if abs(u_t[i] - threshold) < half_width else zero
            continue
        later = grad_x[t + 1]
        for i in range(size):
            distance = u_t[i] - threshold
            kept = zero if distance > zero else one
            carried = later[i] * decay
            by_spike = g_t[i] - carried * u_t[i]
            out[i] = (by_spike if abs(distance) < half_width else zero) + carried * kept


def lif_forward(x: torch.Tensor, constants: LIFConstants) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `api.LIFKernels.forward`."""
    x = x.contiguous()
    u, s = torch.empty_like(x), torch.empty_like(x)
    _forward_loop(x.numpy(), np.float32(constants.decay), np.float32(constants.threshold), u.numpy(), s.numpy())
    return s, u


def lif_backward(grad: torch.Tensor, u: torch.Tensor, constants: LIFConstants) -> torch.Tensor:
    """Do as `api.LIFKernels.backward`."""
    grad_x = torch.empty_like(u)
    _backward_loop(grad.contiguous().numpy(), u.numpy(), *map(np.float32, constants), grad_x.numpy())
    return grad_x

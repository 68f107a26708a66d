"""Floating-point ALIF neurons for CPUs: numba, SIMD over neurons, threads over samples.

Arrays are (N, T, C). The arithmetic is float32 and in the order of `spikeproof.train.neurons.alif`, so spikes are bit
for bit the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ....contract.compiled import memory
from ....contract.compiled.compiling import compiled, wide
from ..api import ALIFConstants, Fired
from .arrays import as_array, deal, gradient_of, parts_of
from .celif_float import FIRED, NEAR


@compiled
def _forward_loop(x, alpha, rho, threshold, gain, half_width, spikes, u_out, b_out, bits):  # type: ignore[no-untyped-def]
    """Write spikes, membranes and adaptations, and in `bits` who fired and who was near its threshold."""
    wide()
    samples, steps, channels = x.shape
    zero, one, none = np.float32(0), np.float32(1), np.uint8(0)
    u, b, s = np.empty((3, channels), np.float32)
    for n in range(samples):
        u[:] = 0
        b[:] = 0
        s[:] = 0
        for t in range(steps):
            x_t, spikes_t, u_t, b_t, bits_t = x[n, t], spikes[n, t], u_out[n, t], b_out[n, t], bits[n, t]
            for c in range(channels):
                b[c] = rho[c] * b[c] + (one - rho[c]) * s[c]
                theta = threshold + gain * b[c]
                u[c] = alpha[c] * u[c] + x_t[c] - theta * s[c]
                distance = u[c] - theta
                s[c] = one if distance > zero else zero
                spikes_t[c], u_t[c], b_t[c] = s[c], u[c], b[c]
                bits_t[c] = (FIRED if distance > zero else none) | (NEAR if abs(distance) < half_width else none)


@compiled
def _backward_loop(grad, alpha, rho, threshold, gain, u, b, bits, grad_x, of_alpha, of_rho):  # type: ignore[no-untyped-def]
    """Go back in time: ``grad_x[t]`` is what reaches the membrane of step t; adds to the gradients of the decays."""
    wide()
    samples, steps, channels = u.shape
    zero, one = np.float32(0), np.float32(1)
    stride = 1 if grad.shape[1] == steps else 0
    of_u, of_b = np.empty((2, channels), np.float32)
    for n in range(samples):
        of_u[:] = 0
        of_b[:] = 0
        for t in range(steps - 1, -1, -1):
            grad_t, u_t, b_t, bits_t, grad_x_t = grad[n, t * stride], u[n, t], b[n, t], bits[n, t], grad_x[n, t]
            b_next, bits_before = b[n, min(t + 1, steps - 1)], bits[n, max(t - 1, 0)]
            first = t == 0
            for c in range(channels):
                # of_u and of_b are those of the step after; in the last step both are 0.
                s = one if bits_t[c] & FIRED else zero
                of_alpha[c] += of_u[c] * u_t[c]
                of_rho[c] += of_b[c] * (b_t[c] - s)
                of_s = grad_t[c] + (one - rho[c]) * of_b[c] - (threshold + gain * b_next[c]) * of_u[c]
                by_spike = of_s if bits_t[c] & NEAR else zero
                before = zero if first else (one if bits_before[c] & FIRED else zero)
                of_u[c] = alpha[c] * of_u[c] + by_spike
                of_b[c] = rho[c] * of_b[c] - gain * (by_spike + before * of_u[c])
                grad_x_t[c] = of_u[c]


def alif_forward(x: torch.Tensor, alpha: torch.Tensor, rho: torch.Tensor, constants: ALIFConstants) -> Fired:
    """Do as `api.ALIFKernels.forward`."""
    x_in, *decays = (as_array(each, torch.float32) for each in (x, alpha, rho))
    spikes, u, b = (memory.empty(x_in.shape, np.float32) for _ in range(3))
    bits = memory.empty(x_in.shape, np.uint8)
    numbers = [np.float32(number) for number in constants]
    deal(len(x_in), lambda part, n: _forward_loop(x_in[n], *decays, *numbers, spikes[n], u[n], b[n], bits[n]))
    return torch.from_numpy(spikes), tuple(torch.from_numpy(each) for each in (u, b, bits))


def alif_backward(
    grad: torch.Tensor,
    alpha: torch.Tensor,
    rho: torch.Tensor,
    constants: ALIFConstants,
    trace: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do as `api.ALIFKernels.backward`."""
    u, b, bits = (each.numpy() for each in trace)
    grad_in, decays = gradient_of(grad.transpose(1, 2)), [as_array(each, torch.float32) for each in (alpha, rho)]
    grad_x, sums = memory.empty(u.shape, np.float32), np.zeros((2, parts_of(len(u)), u.shape[2]))
    numbers = np.float32(constants.threshold), np.float32(constants.gain)

    def run(part: int, n: slice) -> Any:
        _backward_loop(grad_in[n], *decays, *numbers, u[n], b[n], bits[n], grad_x[n], *sums[:, part])

    deal(len(u), run)
    of_alpha, of_rho = torch.from_numpy(sums.sum(1)).to(grad.dtype)
    return torch.from_numpy(grad_x), of_alpha, of_rho

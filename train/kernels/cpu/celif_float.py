"""Floating-point CE-LIF neurons for CPUs: numba, SIMD over neurons, threads over samples.

Arrays are (N, T, C). The arithmetic is float32 and in the order of `spikeproof.train.neurons.celif`, so spikes are bit
for bit the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ....contract.compiled import memory
from ....contract.compiled.compiling import compiled, wide
from ..api import Embedding, FloatCELIFConstants
from .arrays import Array, as_array, deal, gradient_of, zeros_of_parts

FIRED, NEAR = np.uint8(1), np.uint8(2)
"""What the bits of a trace say: who fired, and who was near its threshold."""


@compiled
def _forward_loop(x, te, decay, keep, threshold, half_width, terms, spikes, u_out, bits):  # type: ignore[no-untyped-def]
    """Write spikes, membranes before their reset, and in `bits` who fired and who was near its threshold.

    `terms` are an `api.Embedding` as numbers.
    """
    wide()
    samples, steps, channels = x.shape
    zero, one, none = np.float32(0), np.float32(1), np.uint8(0)
    of_s, of_u, of_te, of_s_te, of_u_te = terms
    u, h, s = np.empty((3, channels), np.float32)
    for n in range(samples):
        u[:] = 0
        h[:] = 0
        s[:] = 0
        for t in range(steps):
            x_t, te_t, spikes_t, u_t, bits_t = x[n, t], te[t], spikes[n, t], u_out[n, t], bits[n, t]
            for c in range(channels):
                added = (of_s + of_s_te * te_t[c]) * s[c] + (of_u + of_u_te * te_t[c]) * u[c] + of_te * te_t[c]
                h[c] = keep * h[c] + added
                u[c] = decay * u[c] * (one - s[c]) + x_t[c]
                distance = u[c] - threshold - h[c]
                s[c] = one if distance > zero else zero
                spikes_t[c], u_t[c] = s[c], u[c]
                bits_t[c] = (FIRED if distance > zero else none) | (NEAR if abs(distance) < half_width else none)


@compiled
def _backward_loop(grad, te, decay, keep, terms, u, bits, grad_x, grad_te):  # type: ignore[no-untyped-def]
    """Go back in time: ``grad_x[t]`` is what reaches the membrane after step t; adds to `grad_te` (T, C)."""
    wide()
    samples, steps, channels = u.shape
    zero, one = np.float32(0), np.float32(1)
    of_s, of_u, of_te, of_s_te, of_u_te = terms
    stride = 1 if grad.shape[1] == steps else 0
    d, lam = np.empty((2, channels), np.float32)
    for n in range(samples):
        d[:] = 0
        lam[:] = 0
        for t in range(steps - 1, -1, -1):
            grad_t, u_t, bits_t, grad_x_t = grad[n, t * stride], u[n, t], bits[n, t], grad_x[n, t]
            after = min(t + 1, steps - 1)  # without effect in the last step, where lam is 0
            te_next, grad_te_next = te[after], grad_te[after]
            for c in range(channels):
                carried, s = decay * d[c], one if bits_t[c] & FIRED else zero
                grad_te_next[c] += lam[c] * (of_u_te * u_t[c] + of_s_te * s + of_te)
                of_spike = grad_t[c] - carried * u_t[c] + (of_s + of_s_te * te_next[c]) * lam[c]
                by_spike = of_spike if bits_t[c] & NEAR else zero
                kept = zero if bits_t[c] & FIRED else carried
                d[c] = by_spike + kept + (of_u + of_u_te * te_next[c]) * lam[c]
                lam[c] = keep * lam[c] - by_spike
                grad_x_t[c] = d[c]
        for c in range(channels):  # before the first step there are neither spikes nor membranes
            grad_te[0, c] += of_te * lam[c]


def float_celif_forward(
    x: torch.Tensor, te: torch.Tensor, constants: FloatCELIFConstants
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Do as `api.FloatCELIFKernels.forward`."""
    x_in, te_in = as_array(x, torch.float32), _turned(te)
    spikes, u = (memory.empty(x_in.shape, np.float32) for _ in range(2))
    bits = memory.empty(x_in.shape, np.uint8)
    *numbers, embedding = constants
    layer = (*map(np.float32, numbers), _terms(embedding))
    deal(len(x_in), lambda part, n: _forward_loop(x_in[n], te_in, *layer, spikes[n], u[n], bits[n]))
    return torch.from_numpy(spikes), (torch.from_numpy(u), torch.from_numpy(bits))


def float_celif_backward(
    grad: torch.Tensor, te: torch.Tensor, constants: FloatCELIFConstants, trace: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `api.FloatCELIFKernels.backward`."""
    u, bits = (each.numpy() for each in trace)
    grad_in = gradient_of(grad.transpose(1, 2))
    grad_x, te_in = memory.empty(u.shape, np.float32), _turned(te)
    grad_te = zeros_of_parts(np.float32, u.shape)
    layer = np.float32(constants.decay), np.float32(constants.keep), _terms(constants.embedding)

    def run(part: int, n: slice) -> Any:
        _backward_loop(grad_in[n], te_in, *layer, u[n], bits[n], grad_x[n], grad_te[part])

    deal(len(u), run)
    return torch.from_numpy(grad_x), torch.from_numpy(grad_te.sum(0)).T


def _terms(embedding: Embedding) -> tuple[np.float32, ...]:
    return tuple(map(np.float32, embedding))


def _turned(te: torch.Tensor) -> Array:
    return as_array(te.T, torch.float32)

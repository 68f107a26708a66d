"""A norm of channels and the floating-point LIF neurons behind it for CPUs: numba, SIMD over neurons.

Arrays are (T, M), time first: M neurons, those of all samples and positions side by side, whose last axis is the D
channels. Memory is what bounds these loops, so normalised currents and membranes are never written: the backward pass
computes them again, in the same order of float32 operations, from what the linear map in front gave. Neurons are taken
in chunks of whole positions that stay in the first cache, and figures of a channel are repeated along a chunk.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ....contract.compiled.compiling import compiled
from ..api import LIFConstants, Norming

_CHUNK = 512
"""Neurons in a chunk, about."""

Row = npt.NDArray[np.float32]


@compiled
def _moments_loop(z, sums, squares):  # type: ignore[no-untyped-def]
    """Add up values and their squares, chunk over chunk."""
    width = len(sums)
    for t in range(z.shape[0]):
        for first in range(0, z.shape[1], width):
            row = z[t, first : first + width]
            for i in range(len(row)):
                value = np.float64(row[i])
                sums[i] += value
                squares[i] += value * value


@compiled
def _forward_loop(z, scale, shift, decay, threshold, carry, s):  # type: ignore[no-untyped-def]
    steps, size = z.shape
    width = len(scale)
    zero, one = np.float32(0), np.float32(1)
    for first in range(0, size, width):
        carry[:] = zero
        for t in range(steps):
            z_t, s_t = z[t, first : first + width], s[t, first : first + width]
            for i in range(len(z_t)):
                u = carry[i] + (z_t[i] * scale[i] + shift[i])
                fired = one if u - threshold > zero else zero
                carry[i] = decay * u * (one - fired)
                s_t[i] = fired


@compiled
def _membranes(z, first, scale, shift, decay, threshold, carry, u):  # type: ignore[no-untyped-def]
    """Write the membranes of a chunk in all steps, which are those of the forward pass."""
    width = len(scale)
    zero, one = np.float32(0), np.float32(1)
    carry[:] = zero
    for t in range(len(z)):
        z_t, u_t = z[t, first : first + width], u[t]
        for i in range(len(z_t)):
            new = carry[i] + (z_t[i] * scale[i] + shift[i])
            carry[i] = decay * new * (one if new - threshold <= zero else zero)
            u_t[i] = new


@compiled
def _to_currents(grad, u, decay, threshold, half_width, later, out):  # type: ignore[no-untyped-def]
    """Go back by one step: from the gradient of a chunk's spikes to that of its normalised currents."""
    zero, one = np.float32(0), np.float32(1)
    for i in range(len(grad)):
        distance = u[i] - threshold
        kept = zero if distance > zero else one
        carried = later[i] * decay
        by_spike = grad[i] - carried * u[i]
        new = (by_spike if abs(distance) < half_width else zero) + carried * kept
        later[i] = new
        out[i] = new


@compiled
def _add_up(grad_x, z, mean, sums, products):  # type: ignore[no-untyped-def]
    for i in range(len(grad_x)):
        sums[i] += grad_x[i]
        products[i] += grad_x[i] * (z[i] - mean[i])


@compiled
def _backward_loop(  # type: ignore[no-untyped-def]
    grad, z, scale, shift, mean, decay, threshold, half_width, carry, u, sums, products, grad_x
):
    steps, size = z.shape
    width = len(scale)
    for first in range(0, size, width):
        _membranes(z, first, scale, shift, decay, threshold, carry, u)
        carry[:] = 0
        for t in range(steps - 1, -1, -1):
            part = slice(first, first + width)
            out = grad_x[t, part]
            _to_currents(grad[t, part], u[t], decay, threshold, half_width, carry, out)
            _add_up(out, z[t, part], mean, sums, products)


@compiled
def _through_the_norm(grad_x, z, scale, mean, even, tilt):  # type: ignore[no-untyped-def]
    """Turn gradients of normalised currents into those of `z`, in their place."""
    width = len(scale)
    for t in range(z.shape[0]):
        for first in range(0, z.shape[1], width):
            row, z_t = grad_x[t, first : first + width], z[t, first : first + width]
            for i in range(len(row)):
                row[i] = scale[i] * row[i] - even[i] - tilt[i] * (z_t[i] - mean[i])


def moments(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `api.NormedLIFKernels.moments`."""
    z_in, chunk = _flat(z), _chunk(z)
    sums, squares = np.zeros(chunk), np.zeros(chunk)
    _moments_loop(z_in, sums, squares)
    count = z.numel() // z.shape[-1]
    mean, square = (of.reshape(-1, z.shape[-1]).sum(0) / count for of in (sums, squares))
    return torch.from_numpy(mean), torch.from_numpy(np.maximum(square - mean * mean, 0))


def normed_forward(z: torch.Tensor, norming: Norming, constants: LIFConstants) -> torch.Tensor:
    """Do as `api.NormedLIFKernels.forward`."""
    z_in, s = z.contiguous(), torch.empty(z.shape)
    scale, shift = (_repeated(of, z) for of in norming.line())
    decay, threshold, _ = map(np.float32, constants)
    _forward_loop(_flat(z_in), scale, shift, decay, threshold, np.empty_like(scale), _flat(s))
    return s


def normed_backward(
    grad: torch.Tensor, z: torch.Tensor, norming: Norming, constants: LIFConstants
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do as `api.NormedLIFKernels.backward`."""
    z_in, grad_z = _flat(z.contiguous()), torch.empty(z.shape)
    scale, shift = (_repeated(of, z) for of in norming.line())
    mean = _repeated(norming.mean, z)
    sums, products, carry = np.zeros_like(scale), np.zeros_like(scale), np.empty_like(scale)
    u = np.empty((len(z_in), len(scale)), np.float32)
    out, limits = _flat(grad_z), map(np.float32, constants)
    _backward_loop(_flat(grad.contiguous()), z_in, scale, shift, mean, *limits, carry, u, sums, products, out)
    channels, count = z.shape[-1], z.numel() // z.shape[-1]
    total, product = (of.reshape(-1, channels).sum(0, dtype=np.float64) for of in (sums, products))
    inverse, weight = norming.inverse.double().numpy(), norming.weight.detach().double().numpy()
    by_batch = count if norming.of_batch else np.inf  # other figures do not move with the currents
    even = weight * inverse * total / by_batch
    tilt = weight * inverse**3 * product / by_batch
    _through_the_norm(out, z_in, scale, mean, *(_repeated(torch.from_numpy(of), z) for of in (even, tilt)))
    return grad_z, torch.from_numpy((inverse * product).astype(np.float32)), torch.from_numpy(total.astype(np.float32))


def _chunk(z: torch.Tensor) -> int:
    """Return how many neurons are in a chunk: as many positions as fit, at least one."""
    return z.shape[-1] * max(1, _CHUNK // z.shape[-1])


def _repeated(channels: torch.Tensor, z: torch.Tensor) -> Row:
    """Return figures of channels, repeated along a chunk."""
    return np.tile(channels.detach().numpy().astype(np.float32), _chunk(z) // z.shape[-1])


def _flat(z: torch.Tensor) -> Row:
    found: Row = z.flatten(1).numpy()
    return found

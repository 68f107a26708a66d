"""A layer of CUBA neurons over a whole batch: what arrives at each neuron, then current, membrane, spike and delay.

Inside, neurons lie side by side, (samples, steps, neurons), and their number is filled up to whole vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ...kernels.threads import share
from . import cuba_loops as loops
from .arrays import Array, rows
from .products import blocks, padded

FillBlock = Callable[[int, slice, Array], None]
"""``fill(sample, block, z)`` writes a block's currents in whole state units, float32 of shape (steps, neurons)."""

Gradients = Callable[[torch.Tensor, Array, bool, bool], tuple[torch.Tensor | None, torch.Tensor | None]]
"""``gradients(weight, grad, needs_x, needs_weight)`` returns those of the input and of the weight.

`grad` are those of what arrives, (samples, steps, padded neurons).
"""


class Neurons(NamedTuple):
    """What a layer of CUBA neurons is."""

    count: int
    place: Array
    """Row of each neuron in a raster, int64, (count,)."""
    keep_u: Array
    """Fraction of the current that a step keeps, float64, (padded count,)."""
    keep_v: Array
    threshold: float
    """At or above it a neuron fires, in state units."""
    per_width: float
    """Reciprocal of the surrogate's width, in state units."""
    height: float
    """The surrogate at the threshold."""
    scale: int
    """State units in 1.0, a power of two."""


class Fired(NamedTuple):
    """What the neurons of N samples did."""

    membranes: Array
    """Before their reset, in state units, float32, (N, T, padded count)."""
    fired: list[list[Array]]
    """Who fired, for each sample and block, as ``t * count + neuron``."""
    v: Array
    """Membranes before the first step, float64, (N, padded count)."""


def run(neurons: Neurons, u: torch.Tensor, v: torch.Tensor, steps: int, fill: FillBlock) -> Fired | None:
    """Run neurons forward.

    Parameters
    ----------
    neurons : Neurons
        The layer.
    u, v : Tensor, shape (N, ...)
        States before the first step, in SLAYER's units.
    steps : int
        Number of steps.
    fill : callable
        Writes what arrives.

    Returns
    -------
    Fired or None
        None if a state left the exact range.
    """
    samples, width = len(u), padded(neurons.count)
    state_u, state_v = (_states(x, neurons) for x in (u, v))
    membranes = np.empty((samples, steps, width), np.float32)
    parts = blocks(neurons.count)
    fired: list[list[Any]] = [[None] * len(parts) for _ in range(samples)]
    before = state_v.copy()

    def part(i: int) -> None:
        block = parts[i % len(parts)]
        z = np.empty((steps, block.stop - block.start), np.float32)
        # Samples of a block follow each other, and its weights stay in the cache.
        for n in range(i // len(parts), samples, stride):
            fill(n, block, z)
            codes = np.empty(z.size + loops.ROOM, np.int32)
            count = loops.scan(
                z,
                state_u[n, block],
                state_v[n, block],
                neurons.keep_u[block],
                neurons.keep_v[block],
                neurons.threshold,
                block.start,
                neurons.count,
                membranes[n, :, block],
                codes,
            )
            fired[n][i % len(parts)] = codes[:count].copy() if count >= 0 else None

    stride = min(samples, 4)
    share(part, len(parts) * stride)
    whole = all(each is not None for sample in fired for each in sample)
    return Fired(membranes, fired, before) if whole else None


def _states(x: torch.Tensor, neurons: Neurons) -> Array:
    found = np.zeros((len(x), padded(neurons.count)))
    found[:, : neurons.count] = (x.detach() * neurons.scale).to(torch.int64).flatten(1).numpy()
    return found


class Sending(NamedTuple):
    """What becomes of a layer's spikes."""

    delay: Array
    """Steps that each row's spikes wait, int64, (count,)."""
    gain: Array
    """What a spike is sent as, float32, (N, count): 1, or what a dropout makes of it."""


def send(neurons: Neurons, did: Fired, sending: Sending, shape: torch.Size) -> torch.Tensor:
    """Return spikes as a block puts them out, of a shape (N, ..., T)."""
    sent = torch.zeros(shape)
    out = rows(sent)

    def part(n: int) -> None:
        for codes in did.fired[n]:
            loops.send(codes, neurons.count, neurons.place, sending.delay, sending.gain[n], out[n])

    share(part, len(out))
    return sent


class Held(NamedTuple):
    """What the forward pass of a layer keeps for its backward pass."""

    neurons: Neurons
    did: Fired
    sending: Sending
    gradients: Gradients
    grad_scale: float
    """Factor of the gradients of delays."""


class Layer(torch.autograd.Function):
    """``Layer.apply(x, weight, u_decay, v_decay, delay, sent, held)`` returns `sent`, with its gradients."""

    @staticmethod
    def forward(ctx: Any, x, weight, u_decay, v_decay, delay, sent, held):  # type: ignore[no-untyped-def]
        ctx.held, ctx.shape = held, sent.shape
        ctx.save_for_backward(weight, u_decay, v_decay)
        return sent

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        held, (weight, *decays) = ctx.held, ctx.saved_tensors
        needs = ctx.needs_input_grad
        grad_z, u_decay, v_decay = _through_neurons(held, grad, decays, any(needs[2:4]))
        x, w = held.gradients(weight, grad_z, needs[0], needs[1])
        delay = _of_delays(held, grad) if needs[4] else None
        return x, w, u_decay if needs[2] else None, v_decay if needs[3] else None, delay, None, None


def _layouts(grad: torch.Tensor) -> tuple[Array, bool]:
    """Return gradients as an array, and whether it is (N, T, neurons) and not (N, neurons, T)."""
    turned = grad.flatten(1, -2).transpose(1, 2) if grad.dim() == 3 else grad.movedim(-1, 1).flatten(2)
    if turned.is_contiguous() and not grad.is_contiguous():
        return turned.numpy(), True
    return rows(grad), False


def _through_neurons(
    held: Held, grad: torch.Tensor, decays: list[torch.Tensor], needs_decays: bool
) -> tuple[Array, torch.Tensor | None, torch.Tensor | None]:
    """Return the gradient of what arrives, (N, T, padded count), and those of the decays."""
    neurons, did = held.neurons, held.did
    given, by_step = _layouts(grad)
    samples, steps, width = did.membranes.shape
    grad_z = np.empty((samples, steps, width), np.float32)
    keep_u, keep_v = (x.astype(np.float32) for x in (neurons.keep_u, neurons.keep_v))
    totals = np.zeros((2, samples, width))
    turn = loops.turn_back_steps if by_step else loops.turn_back
    threshold, per_width, height = (np.float32(x) for x in (neurons.threshold, neurons.per_width, neurons.height))
    parts = blocks(neurons.count)

    def part(i: int) -> None:
        n, block = i // len(parts), parts[i % len(parts)]
        real = slice(block.start, min(block.stop, neurons.count))
        g = np.empty((steps, block.stop - block.start), np.float32)
        turn(given[n], neurons.place[real], held.sending.delay, held.sending.gain[n], g)
        membranes, out = did.membranes[n, :, block], grad_z[n, :, block]
        loops.back(g, membranes, keep_u[block], keep_v[block], threshold, per_width, height, out)
        if needs_decays:
            of = totals[:, n, block]
            before, keep = did.v[n, block], neurons.keep_v[block]
            loops.decay_gradients(g, out, membranes, before, keep, neurons.threshold, of[0], of[1])

    share(part, samples * len(parts))
    return grad_z, *(_of_decays(x, total, neurons) for x, total in zip(decays, totals, strict=True))


def _of_decays(decay: torch.Tensor, total: Array, neurons: Neurons) -> torch.Tensor:
    each = total.sum(0)[: neurons.count] / neurons.scale
    return torch.as_tensor(each if decay.numel() > 1 else each.sum(keepdims=True), dtype=decay.dtype)


def _of_delays(held: Held, grad: torch.Tensor) -> torch.Tensor:
    """Return the gradient of every neuron's delay."""
    given, by_step = _layouts(grad)
    given = given.swapaxes(1, 2) if by_step else given
    neurons, (delay, gain) = held.neurons, held.sending
    totals = np.zeros(gain.shape)

    def part(n: int) -> None:
        for codes in held.did.fired[n]:
            loops.delay_gradient(codes, neurons.count, neurons.place, delay, gain[n], given[n], totals[n])

    share(part, len(gain))
    return torch.from_numpy(totals.sum(0) * held.grad_scale).float()

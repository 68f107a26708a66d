"""A layer of CUBA neurons over a whole batch: what arrives at each neuron, then current, membrane, spike and delay.

Inside, neurons lie side by side, (samples, steps, neurons), and their number is filled up to whole vectors. Work is
done for a block of neurons in some samples at a time: a `Part`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ....contract.compiled import memory
from ...kernels.cpu.arrays import empty
from ...kernels.cpu.threads import share
from .arrays import Array, rows
from .loops import cuba as loops
from .products import padded


class Neurons(NamedTuple):
    """What a layer of CUBA neurons is."""

    size: int
    """How many."""
    place: Array
    """Row of each neuron in a raster, int64, (size,)."""
    keep_u: Array
    """Fraction of the current that a step keeps, float32, (padded size,)."""
    keep_v: Array
    threshold: float
    """At or above it a neuron fires, in state units."""
    per_width: float
    """Reciprocal of the surrogate's width, in state units."""
    height: float
    """The surrogate at the threshold."""
    scale: int
    """State units in 1.0, a power of two."""


class Part(NamedTuple):
    """A block of neurons in some samples."""

    samples: slice
    block: slice

    def real(self, neurons: Neurons) -> slice:
        """Return the block without what it was filled up with."""
        return slice(self.block.start, min(self.block.stop, neurons.size))


class Arriving(Protocol):
    """What arrives at a layer's neurons."""

    def blocks(self, neurons: int, steps: int) -> list[slice]:
        """Return the blocks in which neurons are dealt with, in whole lanes."""

    def scan(self, part: Part, z: Array, *neurons: Any) -> None:
        """Call a loop of `loops.cuba` with what arrives in a part; `z` is room for a sample, (T, K)."""

    def gradients(
        self, weight: torch.Tensor, grad: Array, needs_x: bool, needs_weight: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return those of input and weight, given those of what arrives, (samples, steps, padded neurons)."""


class Fired(NamedTuple):
    """What the neurons of N samples did."""

    membranes: Array
    """Before their reset, in state units, (N, T, padded count)."""
    parts: list[Part]
    fired: list[Array]
    """Who fired, for each part, as ``t * count + neuron``; int32."""
    ends: list[Array]
    """Where each sample's spikes end there."""
    v: Array
    """Membranes before the first step, float32, (N, padded count)."""
    last: tuple[Array, Array]
    """Currents and membranes, reset, after the last step."""


def _parts(samples: int, of: list[slice]) -> list[Part]:
    """Return the parts of a batch: those of a block follow each other, so that its weights stay in the cache."""
    shares = min(8, samples)
    cuts = [slice(samples * i // shares, samples * (i + 1) // shares) for i in range(shares)]
    return [Part(cut, block) for block in of for cut in cuts]


def run(neurons: Neurons, u: torch.Tensor, v: torch.Tensor, steps: int, arriving: Arriving) -> Fired | None:
    """Run neurons forward.

    Parameters
    ----------
    neurons : Neurons
        The layer.
    u, v : Tensor, shape (N, ...)
        States before the first step, in SLAYER's units.
    steps : int
        Number of steps.
    arriving : Arriving
        What arrives.

    Returns
    -------
    Fired or None
        None if a state left the exact range.
    """
    state_u, state_v = (_states(x, neurons) for x in (u, v))
    if max(np.abs(state).max(initial=0) for state in (state_u, state_v)) >= loops.LIMIT:
        return None
    threshold = np.float32(np.ceil(neurons.threshold))  # the same for whole numbers
    membranes = memory.empty((len(u), steps, padded(neurons.size)), np.float32)
    parts = _parts(len(u), arriving.blocks(neurons.size, steps))
    of_parts, of_ends = [np.empty(0)] * len(parts), [np.empty(0)] * len(parts)  # each part fills its own
    did = Fired(membranes, parts, of_parts, of_ends, state_v.copy(), (state_u, state_v))

    def one(i: int) -> None:
        n, block = parts[i]
        width, ends = block.stop - block.start, np.empty(n.stop - n.start, np.int64)
        z = memory.scratch("z", (steps, width), np.float32)
        fired = memory.scratch("fired", (len(ends) * z.size + loops.ROOM,), np.int32)
        states = np.ascontiguousarray(state_u[n, block]), np.ascontiguousarray(state_v[n, block])
        constants = neurons.keep_u[block], neurons.keep_v[block], threshold, block.start, neurons.size
        arriving.scan(parts[i], z, *states, *constants, membranes[n], fired, ends)
        did.ends[i], did.fired[i] = ends, fired[: max(ends[-1], 0)].copy()
        state_u[n, block], state_v[n, block] = states

    share(one, len(parts))
    return did if all(ends[-1] >= 0 for ends in did.ends) else None


def _states(x: torch.Tensor, neurons: Neurons) -> Array:
    found = np.zeros((len(x), padded(neurons.size)), np.float32)
    found[:, : neurons.size] = (x.detach() * neurons.scale).to(torch.int64).flatten(1).numpy()[:, neurons.place]
    return found


class Sending(NamedTuple):
    """What becomes of a layer's spikes."""

    delay: Array
    """Steps that each row's spikes wait, int64, (count,)."""
    gain: Array
    """What a spike is sent as, float32, (N, count): 1, or what a dropout makes of it."""


def send(neurons: Neurons, did: Fired, sending: Sending, shape: torch.Size) -> torch.Tensor:
    """Return spikes as a block puts them out, of a shape (N, ..., T)."""
    sent = empty(*shape).zero_()
    out = rows(sent)

    def one(i: int) -> None:
        n = did.parts[i].samples
        spikes = did.fired[i], did.ends[i], neurons.size, neurons.place
        loops.send(*spikes, sending.delay, sending.gain[n], out[n])

    share(one, len(did.parts))
    return sent


class Held(NamedTuple):
    """What the forward pass of a layer keeps for its backward pass."""

    neurons: Neurons
    did: Fired
    sending: Sending
    arriving: Arriving
    grad_scale: float
    """Factor of the gradients of delays."""


class Layer(torch.autograd.Function):
    """``Layer.apply(x, weight, u_decay, v_decay, delay, sent, held)`` returns `sent`, with its gradients."""

    @staticmethod
    def forward(ctx: Any, x, weight, u_decay, v_decay, delay, sent, held):  # type: ignore[no-untyped-def]
        """Keep what `backward` needs."""
        ctx.held = held
        ctx.save_for_backward(weight, u_decay, v_decay)
        return sent

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        """Go back through delays, dropout, spikes, states and products."""
        held, (weight, *decays) = ctx.held, ctx.saved_tensors
        needs, given = ctx.needs_input_grad, rows(grad)
        grad_z, u_decay, v_decay = _through_neurons(held, given, decays, any(needs[2:4]))
        x, w = held.arriving.gradients(weight, grad_z, needs[0], needs[1])
        delay = of_delays(held, given) if needs[4] else None
        return x, w, u_decay if needs[2] else None, v_decay if needs[3] else None, delay, None, None


def _through_neurons(
    held: Held, grad: Array, decays: list[torch.Tensor], needs_decays: bool
) -> tuple[Array, torch.Tensor, torch.Tensor]:
    """Return the gradient of what arrives, (N, T, padded count), and those of the decays."""
    neurons, did, (delay, gain) = held.neurons, held.did, held.sending
    membranes = did.membranes
    steps, width = membranes.shape[1:]
    grad_z = memory.empty(membranes.shape, np.float32)
    surrogate = [np.float32(x) for x in (neurons.threshold, neurons.per_width, neurons.height)]
    totals = np.zeros((2, len(did.parts), width if needs_decays else 0))

    def one(i: int) -> None:
        n, block = did.parts[i]
        k = block.stop - block.start
        g = memory.scratch("z", (steps, k), np.float32)
        constants = (neurons.keep_u[block], neurons.keep_v[block], *surrogate)
        before = np.ascontiguousarray(did.v[n, block])
        sums = np.zeros((2, k if needs_decays else 0))
        place, out = neurons.place[did.parts[i].real(neurons)], grad_z[n]
        loops.back(grad[n], place, delay, gain[n], g, block.start, membranes[n], constants, before, out, sums)
        if needs_decays:
            totals[:, i, block] = sums

    share(one, len(did.parts))
    u_decay, v_decay = (_of_decays(x, total, neurons) for x, total in zip(decays, totals, strict=True))
    return grad_z, u_decay, v_decay


def _of_decays(decay: torch.Tensor, total: Array, neurons: Neurons) -> torch.Tensor:
    each = total.sum(0)[: neurons.size] / neurons.scale
    return torch.as_tensor(each if decay.numel() > 1 else each.sum(keepdims=True), dtype=decay.dtype)


def of_delays(held: Held, grad: Array) -> torch.Tensor:
    """Return the gradient of every row's delay."""
    neurons, did, (delay, gain) = held.neurons, held.did, held.sending
    totals = np.zeros((len(did.parts), neurons.size))

    def one(i: int) -> None:
        n = did.parts[i].samples
        spikes = did.fired[i], did.ends[i], neurons.size, neurons.place
        loops.delay_gradients(*spikes, delay, gain[n], grad[n], totals[i])

    share(one, len(did.parts))
    return torch.from_numpy(totals.sum(0) * held.grad_scale).float()

"""``block.cuba.Recurrent`` in fused passes.

Stock steps through time in Python and keeps a graph for each step. Its gradient goes back in time by the spikes that
come back alone: states cross steps without one. That is kept here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ....contract.compiled import memory
from . import cuba, plain, products
from .arrays import Array, is_float32, rows
from .block import Forward, Stock, delays, stand_in
from .dense import Arriving
from .loops import recurrent as loops


def forward(found: Forward, stock: Stock, synapse: Forward) -> Forward:
    """Return a stand-in for ``AbstractRecurrent.forward``; what it does not hold is left to `found`.

    `synapse` is the forward pass of a dense synapse.
    """
    return stand_in(found, stock, lambda block, x: _fits(block, x, stock, synapse), _sent)


def _fits(block: Any, x: torch.Tensor, stock: Stock, synapse: Forward) -> bool:
    if not stock.may_run(block, x, persistent=True):
        return False
    drop, count, ways = block.neuron.drop, block.num_neurons, (block.input_synapse, block.recurrent_synapse)
    return (
        all(plain.runs(each, forward=synapse) for each in ways)
        and x.dim() == 3
        and x.shape[1] == ways[0].weight[0].numel()
        and block.bias is None
        and (drop is None or not drop.training or drop.p == 0)  # stock draws anew in each step
        and (block.delay is None or block.delay.init is False or len(block.delay.delay) == count)
        and len(block.neuron.current_decay) in (1, count)
    )


def _sent(block: Any, x: torch.Tensor, stock: Stock) -> torch.Tensor | None:
    """Return what a block sends, or None if loops do not hold it."""
    neuron, back, count = block.neuron, block.recurrent_synapse, block.num_neurons
    weight = plain.weight(block.input_synapse, x)
    matrix = back.weight.reshape(back.weight.shape[:2])
    matrix = matrix if back.pre_hook_fx is None else back.pre_hook_fx(matrix)
    everyone = [slice(0, products.padded(count))]
    feedback = products.pack(matrix, neuron.w_scale, neuron.s_scale, everyone, as_bytes=True)
    if not is_float32(weight, matrix) or not feedback.exact_with(1):
        return None
    arriving = _Returning(x, weight, neuron.w_scale, neuron.s_scale, feedback)
    stock.prepare(neuron, len(x), torch.Size((count,)))
    decays = [stock.quantize(neuron.current_decay), stock.quantize(neuron.voltage_decay)]
    neurons = stock.neurons(neuron, decays, np.arange(count))
    did = cuba.run(neurons, neuron.current_state, neuron.voltage_state, x.shape[-1], arriving)
    if did is None:
        return None
    _keep_states(block, did, count)
    delay = delays(block.delay, len(x), torch.Size((count,)))
    waits = np.zeros(count, np.int64) if delay is None else delay.detach().to(torch.int64).numpy()
    sending = cuba.Sending(waits + (block.delay_shift is True), np.ones((len(x), count), np.float32))
    sent = cuba.send(neurons, did, sending, torch.Size((len(x), count, x.shape[-1])))
    held = cuba.Held(neurons, did, sending, arriving, 1.0 if delay is None else block.delay.grad_scale)
    return _Layer.apply(x, weight, matrix, *decays, delay, sent, held)  # type: ignore[no-any-return, no-untyped-call]


def _keep_states(block: Any, did: cuba.Fired, count: int) -> None:
    """Leave the states that stock would leave for the next batch."""
    u, v = (torch.from_numpy(x[:, :count] / block.neuron.s_scale).float() for x in did.last)
    block.neuron.current_state, block.neuron.voltage_state = u, v
    spike = torch.zeros(u.shape)
    block.spike_state = spike + block.spike_state if len(u) == len(block.spike_state) else spike


class _Returning(Arriving):
    """What arrives at recurrent neurons: sums over the input, and feedback."""

    in_order = False  # its loops add up whole numbers

    def __init__(
        self, x: torch.Tensor, weight: torch.Tensor, unit: int, scale: int, feedback: products.Weights
    ) -> None:
        super().__init__(x, weight, unit, scale)
        self._feedback = feedback.scaled(slice(0, products.padded(len(weight))))

    def blocks(self, neurons: int, steps: int) -> list[slice]:
        """See `cuba.Arriving`: neurons that hear each other are one block."""
        return [slice(0, products.padded(neurons))]

    def scan(self, part: cuba.Part, z: Array, *neurons: Any) -> None:
        """See `cuba.Arriving`."""
        n, block = part
        if self._sums is not None:
            loops.scan_sums(self._sums[n], self._scale, self._feedback, z, *neurons)
        else:
            starts, senders, values = self.events[:3]
            loops.scan_events(starts[n], senders, values, self._packed.scaled(block), self._feedback, z, *neurons)


class _Layer(torch.autograd.Function):
    """As `cuba.Layer`, with the feedback's matrix behind the weight."""

    @staticmethod
    def forward(ctx: Any, x, weight, matrix, u_decay, v_decay, delay, sent, held):  # type: ignore[no-untyped-def]
        ctx.held = held
        ctx.save_for_backward(weight, matrix, u_decay, v_decay)
        return sent

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        held, (weight, matrix, *decays), needs = ctx.held, ctx.saved_tensors, ctx.needs_input_grad
        given = rows(grad)
        grad_z = _through_steps(held, given, matrix)
        x, w = held.arriving.gradients(weight, grad_z, needs[0], needs[1])
        of_matrix = _of_matrix(held, grad_z) if needs[2] else None
        # No state is carried with a gradient, so stock's decays get one of 0.
        of_decays = (torch.zeros_like(decay) for decay in decays)
        return x, w, of_matrix, *of_decays, cuba.of_delays(held, given) if needs[5] else None, None, None


class _Room(NamedTuple):
    spikes: Array
    surrogates: Array
    arriving: Array


def _through_steps(held: cuba.Held, grad: Array, matrix: torch.Tensor) -> Array:
    """Return the gradient of what arrives, (N, T, padded count), of which each step's passes through the next's."""
    neurons, membranes, (delay, gain) = held.neurons, held.did.membranes, held.sending
    samples, steps, width = membranes.shape
    of_spikes, surrogate, of_sums = room = _Room(*(memory.empty((steps, samples, width), np.float32) for _ in range(3)))
    g = memory.scratch("z", (steps, width), np.float32)
    loops.gradients(grad, neurons.place, delay, gain, g, of_spikes)
    constants = (np.float32(x) for x in (neurons.threshold, neurons.per_width, neurons.height))
    loops.surrogates(membranes, *constants, surrogate)
    back = torch.zeros(width, width)
    back[: neurons.size, : neurons.size] = matrix.detach()
    spikes, slopes, sums = (torch.from_numpy(each).unbind() for each in room)
    torch.mul(spikes[-1], slopes[-1], out=sums[-1])
    for t in range(steps - 2, -1, -1):
        torch.addmm(spikes[t], sums[t + 1], back, out=sums[t]).mul_(slopes[t])
    turned = memory.empty((samples, steps, width), np.float32)
    np.copyto(turned, of_sums.swapaxes(0, 1))
    return turned


def _of_matrix(held: cuba.Held, grad_z: Array) -> torch.Tensor:
    """Return the gradient of the feedback's weights."""
    neurons, did = held.neurons, held.did
    count, (samples, steps, width) = neurons.size, grad_z.shape
    if sum(map(len, did.fired)) <= products.densest_gradient(count) * samples * steps * count:
        total = np.zeros((count, width), np.float32)
        for part, fired, ends in zip(did.parts, did.fired, did.ends, strict=True):
            loops.weight_gradient(fired, ends, count, grad_z[part.samples], total)
        return torch.from_numpy(total[:, :count].T.copy())
    spikes = torch.from_numpy(did.membranes)[:, :-1] >= neurons.threshold
    later = torch.from_numpy(grad_z)[:, 1:].reshape(-1, width)
    return torch.mm(later.T, spikes.float().view(-1, width))[:count, :count].contiguous()

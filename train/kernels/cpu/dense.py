"""Dense layers of CE-LIF neurons, recurrent ones among them: the currents exist for a block of samples at a time.

That saves the passes over memory that all of them would cost. Where spikes and weights fit into eight bits, they are
multiplied as integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ....contract.compiled import memory
from ..api import CELIFConstants, Fired
from .arrays import Array, as_nct, deal, empty, gradient_of, parts_of
from .bytes import as_bytes
from .celif import CELIFStates, backward_runner, forward_runner
from .recurrent import recurrent_backward_runner, recurrent_parts, recurrent_runner

_BLOCK_BYTES = 2**22
"""Currents of a block of samples, between a matrix product and the neurons: small enough for a core's cache."""


@torch.autocast("cpu", enabled=False)  # a product in half precision would round
def dense_forward(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    feedback: torch.Tensor | None,
    te: torch.Tensor,
    constants: CELIFConstants,
) -> Fired:
    """Do as `api.CELIFDense.forward`."""
    x_tm, weight_t = x.detach().transpose(1, 2).contiguous(), weight.detach().T
    samples, steps, inputs = x_tm.shape
    states = CELIFStates.room((samples, steps, len(weight)), x_tm.numpy().dtype)
    dtype = states.spikes.dtype.type
    if feedback is None:
        neurons = forward_runner(dtype, bias, te, constants)
    else:
        neurons = recurrent_runner(dtype, bias, feedback, te, constants)
    small = as_bytes(weight.detach())

    def run(part: int, n: slice) -> None:
        for b in _blocks(n, states.spikes):
            flat = x_tm[b].view(-1, inputs)
            z, quantum = (small.product(flat), small.quantum) if small else (None, 1.0)
            if z is None:
                z, quantum = memory.scratch("currents", (len(flat), len(weight)), dtype), 1.0
                torch.mm(flat, weight_t, out=torch.from_numpy(z))
            neurons(z.reshape(-1, steps, len(weight)), quantum, states.of(b))

    deal(samples, run)
    return as_nct(states.spikes), (x_tm, torch.from_numpy(states.packed))


@torch.autocast("cpu", enabled=False)
def dense_backward(
    grad: torch.Tensor,
    weight: torch.Tensor,
    feedback: torch.Tensor | None,
    te: torch.Tensor,
    constants: CELIFConstants,
    trace: Sequence[torch.Tensor],
    needs_x: bool,
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """Do as `api.CELIFDense.backward`."""
    x_tm, packed = trace[0], trace[1].numpy()
    weight, grad_in = weight.detach(), gradient_of(grad)
    inputs, channels = x_tm.shape[-1], packed.shape[-1]
    grad_x = empty(*x_tm.shape, dtype=x_tm.numpy().dtype) if needs_x else None
    dtype = grad_in.dtype.type
    parts = parts_of(len(packed)) if feedback is None else recurrent_parts(len(packed))
    partial_weight = torch.zeros((parts, *weight.shape), dtype=weight.dtype)
    if feedback is None:
        neurons, sums = backward_runner(dtype, packed.shape, te, constants)
    else:
        neurons, sums = recurrent_backward_runner(dtype, packed.shape, feedback, te, constants)
        sent, partial_feedback = trace[2].transpose(1, 2), torch.zeros((parts, *feedback.shape), dtype=weight.dtype)

    def run(part: int, n: slice) -> None:
        for b in _blocks(n, packed) if feedback is None else (n,):
            grad_z = memory.scratch("gradients", packed[b].shape, grad_in.dtype)
            neurons(part, grad_in[b], packed[b], grad_z)
            flat = torch.from_numpy(grad_z).view(-1, channels)
            partial_weight[part].addmm_(flat.T, x_tm[b].view(-1, inputs))
            if grad_x is not None:
                torch.mm(flat, weight, out=grad_x[b].view(-1, inputs))
            if feedback is not None:  # what a neuron receives in a step was sent in the step before
                for received, before in zip(torch.from_numpy(grad_z), sent[b], strict=True):
                    partial_feedback[part].addmm_(received[1:].T, before[:-1])

    deal(len(packed), run, parts)
    grad_te, grad_bias = sums()
    # NumPy adds up: torch's threads would spin beside the next layer's.
    grad_weight = torch.from_numpy(partial_weight.numpy().sum(0))
    grad_feedback = None if feedback is None else torch.from_numpy(partial_feedback.numpy().sum(0))
    return None if grad_x is None else grad_x.transpose(1, 2), grad_weight, grad_bias, grad_feedback, grad_te


def _blocks(samples: slice, x: Array) -> list[slice]:
    """Cut a part into blocks of about `_BLOCK_BYTES` of an array (N, T, C), one sample at least."""
    size = max(1, _BLOCK_BYTES // max(1, x[:1].size * 4))
    return [slice(b, min(b + size, samples.stop)) for b in range(samples.start, samples.stop, size)]

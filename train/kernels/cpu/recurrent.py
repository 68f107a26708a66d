"""The CPU kernels of recurrent CE-LIF layers: the loops of `loops`, and what comes back from the step before.

A step needs the spikes of the one before. Forward, each sample is one loop over time, in which the weights of the
neurons that fired are added up. Backward, all weights take part, so many samples go back together, a matrix product a
step. Threads share out the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ....contract.compiled import events, memory
from ....contract.compiled.celif import step
from ....contract.compiled.compiling import aligned, compiled, wide
from ....contract.fixed import FLOAT32_WHOLE
from ..api import CELIFConstants, Fired
from .arrays import Array, as_array, as_nct, deal, forward_operands, gradient_of, parts_of
from .celif import BackwardRunner, CELIFStates, ForwardRunner, backward_runner

_TOGETHER = 32
"""Samples that go back together."""


@compiled
def _advance(z, te, back, layer, half_width, v, h, kept, spikes, packed):  # type: ignore[no-untyped-def]
    """Do a step of a sample, by itself so that the compiler sees no more than one loop over neurons."""
    number = v.dtype.type
    keep_v, keep_h, resting, per_current = layer.keep_v, layer.keep_h, number(layer.resting), number(layer.per_current)
    none, near, two = np.int32(0), np.int32(2), np.int32(2)
    for c in range(len(v)):
        a = np.rint(number(z[c]) * per_current) + back[c]
        y, h[c], kept[c], theta, s = step(
            v[c], h[c], kept[c], a, number(te[c]), number(keep_v[c]), number(keep_h[c]), resting
        )
        v[c] = y
        spikes[c] = s
        bits = near if abs(y - theta) < half_width else none
        packed[c] = (np.int32(y) << two) + bits + np.int32(s)


@compiled
def _forward(z, te, layer, weight_t, half_width, spikes, packed):  # type: ignore[no-untyped-def]
    """Do as `loops.celif_forward`; `weight_t` (C, C) is in state units, one row for each neuron that fires.

    Registers are of its type.
    """
    wide()
    samples, steps, channels = z.shape
    number = weight_t.dtype.type
    v, h, kept = np.empty((3, channels), weight_t.dtype)
    back, bias = aligned(weight_t, channels), layer.bias
    found, silent = np.empty(channels + 1, np.int64), np.zeros(channels, spikes.dtype)
    for n in range(samples):
        v[:] = 0
        h[:] = 0
        kept[:] = 0
        before = silent
        for t in range(steps):
            for c in range(channels):
                back[c] = number(bias[c])
            events.add(before, weight_t, found, back)
            _advance(z[n, t], te[t], back, layer, half_width, v, h, kept, spikes[n, t], packed[n, t])
            before = spikes[n, t]


@compiled
def _back(grad, te, te_next, keep_v, keep_h, unit, height, heard, packed, t, d, lam, grad_z, grad_te, total):  # type: ignore[no-untyped-def]
    """Go back a step in all samples, as `loops.celif_backward` does; `heard`, (N, C), is what others heard of it."""
    wide()
    zero, two = grad.dtype.type(0), np.int32(2)
    at = t if grad.shape[1] > 1 else 0
    for n in range(len(d)):
        grad_n, packed_n, grad_z_n = grad[n, at], packed[n, t], grad_z[n, t]
        heard_n, d_n, lam_n = heard[n], d[n], lam[n]
        for c in range(d.shape[1]):
            bits = packed_n[c]
            v = grad.dtype.type(bits >> two) * unit
            grad_te[c] += lam_n[c] * v
            g = height if bits & two else zero
            kept = zero if bits & np.int32(1) else keep_v[c]
            fire = (grad_n[c] + heard_n[c] - keep_v[c] * v * d_n[c]) * g
            x = fire + kept * d_n[c] + te_next[c] * lam_n[c]
            lam_n[c] = keep_h[c] * lam_n[c] - fire
            d_n[c] = x
            total[c] += x
            grad_z_n[c] = x


def recurrent_parts(samples: int) -> int:
    """Return in how many parts samples go back: enough of them together for a fast product."""
    return min(parts_of(samples), -(-samples // _TOGETHER))


def recurrent_runner(
    dtype: type[Any],
    bias: torch.Tensor | None,
    weight: torch.Tensor,
    te: torch.Tensor,
    constants: CELIFConstants,
) -> ForwardRunner:
    """Bind a layer's parameters to the forward loop, as `celif.forward_runner` does.

    `weight` (C, C) is what comes back. Its sums and the bias decide the type of the registers: where float32 holds both
    together, it also holds all that matters of the currents. They are even, so those up to 2**25 are exact; and larger
    ones leave the membrane at its end, whatever comes back.
    """
    layer, te_in, near = forward_operands(dtype, bias, te, constants)
    weight_t = np.ascontiguousarray(np.rint(as_array(weight, torch.float64) / constants.unit).T)
    if np.max(np.abs(layer.bias) + np.abs(weight_t).sum(0), initial=0) < FLOAT32_WHOLE:
        weight_t = weight_t.astype(layer.keep_v.dtype)

    def run(z: Array, quantum: float, states: CELIFStates) -> None:
        per_current = type(layer.per_current)(layer.per_current * quantum)
        _forward(z, te_in, layer._replace(per_current=per_current), weight_t, near, states.spikes, states.packed)

    return run


def recurrent_backward_runner(
    dtype: type[Any], shape: tuple[int, ...], weight: torch.Tensor, te: torch.Tensor, constants: CELIFConstants
) -> BackwardRunner:
    """Bind a layer's parameters to the way back, as `celif.backward_runner` does.

    All samples of a part go back together: what a step's neurons heard is one matrix product.
    """
    weight_in = torch.from_numpy(weight.detach().numpy().astype(dtype))

    def loop(grad, te, layer, packed, grad_z, grad_te, grad_bias):  # type: ignore[no-untyped-def]
        samples, steps, channels = packed.shape
        d, lam, heard = (memory.scratch(name, (samples, channels), dtype) for name in ("d", "lam", "heard"))
        total = np.zeros(channels, np.float64)
        for each in (d, lam, heard):
            each[:] = 0
        d_in, heard_out = torch.from_numpy(d), torch.from_numpy(heard)
        for t in range(steps - 1, -1, -1):
            after = min(t + 1, steps - 1)  # without effect in the last step, where lam is 0
            if t < steps - 1:
                torch.mm(d_in, weight_in, out=heard_out)
            _back(grad, te, te[after], *layer, heard, packed, t, d, lam, grad_z, grad_te[after], total)
        grad_bias += total

    return backward_runner(dtype, shape, te, constants, loop)


def recurrent_forward(z: torch.Tensor, te: torch.Tensor, weight: torch.Tensor, constants: CELIFConstants) -> Fired:
    """Do as `reference.recurrent_forward`, bit for bit."""
    z_in = as_array(z.transpose(1, 2), z.dtype)
    states = CELIFStates.room(z_in.shape, z_in.dtype)
    run = recurrent_runner(z_in.dtype.type, None, weight, te, constants)
    deal(len(z_in), lambda part, n: run(z_in[n], 1, states.of(n)))
    return as_nct(states.spikes), (torch.from_numpy(states.packed),)


def recurrent_backward(
    grad: torch.Tensor,
    te: torch.Tensor,
    weight: torch.Tensor,
    constants: CELIFConstants,
    trace: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `reference.recurrent_backward`; sums add in another order, the same on any machine."""
    packed, grad_in = trace[0].numpy(), gradient_of(grad)
    grad_z = memory.empty(packed.shape, grad_in.dtype)
    run, sums = recurrent_backward_runner(grad_in.dtype.type, packed.shape, weight, te, constants)
    deal(len(packed), lambda part, n: run(part, grad_in[n], packed[n], grad_z[n]), recurrent_parts(len(packed)))
    return as_nct(grad_z), sums()[0]

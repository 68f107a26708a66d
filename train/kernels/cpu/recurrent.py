"""The CPU kernels of recurrent CE-LIF layers: the loops of `loops`, and what comes back from the step before.

A step needs the spikes of the one before, so all of it is one loop over the time of a sample; samples are shared out
among threads. Forward, the weights of the neurons that fired are added up; backward, all take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ....contract.compiled import events, memory
from ....contract.compiled.celif import step
from ....contract.compiled.compiling import compiled, wide
from ..api import CELIFConstants, Fired
from .arrays import Array, as_array, as_nct, deal, forward_operands, gradient_of, partial_sums

_EXACT = 2**24
"""Whole numbers below this, in state units, are exact in float32."""


@compiled
def _forward(z, te, layer, weight_t, half_width, spikes, packed):  # type: ignore[no-untyped-def]
    """Do as `loops.celif_forward`; `weight_t` (C, C) is in state units, one row for each neuron that fires.

    Registers are of its type.
    """
    wide()
    samples, steps, channels = z.shape
    number = weight_t.dtype.type
    keep_v, keep_h, resting = layer.keep_v, layer.keep_h, number(layer.resting)
    none, near, two = np.int32(0), np.int32(2), np.int32(2)
    v, h, kept, back = np.empty((4, channels), weight_t.dtype)
    found, silent = np.empty(channels + 1, np.int64), np.zeros(channels, spikes.dtype)
    for n in range(samples):
        v[:] = 0
        h[:] = 0
        kept[:] = 0
        before = silent
        for t in range(steps):
            z_t, te_t, spikes_t, packed_t = z[n, t], te[t], spikes[n, t], packed[n, t]
            back[:] = 0
            events.add(before, weight_t, found, back)
            for c in range(channels):
                a = np.rint(number(z_t[c]) * number(layer.per_current)) + back[c]
                y, h[c], kept[c], theta, s = step(
                    v[c], h[c], kept[c], a, number(te_t[c]), number(keep_v[c]), number(keep_h[c]), resting
                )
                v[c] = y
                spikes_t[c] = s
                bits = near if abs(y - theta) < half_width else none
                packed_t[c] = (np.int32(y) << two) + bits + np.int32(s)
            before = spikes_t


@compiled
def _backward(grad, te, layer, weight, packed, grad_z, grad_te):  # type: ignore[no-untyped-def]
    """Do as `loops.celif_backward`; `weight` (C, C) is in SLAYER's units, one row for each neuron that receives."""
    samples, steps, channels = packed.shape
    keep_v, keep_h, unit, height = layer.keep_v, layer.keep_h, layer.unit, layer.height
    zero, two = grad.dtype.type(0), np.int32(2)
    stride = 1 if grad.shape[1] == steps else 0
    d, lam, back = np.empty((3, channels), keep_v.dtype)
    for n in range(samples):
        d[:] = 0
        lam[:] = 0
        for t in range(steps - 1, -1, -1):
            grad_t, packed_t, grad_z_t = grad[n, t * stride], packed[n, t], grad_z[n, t]
            te_next = te[min(t + 1, steps - 1)]  # without effect in the last step, where lam is 0
            back[:] = 0
            for i in range(channels):
                d_i, row = d[i], weight[i]
                for c in range(channels):
                    back[c] += d_i * row[c]
            for c in range(channels):
                bits = packed_t[c]
                v = grad.dtype.type(bits >> two) * unit
                g = height if bits & two else zero
                kept = zero if bits & np.int32(1) else keep_v[c]
                fire = (grad_t[c] + back[c] - keep_v[c] * v * d[c]) * g
                x = fire + kept * d[c] + te_next[c] * lam[c]
                lam[c] = keep_h[c] * lam[c] - fire
                d[c] = x
                grad_z_t[c] = x
            if t:
                before, grad_te_t = packed[n, t - 1], grad_te[t]
                for c in range(channels):
                    grad_te_t[c] += lam[c] * (grad.dtype.type(before[c] >> two) * unit)


def recurrent_forward(z: torch.Tensor, te: torch.Tensor, weight: torch.Tensor, constants: CELIFConstants) -> Fired:
    """Do as `reference.recurrent_forward`, bit for bit."""
    z_in = as_array(z.transpose(1, 2), z.dtype)
    spikes, packed = (memory.empty(z_in.shape, dtype) for dtype in (z_in.dtype, np.int32))
    layer, te_in, near = forward_operands(z_in.dtype.type, None, te, constants)
    weight_t = np.ascontiguousarray(np.rint(as_array(weight, torch.float64) / constants.unit).T)
    if np.abs(weight_t).sum(0).max(initial=0) < _EXACT:
        weight_t = weight_t.astype(layer.keep_v.dtype)
    deal(len(z_in), lambda part, n: _forward(z_in[n], te_in, layer, weight_t, near, spikes[n], packed[n]))
    return as_nct(spikes), (torch.from_numpy(packed),)


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
    layer, te_in, partial_te = partial_sums(grad_in.dtype.type, packed.shape, te, constants)
    weight_in: Array = as_array(weight, grad.dtype)

    def run(part: int, n: slice) -> Any:
        _backward(grad_in[n], te_in, layer, weight_in, packed[n], grad_z[n], partial_te[part])

    deal(len(packed), run)
    return as_nct(grad_z), torch.from_numpy(partial_te.sum(0)).T

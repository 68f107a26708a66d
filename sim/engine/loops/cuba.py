"""CUBA neurons over a block of steps, compiled."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ....contract.compiled.compiling import compiled
from ....contract.compiled.cuba import CUBAOperands, step
from ....contract.compiled.events import add
from ....contract.compiled.registers import write
from ....contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, STATE_BITS
from ....contract.neurons.cuba import CUBA
from ..scan import Scan, compiles, real, zeros

_WRAPPING_BOUND = 2**STATE_BITS
"""A CUBA current within 24 bits that receives no more than this, shifted, is within 24 bits after it wrapped."""


@compiled
def loop(z, layer, state, counts, spikes, outputs, first, feedback, last):
    """Run `contract.compiled.cuba.step` in the type of `state`: int64, or float64 with sums of at most 2**18.

    `layer` is a `CUBAOperands` of that type, `state` (S, 2, n): u and v, which are traced too.
    The other arguments are those of `scan.Scan.run`.
    """
    samples, steps, channels = z.shape
    keep_u, keep_v, threshold = layer.keep_u, layer.keep_v, layer.threshold
    bias, per_current = layer.bias, layer.per_current
    u_out, v_out = outputs
    number = state.dtype.type
    before = counts.sum()
    found = np.empty(channels + 1, np.int64)
    for n in range(samples):
        u, v, count = state[n, 0], state[n, 1], counts[n]
        for t in range(steps):
            z_t, spikes_t = z[n, t], spikes[n, t]
            if feedback.size:
                add(spikes[n, t - 1] if t else last[n], feedback, found, z_t)
            for c in range(channels):
                a = number(z_t[c]) * per_current
                u[c], v[c], s = step(u[c], v[c], a, bias[c], keep_u[c], keep_v[c], threshold)
                count[c] += s
                spikes_t[c] = s
            if u_out.size:
                write(u, u_out[n, first + t])
            if v_out.size:
                write(v, v_out[n, first + t])
    return np.int64(counts.sum() - before)


@compiles(CUBA)
def prepare(neuron, bound):
    """Return what runs a layer of CUBA neurons; None where spikes are graded, or sums shifted to the right or far."""
    if neuron.graded or neuron.u_shift or not 0 <= neuron.a_shift <= ACCUMULATOR_SHIFT:
        return None
    bias = neuron.bias_mant.astype(np.int64) << ACCUMULATOR_SHIFT
    keep_u, keep_v = (DECAY_ONE - decay.astype(np.int64) for decay in (neuron.u_decay, neuron.v_decay))
    threshold = neuron.v_th_mant << ACCUMULATOR_SHIFT
    wide, per_current = bound << neuron.a_shift > _WRAPPING_BOUND, 1 << neuron.a_shift
    layer = CUBAOperands(keep_u, keep_v, threshold, bias, per_current)
    if not wide:
        keeps = real(keep_u) / DECAY_ONE, real(keep_v) / DECAY_ONE
        layer = CUBAOperands(*keeps, float(threshold), real(bias), float(per_current))

    def run(z, te, state, counts, spikes, outputs, first, feedback, last):
        return int(loop(z, layer, state, counts, spikes, tuple(outputs), first, feedback, last))

    return Scan(run, zeros(neuron, 2, np.int64 if wide else np.float64), feeds_back=True)

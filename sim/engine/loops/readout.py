"""Read-outs over a block of steps, compiled."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ....contract.compiled.compiling import compiled
from ....contract.compiled.registers import clip, decay, write
from ....contract.fixed import DECAY_ONE
from ....contract.neurons.readout import Readout
from ..scan import Scan, compiles, real, zeros


@compiled
def loop(z, shift, bias, keep, state, outputs, first):
    """Run the step of `contract.neurons.readout`; `state` is (S, 1, n): v, which is traced."""
    samples, steps, channels = z.shape
    (v_out,) = outputs
    for n in range(samples):
        v = state[n, 0]
        for t in range(steps):
            z_t = z[n, t]
            for c in range(channels):
                v[c] = clip(decay(v[c], keep) + (np.float64(z_t[c]) * shift + bias[c]))
            if v_out.size:
                write(v, v_out[n, first + t])
    return 0


@compiles(Readout)
def prepare(neuron, bound):
    """Return what runs a read-out."""
    shift, bias = 2.0**neuron.a_shift, real(neuron.bias_mant) * 2.0**neuron.bias_exp
    keep = (DECAY_ONE - neuron.v_decay) / DECAY_ONE

    def run(z, te, state, counts, spikes, outputs, first, feedback, last):
        return int(loop(z, shift, bias, keep, state, tuple(outputs), first))

    return Scan(run, zeros(neuron, 1))

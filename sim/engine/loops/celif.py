"""CE-LIF neurons over a block of steps, compiled."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ....contract.compiled.celif import CELIFOperands, step
from ....contract.compiled.compiling import compiled
from ....contract.compiled.events import add
from ....contract.compiled.registers import clip, write
from ....contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ....contract.neurons.celif import CELIF
from ..scan import Scan, compiles, real, zeros


@compiled
def loop(z, te, layer, state, counts, spikes, outputs, first, feedback, last):
    """Run `contract.compiled.celif.step`.

    `te` is (K, n), `layer` a `CELIFOperands` and `state` (S, 3, n): v, h, and v after the reset. Traced are v, h and
    theta. The other arguments are those of `scan.Scan.run`.
    """
    samples, steps, channels = z.shape
    keep_v, keep_h, resting = layer.keep_v, layer.keep_h, layer.resting
    bias, per_current = layer.bias, layer.per_current
    v_out, h_out, theta_out = outputs
    before = counts.sum()
    found = np.empty(channels + 1, np.int64)
    for n in range(samples):
        v, h, kept, count = state[n, 0], state[n, 1], state[n, 2], counts[n]
        for t in range(steps):
            z_t, te_t, spikes_t = z[n, t], te[t], spikes[n, t]
            if feedback.size:
                add(spikes[n, t - 1] if t else last[n], feedback, found, z_t)
            for c in range(channels):
                a = np.float64(z_t[c]) * per_current + bias[c]
                v[c], h[c], kept[c], _, s = step(
                    v[c], h[c], kept[c], a, np.float64(te_t[c]), keep_v[c], keep_h[c], resting
                )
                count[c] += s
                spikes_t[c] = s
            if v_out.size:
                write(v, v_out[n, first + t])
            if h_out.size:
                write(h, h_out[n, first + t])
            if theta_out.size:
                theta_t = theta_out[n, first + t]
                for c in range(channels):
                    theta_t[c] = np.int32(clip(resting + h[c]))
    return np.int64(counts.sum() - before)


@compiles(CELIF)
def prepare(neuron, bound):
    """Return what runs a layer of CE-LIF neurons."""
    keep_v, keep_h = (real(DECAY_ONE - decay) / DECAY_ONE for decay in (neuron.v_decay, neuron.th_decay))
    resting, bias = float(neuron.v_th_mant << ACCUMULATOR_SHIFT), real(neuron.bias_mant) * 2.0**neuron.bias_exp
    layer = CELIFOperands(keep_v, keep_h, resting, bias, per_current=2.0**neuron.a_shift)

    def run(z, te, state, counts, spikes, outputs, first, feedback, last):
        return int(loop(z, te, layer, state, counts, spikes, tuple(outputs), first, feedback, last))

    def encoding(rows):
        return np.ascontiguousarray(rows.astype(np.float32) * np.float32(2.0**-neuron.te_exp))

    return Scan(run, zeros(neuron, 3), encoding=encoding, feeds_back=True)

"""CE-LIF neurons without rounding and without ends of registers, compiled: `contract.real` in the place of `fixed`."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ...contract.compiled import events
from ...contract.compiled.compiling import compiled
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ...contract.neurons.celif import CELIF


@compiled
def _loop(x, te, keep_v, keep_h, resting, feedback_t):
    """Write the spikes over the sums `x`, of shape (S, T, n), in units of states; `te` is (T, n).

    `feedback_t` is (n, n), one row for each neuron that fires, or (0, 0).
    """
    samples, steps, channels = x.shape
    v, h, kept = np.empty((3, channels))
    found = np.empty(channels + 1, np.int64)
    for n in range(samples):
        v[:] = 0
        h[:] = 0
        kept[:] = 0
        for t in range(steps):
            x_t, te_t = x[n, t], te[t]
            if t and len(feedback_t):
                events.add(x[n, t - 1], feedback_t, found, x_t)
            for c in range(channels):
                h[c] = keep_h[c] * h[c] + v[c] * te_t[c]
                v[c] = keep_v[c] * kept[c] + x_t[c]
                fired = v[c] > resting + h[c]
                kept[c] = 0.0 if fired else v[c]
                x_t[c] = 1.0 if fired else 0.0


def spikes(neuron: CELIF, sums, te, feedback=None):
    """Return the spikes of CE-LIF neurons, bit for bit those of `CELIF.step` with the rules of `contract.real`.

    Factors of powers of two are taken together here and one by one there, which rounds nothing.

    Parameters
    ----------
    neuron : CELIF
        The neurons; their bias is taken for part of the sums.
    sums : ndarray of float64, shape (samples, steps, neurons)
        What reaches the neurons; it is written over.
    te : ndarray of float64, shape (steps, neurons)
        Encoding, as a real number.
    feedback : ndarray of float64, shape (neurons, neurons), optional
        What recurrent weights are worth in the units of `sums`, one row for each neuron that receives.

    Returns
    -------
    ndarray of float64, shape (samples, steps, neurons)
        0 or 1, in the memory of `sums`.
    """
    keep_v, keep_h = (
        np.ascontiguousarray(np.broadcast_to((DECAY_ONE - np.float64(lost)) / DECAY_ONE, neuron.num_neurons))
        for lost in (neuron.v_decay, neuron.th_decay)
    )
    sums = np.ascontiguousarray(sums, np.float64)
    sums *= 2.0**neuron.a_shift
    back = np.zeros((0, 0)) if feedback is None else np.ascontiguousarray(feedback.T * 2.0**neuron.a_shift)
    resting = float(neuron.v_th_mant << ACCUMULATOR_SHIFT)
    _loop(sums, np.ascontiguousarray(te, np.float64), keep_v, keep_h, resting, back)
    return sums

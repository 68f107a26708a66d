"""The loops of the batch engine, compiled by numba; the compiled code is cached on disk.

Arrays are C-contiguous, of shape (S, K, n): samples, steps of a block, neurons. Inner loops run over neurons and
compile to SIMD. A scan runs the step of one kind of neuron over a block: it reads dendritic sums `z`, goes on from the
registers in `state` and leaves them there, writes `spikes`, adds them to `counts` and returns their number, and writes
what is traced into those arrays of `outputs` that are not empty.

Registers are whole numbers in float64, see `contract.compiled.registers`: a dendritic sum is below 2**31
(`spikeproof.contract.net.Net` refuses more) and its left shift by up to 18 below 2**49, so it is exact too. The one
register that the contract does not keep within 24 bits, the current of a CUBA neuron with sums of more than 2**18, is
in int64.
"""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ...contract.compiled.celif import step as celif_step
from ...contract.compiled.compiling import compiled, inlined
from ...contract.compiled.cuba import step as cuba_step
from ...contract.compiled.registers import clip, decay


@compiled
def events(x, weight_t, start, z):
    """Write the sums ``start + x @ weight_t`` into `z`, at a cost that grows with the entries of `x` that are not 0.

    `x` is (rows, inputs), `weight_t` (inputs, n) and `z` (rows, n); `start` is (K, n), and row r begins with its row
    ``r % K``.
    """
    rows, inputs = x.shape
    channels = weight_t.shape[1]
    number = weight_t.dtype.type
    found = np.empty(inputs + 1, np.int64)
    for r in range(rows):
        x_r, z_r, start_r = x[r], z[r], start[r % len(start)]
        num = 0
        for j in range(inputs):  # without a branch that could be mispredicted
            found[num] = j
            num += np.int64(x_r[j] != 0)
        for c in range(channels):
            z_r[c] = start_r[c]
        i = 0
        while i + 4 <= num:
            j0, j1, j2, j3 = found[i], found[i + 1], found[i + 2], found[i + 3]
            x0, x1, x2, x3 = number(x_r[j0]), number(x_r[j1]), number(x_r[j2]), number(x_r[j3])
            w0, w1, w2, w3 = weight_t[j0], weight_t[j1], weight_t[j2], weight_t[j3]
            for c in range(channels):
                z_r[c] += (x0 * w0[c] + x1 * w1[c]) + (x2 * w2[c] + x3 * w3[c])
            i += 4
        while i < num:
            j0 = found[i]
            x0, w0 = number(x_r[j0]), weight_t[j0]
            for c in range(channels):
                z_r[c] += x0 * w0[c]
            i += 1


@inlined
def _write(register, row):
    """Write a register of all neurons into a row of integers."""
    for c in range(len(register)):
        row[c] = np.int32(register[c])


@compiled
def celif(z, te, layer, state, counts, spikes, outputs):
    """Run `contract.compiled.celif.step`.

    `te` is (K, n), `layer` a `CELIFOperands` and `state` (S, 3, n): v, h, and v after the reset. Traced are v, h and
    theta.
    """
    samples, steps, channels = z.shape
    keep_v, keep_h, resting = layer.keep_v, layer.keep_h, layer.resting
    bias, per_current = layer.bias, layer.per_current
    v_out, h_out, theta_out = outputs
    before = counts.sum()
    for n in range(samples):
        v, h, kept, count = state[n, 0], state[n, 1], state[n, 2], counts[n]
        for t in range(steps):
            z_t, te_t, spikes_t = z[n, t], te[t], spikes[n, t]
            for c in range(channels):
                a = np.float64(z_t[c]) * per_current + bias[c]
                v[c], h[c], kept[c], _, s = celif_step(
                    v[c], h[c], kept[c], a, np.float64(te_t[c]), keep_v[c], keep_h[c], resting
                )
                count[c] += s
                spikes_t[c] = s
            if v_out.size:
                _write(v, v_out[n, t])
            if h_out.size:
                _write(h, h_out[n, t])
            if theta_out.size:
                theta_t = theta_out[n, t]
                for c in range(channels):
                    theta_t[c] = np.int32(clip(resting + h[c]))
    return np.int64(counts.sum() - before)


@compiled
def cuba(z, layer, state, counts, spikes, outputs):
    """Run `contract.compiled.cuba.step` in the type of `state`: int64, or float64 with sums of at most 2**18.

    `layer` is a `CUBAOperands` of that type, `state` (S, 2, n): u and v, which are traced too.
    """
    samples, steps, channels = z.shape
    keep_u, keep_v, threshold = layer.keep_u, layer.keep_v, layer.threshold
    bias, per_current = layer.bias, layer.per_current
    u_out, v_out = outputs
    number = state.dtype.type
    before = counts.sum()
    for n in range(samples):
        u, v, count = state[n, 0], state[n, 1], counts[n]
        for t in range(steps):
            z_t, spikes_t = z[n, t], spikes[n, t]
            for c in range(channels):
                a = number(z_t[c]) * per_current
                u[c], v[c], s = cuba_step(u[c], v[c], a, bias[c], keep_u[c], keep_v[c], threshold)
                count[c] += s
                spikes_t[c] = s
            if u_out.size:
                _write(u, u_out[n, t])
            if v_out.size:
                _write(v, v_out[n, t])
    return np.int64(counts.sum() - before)


@compiled
def readout(z, shift, bias, keep, state, outputs):
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
                _write(v, v_out[n, t])
    return 0

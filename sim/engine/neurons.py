"""Neurons of the batch engine: what runs a kind of neuron over blocks of steps.

The kinds in `_COMPILED` have loops of their own in `kernels`; every other kind runs through the contract's own
step, a step at a time over the whole batch. Both are called the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ...contract.compiled.celif import CELIFOperands
from ...contract.compiled.cuba import CUBAOperands
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, STATE_BITS
from ...contract.neurons import Neuron
from ...contract.neurons.celif import CELIF
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.readout import Readout
from . import kernels

Array: TypeAlias = npt.NDArray[Any]

_WRAPPING_BOUND = 2**STATE_BITS
"""A CUBA current within 24 bits that receives no more than this, shifted, is within 24 bits after it wrapped."""
_PAYLOAD_BOUND = 2**24
"""Whole numbers up to here are exact in float32."""


def _integers(rows: Array) -> Array:
    return np.ascontiguousarray(rows, dtype=np.int64)


class Scan(NamedTuple):
    """Neurons ready to run over blocks."""

    run: Callable[[Array, Array, Array, Array, Array, list[Array]], int]
    """``run(z, te, state, counts, spikes, outputs)`` reads the sums `z` of a block, goes on from the registers in
    `state` and leaves them there, writes `spikes`, adds them to `counts`, writes the traced registers into those of
    `outputs` that are not empty, and returns how many spikes are not 0. Shapes as in `kernels`."""
    initial: Array
    """Registers when a sample begins, of shape (number of registers, n), in the type of the state."""
    payload: type[Any] = np.float32
    """Type that holds the spikes exactly."""
    encoding: Callable[[Array], Array] = _integers
    """Makes of rows of the temporal encoding, int8 of shape (K, n), what `run` takes as `te`."""


def scan_of(neuron: Neuron, bound: int) -> Scan:
    """Return what runs a layer's neurons, whose dendritic sums are at most `bound` in magnitude."""
    prepare = _COMPILED.get(type(neuron))
    scan = prepare(neuron, bound) if prepare is not None else None
    return scan if scan is not None else _by_rule(neuron)


def _by_rule(neuron: Neuron) -> Scan:
    """Run the contract's step; the state keeps its fields in their order."""
    start = neuron.reset()
    kind, names = type(start), neuron.registers

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        now = kind(*state.transpose(1, 0, 2))
        fired = 0
        for t in range(z.shape[1]):
            row = (te[t],) if neuron.takes_te else ()
            sent, now = neuron.step(now, z[:, t].astype(np.int64), *row)
            seen = neuron.observed(now) if any(out.size for out in outputs) else {}
            spikes[:, t] = sent
            counts += sent
            fired += int(np.count_nonzero(sent))
            for name, out in zip(names, outputs, strict=True):
                if out.size:
                    out[:, t] = seen[name]
        state[:] = np.stack(now, axis=1)
        return fired

    return Scan(run, np.stack(start), np.float32 if neuron.max_payload <= _PAYLOAD_BOUND else np.float64)


def _zeros(neuron: Neuron, num_registers: int, dtype: type[Any] = np.float64) -> Array:
    return np.zeros((num_registers, neuron.num_neurons), dtype)


def _real(values: Any) -> Array:
    return np.array(values, dtype=np.float64)


def _celif(neuron: CELIF, bound: int) -> Scan:
    keep_v, keep_h = (_real(DECAY_ONE - decay) / DECAY_ONE for decay in (neuron.v_decay, neuron.th_decay))
    resting, bias = float(neuron.v_th_mant << ACCUMULATOR_SHIFT), _real(neuron.bias_mant) * 2.0**neuron.bias_exp
    layer = CELIFOperands(keep_v, keep_h, resting, bias, per_current=2.0**neuron.a_shift)

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        return int(kernels.celif(z, te, layer, state, counts, spikes, tuple(outputs)))

    def encoding(rows: Array) -> Array:
        return np.ascontiguousarray(rows.astype(np.float32) * np.float32(2.0**-neuron.te_exp))

    return Scan(run, _zeros(neuron, 3), encoding=encoding)


def _cuba(neuron: CUBA, bound: int) -> Scan | None:
    if not neuron.stock:
        return None
    bias = neuron.bias_mant.astype(np.int64) << ACCUMULATOR_SHIFT
    keep_u, keep_v = (DECAY_ONE - decay.astype(np.int64) for decay in (neuron.u_decay, neuron.v_decay))
    threshold = neuron.v_th_mant << ACCUMULATOR_SHIFT
    wide, per_current = bound << ACCUMULATOR_SHIFT > _WRAPPING_BOUND, 1 << ACCUMULATOR_SHIFT
    layer = CUBAOperands(keep_u, keep_v, threshold, bias, per_current)
    if not wide:
        keeps = _real(keep_u) / DECAY_ONE, _real(keep_v) / DECAY_ONE
        layer = CUBAOperands(*keeps, float(threshold), _real(bias), float(per_current))

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        return int(kernels.cuba(z, layer, state, counts, spikes, tuple(outputs)))

    return Scan(run, _zeros(neuron, 2, np.int64 if wide else np.float64))


def _readout(neuron: Readout, bound: int) -> Scan:
    shift, bias = 2.0**neuron.a_shift, _real(neuron.bias_mant) * 2.0**neuron.bias_exp
    keep = (DECAY_ONE - neuron.v_decay) / DECAY_ONE

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        return int(kernels.readout(z, shift, bias, keep, state, tuple(outputs)))

    return Scan(run, _zeros(neuron, 1))


_COMPILED: dict[type[Any], Callable[[Any, int], Scan | None]] = {CELIF: _celif, CUBA: _cuba, Readout: _readout}
"""Kinds with compiled loops; None where a loop does not cover the parameters."""

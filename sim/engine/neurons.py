"""Neurons of the batch engine: what runs a kind of neuron over blocks of steps.

The kinds in `_COMPILED` have loops of their own in `engine_kernels`; every other kind runs through the contract's own
step, a step at a time over the whole batch. Both are called the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, STATE_BITS
from ...contract.neurons import RULES, Neuron, max_payload
from ...contract.neurons.celif import CELIF
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.readout import Readout
from . import kernels

Array: TypeAlias = npt.NDArray[Any]

_WRAPPING_BOUND = 2**STATE_BITS
"""A CUBA current within 24 bits that receives no more than this, shifted, is within 24 bits after it wrapped."""
_PAYLOAD_BOUND = 2**24
"""Whole numbers up to here are exact in float32."""


class Scan(NamedTuple):
    """Neurons ready to run over blocks."""

    run: Callable[[Array, Array, Array, Array, Array, list[Array]], int]
    """``run(z, te, state, counts, spikes, outputs)`` reads the sums `z` of a block, goes on from the registers in
    `state` and leaves them there, writes `spikes`, adds them to `counts`, writes the traced registers into those of
    `outputs` that are not empty, and returns how many spikes are not 0. Shapes as in `engine_kernels`."""
    initial: Array
    """Registers when a sample begins, of shape (number of registers, n), in the type of the state."""
    payload: type[Any] = np.float32
    """Type that holds the spikes exactly."""


def scan_of(neuron: Neuron, bound: int) -> Scan:
    """Return what runs a layer's neurons, whose dendritic sums are at most `bound` in magnitude."""
    prepare = _COMPILED.get(type(neuron))
    scan = prepare(neuron, bound) if prepare is not None else None
    return scan if scan is not None else _by_rule(neuron)


def _by_rule(neuron: Neuron) -> Scan:
    """Run the contract's step; the state keeps its fields in their order."""
    rule = RULES[type(neuron)]
    rules: Any = rule.module
    start = rules.reset(neuron)
    kind, places = type(start), [start._fields.index(name) for name in rule.registers]

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        now = kind(*state.transpose(1, 0, 2))
        fired = 0
        for t in range(z.shape[1]):
            sent, now = rules.step(neuron, now, z[:, t].astype(np.int64))
            spikes[:, t] = sent
            counts += sent
            fired += int(np.count_nonzero(sent))
            for place, out in zip(places, outputs, strict=True):
                if out.size:
                    out[:, t] = now[place]
        state[:] = np.stack(now, axis=1)
        return fired

    return Scan(run, np.stack(start), np.float32 if max_payload(neuron) <= _PAYLOAD_BOUND else np.float64)


def _zeros(neuron: Neuron, num_registers: int, dtype: type[Any] = np.float64) -> Array:
    return np.zeros((num_registers, neuron.num_neurons), dtype)


def _real(values: Any) -> Array:
    return np.array(values, dtype=np.float64)


def _celif(neuron: CELIF, bound: int) -> Scan:
    shift, bias = 2.0**neuron.a_shift, _real(neuron.bias_mant) * 2.0**neuron.bias_exp
    keep_v, keep_h = (_real(DECAY_ONE - decay) / DECAY_ONE for decay in (neuron.v_decay, neuron.th_decay))
    resting = float(neuron.v_th_mant << ACCUMULATOR_SHIFT)

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        return int(kernels.celif(z, shift, bias, te, keep_v, keep_h, resting, state, counts, spikes, *outputs))

    return Scan(run, _zeros(neuron, 3))


def _cuba(neuron: CUBA, bound: int) -> Scan | None:
    if not neuron.stock:
        return None
    bias = neuron.bias_mant.astype(np.int64) << ACCUMULATOR_SHIFT
    kept = [DECAY_ONE - decay.astype(np.int64) for decay in (neuron.u_decay, neuron.v_decay)]
    threshold = neuron.v_th_mant << ACCUMULATOR_SHIFT
    wide = bound << ACCUMULATOR_SHIFT > _WRAPPING_BOUND
    loop: Any = kernels.cuba
    constants: tuple[Any, ...] = (_real(bias), *(_real(k) / DECAY_ONE for k in kept), float(threshold))
    if wide:
        loop, constants = kernels.cuba_wide, (bias, *kept, threshold)

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        return int(loop(z, *constants, state, counts, spikes, *outputs))

    return Scan(run, _zeros(neuron, 2, np.int64 if wide else np.float64))


def _readout(neuron: Readout, bound: int) -> Scan:
    shift, bias = 2.0**neuron.a_shift, _real(neuron.bias_mant) * 2.0**neuron.bias_exp
    keep = (DECAY_ONE - neuron.v_decay) / DECAY_ONE

    def run(z: Array, te: Array, state: Array, counts: Array, spikes: Array, outputs: list[Array]) -> int:
        loop: Any = kernels.readout
        return int(loop(z, shift, bias, keep, state, *outputs))

    return Scan(run, _zeros(neuron, 1))


_COMPILED: dict[type[Any], Callable[[Any, int], Scan | None]] = {CELIF: _celif, CUBA: _cuba, Readout: _readout}
"""Kinds with compiled loops; None where a loop does not cover the parameters."""

"""What runs a kind of neuron over a block of steps, and which kinds have a compiled loop for it.

Arrays are C-contiguous, of shape (S, K, n): samples, steps of a block, neurons. Inner loops run over neurons and
compile to SIMD. A loop reads dendritic sums `z`, goes on from the registers in `state` and leaves them there, writes
`spikes`, adds them to `counts` and returns their number. What is traced it writes into those arrays of `outputs` that
are not empty, of shape (S, T, n) with all steps of a run, from step `first` on.

Registers are whole numbers in float64, see `spikeproof.contract.compiled.registers`: a dendritic sum is below 2**31
(`spikeproof.contract.net.Net` refuses more, and others wrap before they come here) and its left shift by up
to 18 below 2**49, so it is exact too. The one register that the contract does not keep within 24 bits, the current of a
CUBA neuron with sums of more than 2**18, is in int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ...contract.neurons import Neuron

Array: TypeAlias = npt.NDArray[Any]


def _integers(rows: Array) -> Array:
    return np.ascontiguousarray(rows, dtype=np.int64)


class Scan(NamedTuple):
    """Neurons ready to run over blocks."""

    run: Callable[[Array, Array, Array, Array, Array, list[Array], int, Array, Array], int]
    """``run(z, te, state, counts, spikes, outputs, first, feedback, last)`` reads the sums `z` of a block, goes on
    from the registers in `state` and leaves them there, writes `spikes`, adds them to `counts`, writes the traced
    registers into those of `outputs` that are not empty, from step `first` on, and returns how many spikes are not 0.
    Shapes: see the head of this module.

    If it `feeds_back` and the weights `feedback`, of shape (n, sums), are not empty, it adds to the sums of each step,
    in `z` itself, what the spikes of the step before make; those before the block are `last`, of shape (S, n)."""
    initial: Array
    """Registers when a sample begins, of shape (number of registers, n), in the type of the state."""
    payload: type[Any] = np.float32
    """Type that holds the spikes exactly."""
    encoding: Callable[[Array], Array] = _integers
    """Makes of rows of the temporal encoding, int8 of shape (K, n), what `run` takes as `te`."""
    feeds_back: bool = False
    """Whether `run` adds what a layer's own spikes feed back to it; else `feedback` must be empty."""


Prepare = Callable[[Any, int], Scan | None]
"""Gives what runs a layer's neurons, whose sums are at most so large; None where it does not cover the parameters."""

COMPILED: dict[type[Neuron], Prepare] = {}
"""Kinds with compiled loops; the modules of `spikeproof.sim.engine.loops` enter theirs."""


def compiles(kind: type[Neuron]) -> Callable[[Prepare], Prepare]:
    """Return a decorator that enters what prepares the compiled loop of a kind of neuron."""

    def enter(prepare: Prepare) -> Prepare:
        COMPILED[kind] = prepare
        return prepare

    return enter


def zeros(neuron: Neuron, num_registers: int, dtype: type[Any] = np.float64) -> Array:
    """Return registers that begin at 0."""
    return np.zeros((num_registers, neuron.num_neurons), dtype)


def real(values: Any) -> Array:
    """Return whole numbers as float64."""
    return np.array(values, dtype=np.float64)

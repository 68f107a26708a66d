"""Layers of the batch engine: a layer of a record made ready to run over blocks of steps.

A layer's sums are computed in float32 where `Net.sum_bounds` proves that every sum, and every part of one, is a whole
number below 2**24, and in float64 otherwise (the record refuses sums of 2**31 and more). So they are exact in any
order of additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import cpg
from ..contract.celif import CELIF
from ..contract.cpg import Phase
from ..contract.cuba import CUBA
from ..contract.encoding import Driven, clipped
from ..contract.errors import MissingDependencyError
from ..contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, STATE_BITS
from ..contract.net import Net
from ..contract.oscillators import RULES, Oscillators
from .trace import SPIKES, VARIABLES

try:
    from . import engine_kernels as kernels
except ImportError as error:
    raise MissingDependencyError(
        f"The batch engine needs numba ({error}). Install it with: pip install numba"
    ) from error

_NOTHING = np.empty((0, 0, 0), np.int32)
_FLOAT32_BOUND = 2**24
_WRAPPING_BOUND = 2**STATE_BITS
"""A CUBA current within 24 bits that receives no more than this, shifted, is within 24 bits after it wrapped."""

Array = npt.NDArray[Any]


def prefers_events(density: float, num_outputs: int) -> bool:
    """Return whether adding up the weights of the inputs that are not 0 beats a matrix product.

    Measured on an AMD EPYC (AVX2) with OpenBLAS, float32, rows of 64 to 4096 inputs: an event costs 0.07 to 0.11 ns an
    output, a product 0.03 ns an input and output, and looking for the events 0.9 ns an input. They meet at a density
    of 0.2 with 88 outputs and of 0.3 with 256; with 10 outputs the product always wins.
    """
    return density < 0.3 - 8 / num_outputs


class Sources:
    """Oscillators over the steps of a sample, a stretch at a time.

    Parameters
    ----------
    params : Phase or Coupled
        The oscillators, n channels.
    """

    def __init__(self, params: Oscillators) -> None:
        self._params = params
        self._rules = RULES[type(params)]
        self._t = 0
        self._state = self._rules.reset(params)

    def rows(self, begin: int, steps: int) -> npt.NDArray[np.int64]:
        """Return the spikes of `steps` steps from step `begin` of a sample on, int64 of shape (steps, n).

        Stretches must follow each other, or start again at step 0.
        """
        if isinstance(self._params, Phase):  # a closed form
            return cpg.spikes(self._params, np.arange(begin, begin + steps))
        if begin == 0:
            self._t, self._state = 0, self._rules.reset(self._params)
        assert begin == self._t
        self._t += steps
        rows = np.empty((steps, self._params.num_neurons), np.int64)
        for row in rows:
            row[:], self._state = self._rules.step(self._params, self._state)
        return rows


class Encoding:
    """A network's temporal encoding over the steps of a sample, a stretch at a time."""

    def __init__(self, net: Net) -> None:
        self._te = net.te
        self._sources = Sources(net.te.cpg) if isinstance(net.te, Driven) else None

    def rows(self, begin: int, steps: int) -> Array:
        """Return the encoding of `steps` steps from step `begin` of a sample on, int8 of shape (steps, neurons)."""
        if self._te is None:
            return np.empty((steps, 0), np.int8)
        if self._sources is not None:
            total = self._sources.rows(begin, steps) @ self._te.matrix.T.astype(np.int64)
            return clipped(total).astype(np.int8)
        rows: Array = self._te[np.arange(begin, begin + steps) % len(self._te)]
        return rows


class RunLayer:
    """One layer of a network, ready to run.

    Parameters
    ----------
    net : Net
        The network.
    index : int
        Which of its layers.
    event_driven : bool or None
        Whether sums are added up event by event; None decides by each block's density.
    exact_float32 : bool
        Whether float32 may be used where it is exact.
    """

    def __init__(self, net: Net, index: int, *, event_driven: bool | None = None, exact_float32: bool = True) -> None:
        layer, self.bound = net.layers[index], net.sum_bounds()[index]
        self.name, self.neuron, self.num_neurons = layer.name, layer.neuron, layer.num_neurons
        self.variables = VARIABLES[type(layer.neuron)]
        self.dtype = np.dtype(np.float32 if exact_float32 and self.bound < _FLOAT32_BOUND else np.float64)
        self._event_driven = event_driven
        weight_t = np.ascontiguousarray(layer.synapse.weight.T, self.dtype)
        self._weight_t, self._weight_cpg = weight_t[: layer.num_inputs], weight_t[layer.num_inputs :]
        self._weight_cpg = self._weight_cpg * self.dtype.type(net.cpg_payload(index))
        self._sources = None if layer.cpg is None else Sources(layer.cpg)
        self._scan, self._constants, self.num_registers, self.state_dtype = _prepare(layer.neuron, self.bound)

    def tables(self, begin: int, steps: int, te: Array) -> tuple[Array, Array]:
        """Return what the layer adds to the sums of a stretch of a sample, and its encoding.

        Arrays of shape (steps, n), or (1, n) if nothing is added, and (steps, n), or empty without an encoding.
        """
        start = np.zeros((1, self.num_neurons), self.dtype)
        if self._sources is not None:
            start = self._sources.rows(begin, steps).astype(self.dtype) @ self._weight_cpg
        if not isinstance(self.neuron, CELIF):
            return start, np.empty((0, 0), np.float32)
        encoding = te[:, : self.num_neurons].astype(np.float32) * np.float32(2.0**-self.neuron.te_exp)
        return start, np.ascontiguousarray(encoding)

    def sums(self, x: Array, num_events: int, start: Array, z: Array) -> None:
        """Write the dendritic sums of a block.

        Parameters
        ----------
        x : ndarray of float32 or float64, shape (S, K, inputs)
            What arrives.
        num_events : int
            How many entries of `x` are not 0.
        start : ndarray, shape (K, n) or (1, n)
            What is added.
        z : ndarray, shape (S, K, n)
            Where the sums go.
        """
        rows, out = x.reshape(-1, x.shape[-1]), z.reshape(-1, self.num_neurons)
        event_driven = self._event_driven
        if event_driven is None:
            event_driven = prefers_events(num_events / rows.size, self.num_neurons)
        if event_driven:
            kernels.events(rows, self._weight_t, start, out)
            return
        np.matmul(rows.astype(self.dtype, copy=False), self._weight_t, out=out)
        if self._sources is not None:
            z += start

    def scan(self, z: Array, te: Array, state: Array, counts: Array, spikes: Array, traced: dict[str, Array]) -> int:
        """Run the neurons over a block, see `engine_kernels`, and return how many spikes they fired.

        `traced` holds the arrays of the registers that are traced.
        """
        outputs = [traced.get(name, _NOTHING) for name in self.variables if name != SPIKES]
        if isinstance(self.neuron, CELIF):
            shift, bias, keep_v, keep_h, resting = self._constants
            fired = self._scan(z, shift, bias, te, keep_v, keep_h, resting, state, counts, spikes, *outputs)
        elif isinstance(self.neuron, CUBA):
            fired = self._scan(z, *self._constants, state, counts, spikes, *outputs)
        else:
            fired = self._scan(z, *self._constants, state, *outputs)
        return int(fired)


class Scratch:
    """Arrays that a layer works in: for blocks of S samples and K steps."""

    def __init__(self, layer: RunLayer, num_samples: int, steps: int, names: tuple[str, ...]) -> None:
        shape = (num_samples, steps, layer.num_neurons)
        self.z = np.empty(shape, layer.dtype)
        self.spikes = np.empty(shape, np.float32)
        self.registers = {name: np.empty(shape, np.int32) for name in names if name != SPIKES}

    def keep(self, out: dict[str, npt.NDArray[np.int32]], begin: int) -> None:
        """Copy what is traced to the steps from `begin` on of the arrays in `out`, of shape (S, n, steps)."""
        for name, array in out.items():
            block = self.registers.get(name, self.spikes)
            array[..., begin : begin + block.shape[1]] = block.transpose(0, 2, 1)


def _prepare(neuron: Any, bound: int) -> tuple[Any, tuple[Any, ...], int, type[Any]]:
    """Return a neuron's scan, its constants, how many registers it has and in which type."""

    def real(values: Any) -> Array:
        return np.array(values, dtype=np.float64)

    if isinstance(neuron, CUBA):
        bias = neuron.bias_mant.astype(np.int64) << ACCUMULATOR_SHIFT
        kept = [DECAY_ONE - decay.astype(np.int64) for decay in (neuron.u_decay, neuron.v_decay)]
        threshold = neuron.v_th_mant << ACCUMULATOR_SHIFT
        if bound << ACCUMULATOR_SHIFT > _WRAPPING_BOUND:
            return kernels.cuba_wide, (bias, *kept, threshold), 2, np.int64
        constants = (real(bias), *(real(k) / DECAY_ONE for k in kept), float(threshold))
        return kernels.cuba, constants, 2, np.float64
    shift, bias = 2.0**neuron.a_shift, real(neuron.bias_mant) * 2.0**neuron.bias_exp
    if not isinstance(neuron, CELIF):
        return kernels.readout, (shift, bias), 1, np.float64
    keep_v, keep_h = (real(DECAY_ONE - decay) / DECAY_ONE for decay in (neuron.v_decay, neuron.th_decay))
    return kernels.celif, (shift, bias, keep_v, keep_h, float(neuron.v_th_mant << ACCUMULATOR_SHIFT)), 3, np.float64

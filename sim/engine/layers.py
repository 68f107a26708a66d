"""Layers of the batch engine: a layer of a record made ready to run over blocks of steps.

A layer's sums are computed in float32 where `Net.sum_bounds` proves that every sum, and every part of one, is a whole
number below 2**24, and in float64 otherwise. So they are exact in any order of additions; sums past the width of
Lava's port, which the record allows behind neurons that send their registers, wrap as there.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ...contract.fixed import FLOAT32_WHOLE, wrap
from ...contract.net import Net
from ...contract.sources import RULES, Oscillators, phase
from ...contract.sources.driven import Driven, clipped
from ...contract.sources.phase import Phase
from ...contract.synapses.dense import Dense
from ..trace import SPIKES, VARIABLES
from . import kernels
from .neurons import scan_of
from .synapses import DenseSums, columns, sums_of

Array: TypeAlias = npt.NDArray[Any]

_NOTHING = np.empty((0, 0, 0), np.int32)
_PORT_BOUND = 2**31

Traced: TypeAlias = dict[str, npt.NDArray[np.int32]]
"""What is traced of a layer over a whole run: variable -> array of shape (S, T, n)."""


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
            return phase.spikes(self._params, np.arange(begin, begin + steps))
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
        layer, bounds = net.layers[index], net.way_bounds(index)
        self.bound, self._own_bound = sum(bounds), bounds[0]
        self.name, self.neuron = layer.name, layer.neuron
        self.num_neurons, self.num_sums = layer.num_neurons, layer.num_sums
        self.variables = VARIABLES[type(layer.neuron)]
        self.dtype = np.dtype(np.float32 if exact_float32 and self.bound < FLOAT32_WHOLE else np.float64)
        self._port_bits = layer.synapse.port_bits
        self._sums = sums_of(layer.synapse, layer.num_inputs, self.dtype, event_driven)
        self._sources = None if layer.cpg is None else Sources(layer.cpg)
        if isinstance(layer.synapse, Dense):
            weight_cpg = columns(layer.synapse, self.dtype)[layer.num_inputs :]
            self._weight_cpg = weight_cpg * self.dtype.type(net.cpg_payload(index))
        self.neurons = scan_of(layer.neuron, self.bound)
        self._no_weights = np.empty((0, self.num_sums), self.dtype)
        self._feedback = (
            None if layer.feedback is None else DenseSums(columns(layer.feedback, self.dtype), event_driven)
        )
        self._feeds_back = self.neurons.feeds_back and self.bound < _PORT_BOUND
        self.runs_by_step = self._feedback is not None and not self._feeds_back
        """Whether its neurons run one step at a time, because they are recurrent and have no compiled loop."""

    def tables(self, begin: int, steps: int, te: Array) -> tuple[Array, Array]:
        """Return what the layer adds to the sums of a stretch of a sample, and its encoding.

        Arrays of shape (steps, sums), or (1, sums) if nothing is added, and (steps, n), or empty without an encoding.
        """
        start = np.zeros((1, self.num_sums), self.dtype)
        if self._sources is not None:
            start = self._sources.rows(begin, steps).astype(self.dtype) @ self._weight_cpg
        if not self.neuron.takes_te:
            return start, np.empty((0, 0), np.float32)
        return start, self.neurons.encoding(te[:, : self.num_neurons])

    def sums(self, x: Array, num_events: int, start: Array, z: Array) -> None:
        """Write the sums of a block that the layer's own synapses make.

        Parameters
        ----------
        x : ndarray of float32 or float64, shape (S, K, inputs)
            What arrives.
        num_events : int
            How many entries of `x` are not 0.
        start : ndarray, shape (K, sums) or (1, sums)
            What is added.
        z : ndarray, shape (S, K, sums)
            Where the sums go.
        """
        self._sums(x.reshape(-1, x.shape[-1]), num_events, start, z.reshape(-1, self.num_sums))
        self._wrap_own(z)

    @property
    def takes_channels(self) -> bool:
        """Whether `sums_of_channels` can compute the sums of its own synapses."""
        return isinstance(self._sums, DenseSums) and self._sums.event_driven is not False

    def sums_of_channels(self, x: Array, first: int, channel: int, start: Array, z: Array) -> None:
        """Write the sums of a block that the layer's own synapses make of sparse input.

        Parameters
        ----------
        x : ndarray of int, shape (S, channels, T)
            What enters the network in all steps of a run.
        first, channel : int
            At which step the block begins, and at which channel what arrives at the layer.
        start, z
            As in `sums`.
        """
        kernels.channel_events(x, first, channel, self._sums.weight_t, start, z)
        self._wrap_own(z)

    def _wrap_own(self, z: Array) -> None:
        """Wrap what the layer's own synapses make as Lava's port does."""
        if self._own_bound >= 2 ** (self._port_bits - 1):
            z[:] = wrap(z, self._port_bits)

    def scan(
        self,
        z: Array,
        te: Array,
        state: Array,
        counts: Array,
        spikes: Array,
        traced: Traced,
        first: int,
        last: Array,
    ) -> int:
        """Run the neurons over a block, see `scan.Scan.run`, and return how many spikes they fired.

        `traced` holds the arrays of what is traced of a whole run, of which the block begins at step `first`, and
        `last`, of shape (S, n), the spikes of the step before the block, which a recurrent layer needs; it is brought
        up to date.
        """
        outputs = [traced.get(name, _NOTHING) for name in self.variables if name != SPIKES]
        if self._feedback is None or self._feeds_back:
            weight = self._no_weights if self._feedback is None else self._feedback.weight_t
            fired = self.neurons.run(z, te, state, counts, spikes, outputs, first, weight, last)
            last[:] = spikes[:, -1]
            return fired
        fired, rows = 0, np.empty((len(z), self.num_sums), self.dtype)
        for t in range(z.shape[1]):
            self._feedback(last, int(np.count_nonzero(last)), np.zeros((1, self.num_sums), self.dtype), rows)
            z_t, sent = self.wrapped((z[:, t] + rows)[:, None]), np.empty_like(spikes[:, :1])
            step = te[t : t + 1]
            fired += self.neurons.run(z_t, step, state, counts, sent, outputs, first + t, self._no_weights, last)
            last[:] = spikes[:, t] = sent[:, 0]
        return fired

    def wrapped(self, z: Array) -> Array:
        """Return sums as they add up in the 32-bit port of Lava's neurons."""
        return wrap(z, 32) if self.bound >= _PORT_BOUND else z


class Scratch:
    """Arrays that a layer works in: for blocks of S samples and K steps."""

    def __init__(self, layer: RunLayer, num_samples: int, steps: int) -> None:
        self.z = np.empty((num_samples, steps, layer.num_sums), layer.dtype)
        self.spikes = np.empty((num_samples, steps, layer.num_neurons), layer.neurons.payload)

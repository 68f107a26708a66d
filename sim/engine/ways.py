"""Ways by which spikes reach a layer in the batch engine: what of a block and of earlier steps arrives in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.fixed import wrap
from ...contract.net import Incoming
from . import kernels
from .synapses import columns, sums_of

Array = npt.NDArray[Any]


class Delays:
    """Delays of what a layer or an input sends: one for all senders, or one each.

    Parameters
    ----------
    delay : ndarray of int, shape () or (n,)
        Steps.
    """

    def __init__(self, delay: npt.NDArray[Any]) -> None:
        self.longest = int(delay.max())
        self._groups: list[tuple[int, Any]] = []
        if delay.ndim:
            self._groups = [(int(each), np.flatnonzero(delay == each)) for each in np.unique(delay)]

    def arriving(self, sent: Array, before: int, steps: int) -> Array:
        """Return what arrives in the `steps` steps behind the first `before` ones of `sent`, of shape (S, any, n)."""
        if not self._groups:
            first = before - self.longest
            return sent if not first and sent.shape[1] == steps else sent[:, first : first + steps]
        arriving = np.empty((len(sent), steps, sent.shape[2]), sent.dtype)
        for delay, of in self._groups:
            arriving[:, :, of] = sent[:, before - delay : before - delay + steps, of]
        return arriving


class Way:
    """An incoming way, ready to run.

    Parameters
    ----------
    way : Incoming
        Its record.
    bound : int
        The largest magnitude of its sums.
    dtype : dtype
        float32 or float64, in which all of the layer's sums are exact.
    event_driven : bool or None
        Whether sums are added up event by event; None decides by each block's density.
    """

    def __init__(self, way: Incoming, bound: int, dtype: np.dtype[Any], event_driven: bool | None) -> None:
        self.source, self.num_sums = way.source, way.synapse.num_neurons
        self._wrap_bits = way.synapse.port_bits if bound >= 2 ** (way.synapse.port_bits - 1) else 0
        self._start = np.zeros((1, self.num_sums), dtype)
        self.is_scattered = way.delay.ndim == 2
        """Whether each synapse has a delay of its own: events are added to the sums of later steps."""
        self.longest = way.longest
        if self.is_scattered:
            self._weight = columns(way.synapse, dtype)  # type: ignore[arg-type]
            self._delay = np.ascontiguousarray(np.minimum(way.delay, self.longest).T, np.int64)
        else:
            self.delays = Delays(way.delay)
            self._sums = sums_of(way.synapse, way.synapse.num_inputs, dtype, event_driven)

    @property
    def line(self) -> int:
        """How many earlier steps of its sender's spikes it needs."""
        return 0 if self.is_scattered else self.longest

    def add(self, sent: Array, before: int, num_events: int | None, z: Array) -> None:
        """Add the sums of a block.

        Parameters
        ----------
        sent : ndarray, shape (S, before + K, senders)
            What is sent in the block and in the steps before it.
        before : int
            How many these are.
        num_events : int or None
            About how many spikes arrive; None to count them.
        z : ndarray, shape (S, K, sums)
            What is added to.
        """
        x = np.ascontiguousarray(self.delays.arriving(sent, before, z.shape[1]))
        num_events = int(np.count_nonzero(x)) if num_events is None else num_events
        found = np.empty((z.shape[0] * z.shape[1], self.num_sums), z.dtype)
        self._sums(x.reshape(-1, x.shape[-1]), num_events, self._start, found)
        z += self._wrapped(found.reshape(z.shape))

    def scatter(self, spikes: Array, ahead: Array, first: int = 0) -> None:
        """Add the events of steps `first` and on to the sums `ahead`, of shape (S, at least K + longest, sums)."""
        kernels.scatter(np.ascontiguousarray(spikes), self._weight, self._delay, first, ahead)

    def take(self, ahead: Array, z: Array) -> None:
        """Add what is ready in the steps of a block."""
        z += self._wrapped(ahead[:, : z.shape[1]])

    def _wrapped(self, z: Array) -> Array:
        return wrap(z, self._wrap_bits) if self._wrap_bits else z

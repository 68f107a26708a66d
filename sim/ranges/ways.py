"""What can arrive at a layer: what its senders can have sent, over delays, times weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.fixed import FLOAT32_WHOLE
from ...contract.interval import Interval, exactly, same
from ...contract.net import Incoming
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse


class Sent:
    """What a layer or an input can have sent in the last steps; nothing before a sample begins.

    Parameters
    ----------
    senders : int
        How many neurons or channels it has.
    longest : int
        The longest delay over which somebody listens.
    """

    def __init__(self, senders: int, longest: int) -> None:
        self.senders = senders
        self._silence = exactly(np.zeros(senders))
        self._rows = [self._silence] * (longest + 1)
        self._ends = np.zeros((longest + 1, 2, senders), np.int64)
        self._last = self._silence
        self.steady = 0
        """In how many of the last steps, this one among them, what can be sent was what could be sent before."""

    def put(self, t: int, interval: Interval) -> None:
        """Take what can be sent in step `t`; steps come in their order."""
        # The same object for the same values, so that who listens sees at once that nothing is new.
        unchanged = same(interval, self._last)
        self.steady = self.steady + 1 if unchanged else 0
        self._last = self._last if unchanged else interval
        row = t % len(self._rows)
        self._rows[row] = self._last
        self._ends[row] = self._last

    def at(self, t: int, delay: int) -> Interval:
        """Return what can have been sent `delay` steps before step `t`."""
        return self._rows[(t - delay) % len(self._rows)]

    def of_each(self, t: int, delay: npt.NDArray[np.int64]) -> Interval:
        """Return what each sender can have sent its own delay before step `t`."""
        rows, senders = (t - delay) % len(self._rows), np.arange(self.senders)
        return Interval(self._ends[rows, 0, senders], self._ends[rows, 1, senders])

    def hull(self) -> Interval:
        """Return what each sender can have sent in any of the steps that are kept."""
        return Interval(self._ends[:, 0].min(0), self._ends[:, 1].max(0))

    def entries(self, t: int, delay: Any, end: Any, sender: Any) -> npt.NDArray[np.int64]:
        """Return single ends of intervals, the lower for 0 and the upper for 1, by delay and sender."""
        found: npt.NDArray[np.int64] = self._ends[(t - delay) % len(self._rows), end, sender]
        return found


class Sums(NamedTuple):
    """What one way can add to a layer's sums."""

    whole: Interval
    """All that arrives by it."""
    part: Interval
    """Any part of it: what adds up on the way to the whole, in any order. It holds 0."""

    def plus(self, other: Sums) -> Sums:
        """Return what both ways can add together."""
        return Sums(self.whole.plus(other.whole), self.part.plus(other.part))


class Way:
    """One way into a layer, in the steps of a sample.

    Parameters
    ----------
    incoming : Incoming
        The way.
    bound : int
        The largest magnitude of its sums, see `Net.way_bounds`.
    sent : Sent
        What its sender can have sent.
    most : int or None
        How many senders are active in a step at most; None if all can be.
    """

    def __init__(self, incoming: Incoming, bound: int, sent: Sent, most: int | None) -> None:
        self._sent = sent
        self.port_bits = incoming.synapse.port_bits
        self._delay = incoming.delay.astype(np.int64)
        self._longest = incoming.longest
        self._synapses: _Signed | _Scattered
        if self._delay.ndim == 2:
            assert isinstance(incoming.synapse, Dense)
            self._synapses = _Scattered(incoming.synapse, self._delay)
        else:
            self._synapses = _Signed(incoming.synapse, bound)
        # Spikes of as many steps can arrive in one as there are delays.
        few = None if most is None else most * len(incoming.of_synapses)
        self._few = None if few is None or few >= sent.senders else _Few(incoming.synapse, few)
        self._fed: Interval | None = None
        self._last: Sums | None = None

    def sums(self, t: int) -> Sums:
        """Return what arrives in step `t`."""
        if isinstance(self._synapses, _Scattered):
            if self._last is None or self._sent.steady <= self._longest:
                self._last = self._limited(self._synapses.sums(self._sent, t))
            return self._last
        sent, delay = self._sent, self._delay
        arriving = sent.of_each(t, delay) if delay.ndim else sent.at(t, int(delay))
        if self._last is None or not same(self._fed, arriving):
            whole = self._synapses.sums(arriving)
            holds_nothing = (arriving.low <= 0).all() and (arriving.high >= 0).all()
            part = whole if holds_nothing else self._synapses.sums(arriving.hull(0))
            self._last, self._fed = self._limited(Sums(whole, part), arriving), arriving
        return self._last

    def _limited(self, sums: Sums, arriving: Interval | None = None) -> Sums:
        """Return sums under the assumption that few senders are active."""
        if self._few is None:
            return sums
        few = self._few.sums(arriving if arriving is not None else self._sent.hull())
        return Sums(_common(sums.whole, few), _common(sums.part, few))


class _Matrix(NamedTuple):
    """Dense weights whose sums are whole numbers that their type holds exactly."""

    weight: npt.NDArray[Any]

    def sums(self, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        total: npt.NDArray[np.int64] = (x.astype(self.weight.dtype) @ self.weight).astype(np.int64)
        return total


class _Signed:
    """Synapses, positive and negative weights apart: split once, and not in every step."""

    def __init__(self, synapse: Synapse, bound: int) -> None:
        self._up: Any
        self._down: Any
        up, down = np.maximum(synapse.worth, 0), np.minimum(synapse.worth, 0)
        if isinstance(synapse, Dense):
            exact = np.float32 if bound < FLOAT32_WHOLE else np.float64
            self._up, self._down = (_Matrix(part.T.astype(exact)) for part in (up, down))
        else:
            self._up, self._down = (replace(synapse, weight=part) for part in (up, down))

    def sums(self, x: Interval) -> Interval:
        """Return what the sums can be of what can arrive."""
        low = self._up.sums(x.low) + self._down.sums(x.high)
        return Interval(low, self._up.sums(x.high) + self._down.sums(x.low))


class _Scattered:
    """Synapses with a delay each: what each of them delivers is looked up, and added."""

    def __init__(self, synapse: Dense, delay: npt.NDArray[np.int64]) -> None:
        self._fed, self._sender = np.nonzero(synapse.weight)
        self._weight = synapse.worth[self._fed, self._sender]
        self._delay = delay[self._fed, self._sender]
        self._positive = (self._weight > 0).astype(np.int64)
        self._starts = np.searchsorted(self._fed, np.arange(synapse.num_neurons))
        self._any = np.bincount(self._fed, minlength=synapse.num_neurons) > 0

    def sums(self, sent: Sent, t: int) -> Sums:
        """Return what arrives in step `t`."""
        # A positive weight turns the upper end of what arrives into the upper end of its share.
        low = self._weight * sent.entries(t, self._delay, 1 - self._positive, self._sender)
        high = self._weight * sent.entries(t, self._delay, self._positive, self._sender)
        parts = Interval(self._added(np.minimum(low, 0)), self._added(np.maximum(high, 0)))
        return Sums(Interval(self._added(low), self._added(high)), parts)

    def _added(self, shares: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        total = np.zeros(len(self._starts), np.int64)
        total[self._any] = np.add.reduceat(shares, self._starts[self._any]) if len(shares) else 0
        return total


class _Few:
    """The largest shares of so many synapses, where no more senders than that are active."""

    def __init__(self, synapse: Synapse, most: int) -> None:
        self._weight, self._most = synapse.worth, most
        self._repeated = synapse.num_neurons // len(synapse.weight)
        self._shared = isinstance(synapse, Conv)

    def sums(self, x: Interval) -> Interval:
        """Return what the sums can be; 0 lies within, for all may be silent as far as is known here."""
        weight, low, high = self._weight, x.low, x.high
        if self._shared:  # a neuron sees a part of the image: any part, here
            weight, low, high = weight.reshape(len(weight), -1), low.min(), high.max()
        shares = [weight * low, weight * high]
        least, most = np.minimum(np.minimum(*shares), 0), np.maximum(np.maximum(*shares), 0)
        found = Interval(-_largest(-least, self._most), _largest(most, self._most))
        return Interval(*(np.repeat(end, self._repeated) for end in found)) if self._shared else found


def _largest(shares: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    if not most:
        return np.zeros(len(shares), np.int64)
    if most >= shares.shape[1]:
        whole: npt.NDArray[np.int64] = shares.sum(axis=1)
        return whole
    total: npt.NDArray[np.int64] = np.partition(shares, -most, axis=1)[:, -most:].sum(axis=1)
    return total


def _common(a: Interval, b: Interval) -> Interval:
    return Interval(np.maximum(a.low, b.low), np.minimum(a.high, b.high))

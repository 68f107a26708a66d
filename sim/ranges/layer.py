"""What a layer can do in the steps of a sample, whatever arrives at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.interval import WORD, Interval, exactly, same
from ...contract.net import Net
from ...contract.room import sum_limit
from ...contract.sources import raster
from .ways import Sent, Sums, Way

SUM = "sum"
"""Name of what reaches a layer's neurons, beside its registers."""


class Ranges:
    """One layer on its way through a sample.

    Parameters
    ----------
    net : Net
        The network.
    index : int
        Which layer.
    sent : mapping of int to Sent
        What every layer that fires, and every input, can have sent; the layer adds what it sends itself.
    most : mapping of int to int
        How many neurons or channels of a layer or input are active in a step at most, where that is assumed.
    """

    def __init__(self, net: Net, index: int, sent: Mapping[int, Sent], most: Mapping[int, int]) -> None:
        self.layer = layer = net.layers[index]
        self.found: dict[str, tuple[Interval, Any]] = {}
        """Register -> the hull of its bounds, and the step in which each neuron's was widest first."""
        self.now: dict[str, Interval] = {}
        """The bounds of the last step alone."""
        self.unknown = False
        """Whether nobody has written bounds for its kind of neurons."""
        self.changed = True
        """Whether the last step led to another state than it began with."""
        bounds = net.way_bounds(index)
        self._ways = [
            Way(each, bound, sent[each.source], most.get(each.source))
            for each, bound in zip(net.incoming(index), bounds, strict=True)
        ]
        self.limit = sum_limit(net, index)
        """Magnitude of a sum from which on a port wraps it, or float32 rounds it."""
        self._beside = _of_oscillators(net, index)
        self._sent = sent.get(index)
        self._anything = exactly(np.zeros(layer.num_neurons)).hull(layer.neuron.max_payload)
        if layer.neuron.max_payload > 1:
            self._anything = self._anything.hull(-layer.neuron.max_payload)
        self._state = layer.neuron.bounded_reset()

    def advance(self, t: int, te: npt.NDArray[Any] | None) -> None:
        """Advance by a step of the sample; all that arrives without delay must have been sent already."""
        x = self._sums(t)
        step = None if self.unknown else self.layer.neuron.bounded_step(self._state, x, te)
        if step is None:
            self.unknown, self.changed = True, False
        else:
            self.now = step.registers
            self._note(step.registers, t)
            self.changed = not same(self._state, step.state)
            self._state = step.state
        if self._sent is not None:
            self._sent.put(t, self._anything if step is None else step.sent)

    def _sums(self, t: int) -> Interval:
        """Return what the neurons' sums can be in a step, as Lava's ports hand them on."""
        arriving = [way.sums(t) for way in self._ways]
        if self._beside is not None:
            arriving[0] = arriving[0].plus(Sums(*(Interval(low[t], high[t]) for low, high in self._beside)))
        total = arriving[0]
        for each in arriving[1:]:
            total = total.plus(each)
        self._note({SUM: total.part}, t)
        # All parts of all sums together hold those of each way, so no port wraps where these fit the narrowest.
        if total.part.within(1 - self.limit, self.limit - 1).all():
            return total.whole
        x = exactly(0)
        for way, each in zip(self._ways, arriving, strict=True):
            half = 2 ** (way.port_bits - 1)
            end = Interval(np.asarray(-half), np.asarray(half - 1))
            x = x.plus(each.whole.where(each.whole.within(-half, half - 1), end))
        return x.where(x.within(int(WORD.low), int(WORD.high)), WORD)

    def _note(self, registers: dict[str, Interval], t: int) -> None:
        """Widen the bounds of the sample by those of a step."""
        for name, interval in registers.items():
            if name not in self.found:
                self.found[name] = interval, np.full(interval.low.shape, t)
                continue
            before, since = self.found[name]
            hull = before.hull(interval)
            grown = (hull.low != before.low) | (hull.high != before.high)
            if grown.any():
                self.found[name] = hull, np.where(grown, t, since)


def _of_oscillators(net: Net, index: int) -> list[Interval] | None:
    """Return what a layer's oscillators add, all of it and any part of it, ends of shape (steps, sums)."""
    layer = net.layers[index]
    if layer.cpg is None:
        return None
    spikes = raster(layer.cpg, net.steps).astype(np.int64) * net.cpg_payload(index)
    weight = layer.synapse.worth[:, layer.num_inputs :].astype(np.float64)  # whole numbers, and BLAS
    up, down = ((spikes @ part.T).astype(np.int64) for part in (np.maximum(weight, 0), np.minimum(weight, 0)))
    return [Interval(up + down, up + down), Interval(down, up)]

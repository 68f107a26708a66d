"""Inputs that take a register far: a search, beside the bounds that no input passes.

What a bound allows need not be reachable. So inputs are bred: the best of a batch are kept, changed in some channels
and stretches of time, and run again on the engine. Then the best, and two that breeding did not touch, climb along
their gradients, see `spikeproof.sim.adjoint`. It proves nothing; it finds. An input that takes a register out of
its range is a counterexample: there torch and Loihi's integers can part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.net import Layer, Net
from . import adjoint
from .bounds import Bound, Bounds, without_end
from .ranges.assumptions import Assumptions
from .ranges.layer import SUM
from .ranges.run import before
from .simulate import run_payload
from .trace import SPIKES

_BATCH, _KEPT, _LOOKED_AT = 48, 8, 3
_ROUNDS = 20
_CLIMB = 8
"""How often gradients are followed."""
_PARTS = (1.0, 0.3, 0.1, 0.03)
"""What part of the entries that gain are moved along a gradient: far from here it no longer holds."""
_MOST_REMEMBERED = 2**29
"""Bytes that the run behind a gradient may take."""


class Reached(NamedTuple):
    """How far a search took one register."""

    layer: str
    register: str
    value: int
    """The value of the largest magnitude that an input was found for."""
    limit: int
    payload: npt.NDArray[np.int32]
    """That input, as payloads, shape (channels, steps)."""

    @property
    def used(self) -> float:
        """Part of the range; 1 if the register left it, since it is clipped or wraps there."""
        return min(1.0, abs(self.value) / self.limit)

    @property
    def left(self) -> bool:
        """Whether the register came to the end of its range or past it."""
        return abs(self.value) >= self.limit


def search(
    net: Net,
    found: Bounds,
    *,
    rounds: int = _ROUNDS,
    seed: int = 0,
    ascend: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Reached, ...]:
    """Search inputs that take registers far.

    Parameters
    ----------
    net : Net
        The network.
    found : Bounds
        Its bounds, which say for each register what to look at, and what is assumed: the search keeps to it.
    rounds : int
        How often a batch is bred for each register.
    seed : int
        Of the search.
    ascend : bool
        Whether to follow gradients too.
    progress : callable, optional
        Called with (registers done, registers in all).

    Returns
    -------
    tuple of Reached
        One for each register of `found` but sums, in its order.

    Raises
    ------
    InputError
        `rounds` is not positive.
    """
    if rounds < 1:
        raise InputError(f"rounds = {rounds}: a search needs at least one.")
    wanted = [bound for bound in found.found if bound.register != SUM]
    reached = []
    for done, bound in enumerate(wanted, start=1):
        reached.append(_Breeder(net, found.given, bound, seed, ascend=ascend).bred(rounds))
        if progress is not None:
            progress(done, len(wanted))
    return tuple(reached)


class _Values(NamedTuple):
    """What a register holds on each of some inputs."""

    largest: npt.NDArray[np.int64]
    """The value of the largest magnitude; 0 if the input is not as assumed."""
    neuron: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]


class _Breeder:
    """Breeds inputs for one register of a layer."""

    def __init__(self, net: Net, given: Assumptions, bound: Bound, seed: int, *, ascend: bool) -> None:
        self._net, self._given, self._bound = net, given, bound
        self._random = np.random.default_rng(seed)
        ends = [given.ends(net, k) for k in range(len(net.inputs))]
        channels = [source.num_channels for source in net.inputs]
        self._low, self._high = (np.repeat(end, channels).astype(np.int32) for end in zip(*ends, strict=True))
        self._index = net.index(bound.layer)
        self._best: tuple[int, npt.NDArray[np.int32]] = (0, np.zeros((net.num_channels, net.steps), np.int32))
        self._ascend = ascend and adjoint.bytes_of(net, self._index) <= _MOST_REMEMBERED

    def bred(self, rounds: int) -> Reached:
        """Return the best of so many rounds, and of what climbs from there."""
        batch = self._first()
        untouched = batch[:0]
        for count in range(rounds):
            values = self._run(batch)
            order = np.argsort(-np.abs(values.largest), kind="stable")
            if not count:
                untouched = batch[order[:1]]
            if self._left or count == rounds - 1:
                break
            parents = batch[order[:_KEPT]]
            children = [self._changed(parents[self._random.integers(_KEPT)]) for _ in range(_BATCH - _KEPT)]
            batch = np.concatenate([parents, [self._fitted(one) for one in children]])
        if self._ascend and not self._left:
            self._climb(np.concatenate([self._best[1][None], untouched, 0 * batch[:1]]))
        return Reached(self._bound.layer, self._bound.register, self._best[0], self._bound.limit, self._best[1])

    @property
    def _left(self) -> bool:
        return abs(self._best[0]) >= self._bound.limit

    def _climb(self, at: npt.NDArray[np.int32]) -> None:
        """Move inputs along their gradients as long as that takes them further."""
        now = self._run(at)
        for _ in range(_CLIMB):
            moved = self._moved(at, now)
            if self._left or not len(moved):
                return
            then = self._run(moved.reshape(-1, *at.shape[1:]))
            reached = np.abs(then.largest).reshape(len(at), -1)
            place = reached.argmax(1)
            better = reached[np.arange(len(at)), place] > np.abs(now.largest)
            if not better.any():
                return
            chosen = np.arange(len(at)) * reached.shape[1] + place
            at = np.where(better[:, None, None], moved[np.arange(len(at)), place], at)
            now = _Values(*(np.where(better, new[chosen], old) for new, old in zip(then, now, strict=True)))

    def _run(self, batch: npt.NDArray[np.int32]) -> _Values:
        """Run inputs, keep the best of them, and return what the register holds."""
        bound = self._bound
        trace = run_payload(self._net, batch, "engine")
        values = trace.layers[bound.layer][bound.register].astype(np.int64)
        flat = values.reshape(len(values), -1)
        where = np.abs(flat).argmax(1)
        largest = flat[np.arange(len(flat)), where]
        for name, most in self._given.max_spikes.items():
            busiest = np.count_nonzero(trace.layers[name][SPIKES], axis=1).max(axis=1)
            largest = np.where(busiest > most, 0, largest)
        for place in np.argsort(-np.abs(largest), kind="stable")[:_LOOKED_AT]:
            value = int(largest[place])
            if 2 * abs(value) > bound.limit:  # near the end, where it is clipped or wraps: what would it hold?
                value = max(value, without_end(self._net, batch[place], bound.layer, bound.register), key=abs)
            if abs(value) > abs(self._best[0]):
                self._best = value, batch[place].copy()
        return _Values(largest, *np.unravel_index(where, values.shape[1:]))

    def _first(self) -> npt.NDArray[np.int32]:
        """Return a first batch: ends of the range, all and by the signs of weights into single neurons, and random."""
        low, high, bound, random = self._low, self._high, self._bound, self._random
        steps, shape = self._net.steps, (self._net.num_channels, self._net.steps)
        made = [np.repeat(end[:, None], steps, axis=1) for end in (high, low)]
        first = self._net.layers[self._from_inputs()]
        weight, channels = first.synapse.weight, self._channels(first)
        if weight.ndim == 2 and channels is not None:
            rows = np.unique([bound.neuron % len(weight), *random.integers(0, len(weight), 12)])
            for row in weight[rows][:, : first.num_inputs]:
                for sign in (1, -1):
                    pattern = np.zeros(shape[0], np.int32)
                    pattern[channels] = np.where(
                        sign * row > 0, high[channels], np.where(sign * row < 0, low[channels], 0)
                    )
                    made.append(np.repeat(pattern[:, None], steps, axis=1))
        while len(made) < _BATCH:
            busy = random.random((shape[0], 1)) < random.random()
            values = np.where(random.random(shape) < 0.5, low[:, None], high[:, None])
            made.append(np.where(busy & (random.random(shape) < random.random()), values, 0))
        return np.stack([self._fitted(one) for one in made[:_BATCH]]).astype(np.int32)

    def _from_inputs(self) -> int:
        """Return the first layer on the way to the one that is looked at."""
        return min(before(self._net, self._index))

    def _channels(self, layer: Layer) -> slice | None:
        source = self._net.incoming(self._net.index(layer.name))[0].source
        return self._net.channels(-1 - source) if source < 0 else None

    def _changed(self, parent: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return an input with some channels set to an end, or to silence, for a stretch of time."""
        child, random = parent.copy(), self._random
        for _ in range(random.integers(1, 4)):
            begin, end = sorted(random.integers(0, self._net.steps + 1, 2))
            channels = random.random(len(child)) < random.choice([0.02, 0.1, 0.5])
            channels[random.integers(len(child))] = True
            value = (self._low, 0 * self._low, self._high)[random.integers(3)]
            child[channels, begin:end] = value[channels, None]
        return child

    def _moved(self, at: npt.NDArray[np.int32], values: _Values) -> npt.NDArray[np.int32]:
        """Return inputs with parts of them moved to the ends that gradients point to.

        Of each input, gradients of the register where it is largest, and where its bound is.
        """
        bound, targets = self._bound, []
        for largest, neuron, step in zip(*(each.tolist() for each in values), strict=True):
            sign = 1 if largest >= 0 else -1
            targets += [
                adjoint.Target(self._index, bound.register, neuron, step, sign),
                adjoint.Target(self._index, bound.register, bound.neuron, max(bound.step, step), sign),
            ]
        parents = np.repeat(at, 2, axis=0)
        made = []
        for parent, gradient in zip(parents, adjoint.gradients(self._net, parents, targets), strict=True):
            better = np.where(gradient > 0, self._high[:, None], self._low[:, None])
            gain = gradient * (better - parent)
            ranked = np.argsort(-gain, axis=None)[: int((gain > 0).sum())]
            for part in _PARTS:
                child = parent.copy()
                chosen = ranked[: int(np.ceil(len(ranked) * part))]
                child.flat[chosen] = better.flat[chosen]
                made.append(self._fitted(child))
        return np.stack(made).reshape(len(at), -1, *at.shape[1:])

    def _fitted(self, payload: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return an input that is as assumed: of channels beyond those that may be active, some are silent."""
        most = self._given.max_active
        if most is None:
            return payload
        for k in range(len(self._net.inputs)):
            channels = self._net.channels(k)
            of = payload[channels]
            chance = np.where(of != 0, self._random.random((len(of), 1)), 2.0)
            payload[channels] = np.where(chance.argsort(axis=0).argsort(axis=0) < most, of, 0)
        return payload

"""Inputs that take a register far: a search, beside the bounds that no input passes.

What a bound allows need not be reachable. So inputs are bred: the best of a batch are kept, changed in some channels
and stretches of time, and run again on the engine. It proves nothing; it finds. An input that takes a register out of
its range is a counterexample: there torch and Loihi's integers can part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.net import Net
from .bounds import Bound, Bounds, without_end
from .ranges.layer import SUM
from .simulate import run_payload

_BATCH, _KEPT, _LOOKED_AT = 48, 8, 3
_ROUNDS = 20


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
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Reached, ...]:
    """Search inputs that take registers far.

    Parameters
    ----------
    net : Net
        The network.
    found : Bounds
        Its bounds, which say for each register what to look at.
    rounds : int
        How often a batch is bred for each register.
    seed : int
        Of the search.
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
        reached.append(_bred(net, bound, rounds, np.random.default_rng(seed)))
        if progress is not None:
            progress(done, len(wanted))
    return tuple(reached)


def _bred(net: Net, bound: Bound, rounds: int, random: np.random.Generator) -> Reached:
    """Breed inputs for one register of a layer."""
    batch = _first(net, bound, random)
    best: tuple[int, npt.NDArray[np.int32]] = (0, batch[0])
    for _ in range(rounds):
        trace = run_payload(net, batch, "engine")
        values = trace.layers[bound.layer][bound.register].astype(np.int64)
        flat = values.reshape(len(values), -1)
        where = np.abs(flat).argmax(1)
        largest = flat[np.arange(len(flat)), where]
        order = np.argsort(-np.abs(largest), kind="stable")
        for place in order[:_LOOKED_AT]:
            value = int(largest[place])
            if 2 * abs(value) > bound.limit:  # near the end, where it is clipped or wraps: what would it hold?
                value = max(value, without_end(net, batch[place], bound.layer, bound.register), key=abs)
            if abs(value) > abs(best[0]):
                best = value, batch[place].copy()
        if abs(best[0]) >= bound.limit:
            break
        parents = batch[order[:_KEPT]]
        children = [_changed(net, parents[random.integers(len(parents))], random) for _ in range(_BATCH - _KEPT)]
        batch = np.concatenate([parents, children])
    return Reached(bound.layer, bound.register, best[0], bound.limit, best[1])


def _first(net: Net, bound: Bound, random: np.random.Generator) -> npt.NDArray[np.int32]:
    """Return a first batch: the ends of the range by the signs of weights into single neurons, and random inputs."""
    low, high = _ends(net)
    channels, steps = net.num_channels, net.steps
    made = []
    synapse = net.layers[0].synapse
    for end in (high, low):
        made.append(np.full((channels, steps), end))
    if hasattr(synapse, "weight") and synapse.weight.ndim == 2:
        rows = np.unique([bound.neuron % len(synapse.weight), *random.integers(0, len(synapse.weight), 12)])
        for row in synapse.weight[rows][:, :channels]:
            for sign in (1, -1):
                pattern = np.where(sign * row > 0, high, np.where(sign * row < 0, low, 0))
                made.append(np.repeat(pattern[:, None], steps, axis=1))
    while len(made) < _BATCH:
        busy = random.random((channels, 1)) < random.random()
        values = random.choice([low, high], (channels, steps))
        made.append(np.where(busy & (random.random((channels, steps)) < random.random()), values, 0))
    return np.stack(made[:_BATCH]).astype(np.int32)


def _changed(net: Net, parent: npt.NDArray[np.int32], random: np.random.Generator) -> npt.NDArray[np.int32]:
    """Return an input with some channels set to an end, or to silence, for a stretch of time."""
    child = parent.copy()
    low, high = _ends(net)
    for _ in range(random.integers(1, 4)):
        begin, end = sorted(random.integers(0, net.steps + 1, 2))
        channels = random.random(net.input.num_channels) < random.choice([0.02, 0.1, 0.5])
        channels[random.integers(net.input.num_channels)] = True
        child[channels, begin:end] = random.choice([low, 0, high])
    return child


def _ends(net: Net) -> tuple[int, int]:
    """Return the smallest and the largest payload of the input."""
    most = net.input.max_payload
    return (-most if net.input.bits else 0), most

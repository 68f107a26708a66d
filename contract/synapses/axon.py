"""Axons: a layer's spikes may take some steps until they arrive.

In the local time of a sample, what arrives in step t from neuron i is what it sent in step ``t - delay[i]``. Nothing
arrives before a sample begins, and what is under way when it ends is lost, so samples do not meet.

One step; ``line`` holds the last ``max(delay)`` steps and starts empty::

    line = [s, line[0], line[1], ...]
    arriving[i] = line[delay[i]][i]

References
----------
``lava.lib.dl.slayer.axon.delay``, lava-dl 0.6.0. SLAYER's ``delay_shift=True`` is a delay of one step, and a learned
axonal delay of up to 62 steps adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import IntArray, as_integers
from ..record import Record
from .delays import delayed

MAX_DELAY = 63
"""Loihi's axonal delay of up to 62 steps, and one for the way to the next layer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Axon(Record):
    """Delays of a layer's spikes.

    Parameters
    ----------
    delay : array_like of int, shape (n,)
        Steps until a neuron's spike arrives, 0..63, at least one of them not 0. Kept as int8.
    """

    delay: Any

    def __post_init__(self) -> None:
        delay = as_integers("Axon delay", self.delay, np.int8, 0, MAX_DELAY)
        if delay.ndim != 1 or not delay.size:
            raise RecordError(f"Axon delay: shape {delay.shape} is not (neurons,). Give one delay for each neuron.")
        if not delay.any():
            raise RecordError(f"Axon delay: all {delay.size} are 0, so nothing delays. Leave the axon out.")
        self._set(delay=delay)

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return len(self.delay)

    @property
    def longest(self) -> int:
        """The largest delay in steps."""
        return int(self.delay.max())

    @property
    def shortest(self) -> int:
        """The smallest delay in steps."""
        return int(self.delay.min())


class AxonState(NamedTuple):
    """What is under way."""

    line: IntArray
    """Spikes or payloads of the last steps, the latest first, shape (max(delay), n)."""


def reset(params: Axon) -> AxonState:
    """Return the state before a sample's first step: nothing is under way."""
    return AxonState(line=np.zeros((params.longest, params.num_neurons), dtype=np.int64))


def step(params: Axon, state: AxonState, s: npt.ArrayLike) -> tuple[IntArray, AxonState]:
    """Advance by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : Axon
        Delays of n neurons.
    state : AxonState
        What is under way, or `reset`.
    s : array_like of int, shape (n,)
        What the neurons send.

    Returns
    -------
    arriving : ndarray of int64, shape (n,)
        What arrives in this step.
    state : AxonState
        What is under way after it.
    """
    line = np.concatenate([np.asarray(s, dtype=np.int64)[None], state.line])
    return line[params.delay, np.arange(params.num_neurons)], AxonState(line=line[:-1])


def arrivals(params: Axon | None, s: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what arrives in the course of a sample.

    Parameters
    ----------
    params : Axon or None
        Delays of n neurons; None delays nothing.
    s : ndarray, shape (..., n, steps)
        What the neurons send from the sample's first step on.

    Returns
    -------
    ndarray of the type and shape of `s`
    """
    return s if params is None else delayed(s, params.delay)

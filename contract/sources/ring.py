"""A one-hot clock ring: in step t of a sample neuron ``t mod n`` spikes and no other.

One step; ``t`` starts at 0::

    s = one-hot(t mod n)
    t = t + 1

Feeding a table of n rows through ordinary synapses from this ring gives the table's row t in step t, which is how a
table reaches a neuron that has no table of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..fixed import IntArray, as_whole
from ..record import Record


@dataclass(frozen=True, kw_only=True, eq=False)
class Ring(Record):
    """A clock ring of `num_neurons` neurons, at least 1."""

    num_neurons: int

    def __post_init__(self) -> None:
        self._set(num_neurons=as_whole("Ring num_neurons", self.num_neurons, 1, 2**31 - 1))


class RingState(NamedTuple):
    """State of a ring."""

    t: IntArray
    """Steps since the sample began."""


def reset(params: Ring, batch: tuple[int, ...] = ()) -> RingState:
    """Return the state before a sample's first step."""
    return RingState(t=np.zeros(batch, dtype=np.int64))


def step(params: Ring, state: RingState) -> tuple[IntArray, RingState]:
    """Advance by one time step.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        One 1 in n.
    state : RingState
        The state after this step.
    """
    spikes = (np.arange(params.num_neurons) == state.t[..., None] % params.num_neurons).astype(np.int64)
    return spikes, RingState(t=state.t + 1)

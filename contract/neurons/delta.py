"""Delta: an encoder that sends the changes of what it receives.

One step, in this order; ``act`` and ``residue`` start at 0::

    delta   = wrap32(x - act + residue)             the change, with what was held back
    sent    = delta if |delta| >= v_th else 0
    residue = delta - sent
    act     = x

- Sends ``floor(sent / 2**state_exp)`` when the change reaches the threshold, at equality too.
- Reset: none within a sample.

It is `spikeproof.contract.neurons.sigma_delta` without the sum of the changes that arrive and without rectification:
what arrives is the value itself. SLAYER's ``sigma_delta.Input`` is such an encoder.

References
----------
``lava.lib.dl.slayer.axon.delta`` and ``lava.lib.dl.slayer.block.sigma_delta.Input``, lava-dl 0.6.0, whose float32
registers hold whole numbers up to 2**24 exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, IntArray, as_whole, per_neuron
from ..record import Record
from .sigma_delta import send


@dataclass(frozen=True, kw_only=True, eq=False)
class Delta(Record):
    """Integer parameters of a layer of delta encoders.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    v_th : array_like of int, shape () or (n,)
        Threshold of a change, in the units of the sums, 0..2**31 - 1. Kept as int32 of shape (n,).
    state_exp : int
        Bits that a payload is coarser than the registers, -18..23; negative if it is finer.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    num_neurons: int
    v_th: Any
    state_exp: int = ACCUMULATOR_SHIFT

    def __post_init__(self) -> None:
        n = as_whole("Delta num_neurons", self.num_neurons, 1, 2**31 - 1)
        self._set(
            num_neurons=n,
            v_th=per_neuron("Delta v_th", self.v_th, n, 0, 2**31 - 1),
            state_exp=as_whole("Delta state_exp", self.state_exp, -18, 23),
        )


class DeltaState(NamedTuple):
    """Registers of a layer of delta encoders, each an int64 array of shape (..., n)."""

    act: IntArray
    """What arrived last; 32 bits."""
    residue: IntArray
    """Change that was held back; 32 bits."""


def reset(params: Delta, batch: tuple[int, ...] = ()) -> DeltaState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return DeltaState(act=zeros, residue=zeros)


def step(params: Delta, state: DeltaState, x: npt.ArrayLike) -> tuple[IntArray, DeltaState]:
    """Advance a layer of delta encoders by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : Delta
        Parameters of the layer of n neurons.
    state : DeltaState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums, ``|x| < 2**31``.

    Returns
    -------
    payloads : ndarray of int64, shape (..., n)
        What the neurons send; 0 sends nothing.
    state : DeltaState
        Registers after this step.
    """
    act = np.asarray(x, dtype=np.int64)
    payload, residue = send(params, act - state.act + state.residue)
    return payload, DeltaState(act=act, residue=residue)

"""Sigma-delta: a ReLU unit that receives and sends changes, as Lava's fixed-point SigmaDelta computes it.

One step, in this order; ``sigma``, ``act`` and ``residue`` start at 0::

    sigma   = wrap32(sigma + x)                     adds up the changes that arrive
    new     = max(wrap32(sigma + bias), 0)          the unit's activation
    delta   = wrap32(new - act + residue)           its change, with what was held back
    sent    = delta if |delta| >= v_th else 0
    residue = delta - sent
    act     = new

- Sends ``floor(sent / 2**state_exp)`` when the change reaches the threshold, at equality too.
- Order: sigma, activation, delta, comparison.
- Reset: none within a sample.

Lava declares 24 bits for these registers and keeps 32, which wrap; so does the contract. With SLAYER's scale s,
payloads are in units of ``1 / (64 * s)`` and the registers in units of the sums, a factor ``2**state_exp`` finer.

References
----------
``lava.proc.sdn.models.PySigmaDeltaModelFixed``, lava-nc 0.10.0; ``lava.lib.dl.slayer.neuron.sigma_delta``, lava-dl
0.6.0, whose float32 registers hold whole numbers up to 2**24 exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, IntArray, as_whole, per_neuron, shift, wrap32
from ..record import Record

_REGISTER_MAX = 2**31 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class SigmaDelta(Record):
    """Integer parameters of a sigma-delta layer.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    v_th : array_like of int, shape () or (n,)
        Threshold of a change, in the registers' units, 0..2**31 - 1. Kept as int32 of shape (n,).
    state_exp : int
        Bits that a payload is coarser than the registers, -18..23; negative if it is finer.
    bias : array_like of int, shape () or (n,)
        Added to sigma in every step, in the registers' units, within 2**31. Kept as int32 of shape (n,).

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    num_neurons: int
    v_th: Any
    state_exp: int = ACCUMULATOR_SHIFT
    bias: Any = 0

    def __post_init__(self) -> None:
        n = as_whole("SigmaDelta num_neurons", self.num_neurons, 1, 2**31 - 1)
        self._set(
            num_neurons=n,
            v_th=per_neuron("SigmaDelta v_th", self.v_th, n, 0, _REGISTER_MAX),
            state_exp=as_whole("SigmaDelta state_exp", self.state_exp, -18, 23),
            bias=per_neuron("SigmaDelta bias", self.bias, n, -_REGISTER_MAX, _REGISTER_MAX),
        )


class SigmaDeltaState(NamedTuple):
    """Registers of a sigma-delta layer, each an int64 array of shape (..., n)."""

    sigma: IntArray
    """Sum of the changes that arrived; 32 bits, declared 24."""
    act: IntArray
    """Activation; 32 bits, declared 24."""
    residue: IntArray
    """Change that was held back; 32 bits, declared 24."""


def reset(params: SigmaDelta, batch: tuple[int, ...] = ()) -> SigmaDeltaState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return SigmaDeltaState(sigma=zeros, act=zeros, residue=zeros)


def step(params: SigmaDelta, state: SigmaDeltaState, x: npt.ArrayLike) -> tuple[IntArray, SigmaDeltaState]:
    """Advance a sigma-delta layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : SigmaDelta
        Parameters of the layer of n neurons.
    state : SigmaDeltaState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums, ``|x| < 2**31``.

    Returns
    -------
    payloads : ndarray of int64, shape (..., n)
        What the neurons send; 0 sends nothing.
    state : SigmaDeltaState
        Registers after this step.
    """
    sigma = wrap32(state.sigma + np.asarray(x, dtype=np.int64))
    act = np.maximum(wrap32(sigma + params.bias), 0)
    payload, residue = send(params, act - state.act + state.residue)
    return payload, SigmaDeltaState(sigma=sigma, act=act, residue=residue)


class Sender(Protocol):
    """What `send` takes of a neuron's parameters."""

    @property
    def v_th(self) -> Any:
        """Threshold of a change, 0..2**31 - 1."""

    @property
    def state_exp(self) -> int:
        """Bits that a payload is coarser than the registers."""


def send(params: Sender, change: IntArray) -> tuple[IntArray, IntArray]:
    """Return what is sent of a change, and what is held back; the rule stands at the head of this module.

    Parameters
    ----------
    params : Sender
        Threshold and exponent of the layer of n neurons.
    change : ndarray of int64, shape (..., n)
        Change of the activation, with what was held back; it wraps at 32 bits.

    Returns
    -------
    payloads, residue : ndarray of int64, shape (..., n)
        Payloads, 0 where nothing is sent, and the rest of the change in the registers' units.
    """
    delta = wrap32(change)
    sent = np.where(wrap32(np.abs(delta)) >= params.v_th, delta, 0)
    payload = sent >> params.state_exp if params.state_exp >= 0 else wrap32(shift(sent, -params.state_exp))
    return payload, delta - sent

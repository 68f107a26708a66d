"""Readout: a linear layer's output, in one register an output.

One step; ``v`` starts at 0::

    v = sat24(decay(v, v_decay) + (x << a_shift) + (bias_mant << bias_exp))

It never fires. With ``v_decay`` 0 it accumulates: after the last of T steps ``v / T`` is the linear layer's output
averaged over time, in units of ``scale << a_shift``, so the largest ``v`` names the class. With ``v_decay`` 4096 it
remembers nothing: ``v`` is the linear layer's output in every step.

References
----------
X. Chen et al., arXiv 2308.15150: the classification is read from the time average of a linear layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import (
    A_SHIFT_MAX,
    BIAS_EXP_MAX,
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    DECAY_ONE,
    IntArray,
    as_whole,
    decay,
    per_neuron,
    sat24,
    shl,
)
from ..record import Record


@dataclass(frozen=True, kw_only=True, eq=False)
class Readout(Record):
    """Integer parameters of a read-out.

    Parameters
    ----------
    num_neurons : int
        Number of outputs n.
    a_shift : int
        Left shift of the dendritic sum, 0..18.
    bias_mant : array_like of int, shape () or (n,)
        Bias mantissa, -4096..4095, added every step as ``bias_mant << bias_exp``. Kept as int32 of shape (n,).
    bias_exp : int
        Bias exponent, 0..7.
    v_decay : int
        Fraction of the register lost a step, 0..4096.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    num_neurons: int
    a_shift: int = 0
    bias_mant: Any = 0
    bias_exp: int = 0
    v_decay: int = 0

    def __post_init__(self) -> None:
        n = as_whole("Readout num_neurons", self.num_neurons, 1, 2**31 - 1)
        self._set(
            num_neurons=n,
            a_shift=as_whole("Readout a_shift", self.a_shift, 0, A_SHIFT_MAX),
            bias_mant=per_neuron("Readout bias_mant", self.bias_mant, n, BIAS_MANT_MIN, BIAS_MANT_MAX),
            bias_exp=as_whole("Readout bias_exp", self.bias_exp, 0, BIAS_EXP_MAX),
            v_decay=as_whole("Readout v_decay", self.v_decay, 0, DECAY_ONE),
        )


class ReadoutState(NamedTuple):
    """Register of a read-out, an int64 array of shape (..., n)."""

    v: IntArray
    """Output; 24 bits."""


def reset(params: Readout, batch: tuple[int, ...] = ()) -> ReadoutState:
    """Return the state before a sample's first step: zero, of shape ``(*batch, n)``."""
    return ReadoutState(v=np.zeros((*batch, params.num_neurons), dtype=np.int64))


def step(params: Readout, state: ReadoutState, x: npt.ArrayLike) -> tuple[IntArray, ReadoutState]:
    """Advance a read-out by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : Readout
        Parameters of the read-out of n outputs.
    state : ReadoutState
        Register after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums ``W @ spikes``; ``|x| << a_shift`` must stay below 2**62.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        Always 0: a read-out does not fire.
    state : ReadoutState
        Register after this step.
    """
    a = shl(x, params.a_shift) + shl(params.bias_mant, params.bias_exp)
    v = sat24(decay(state.v, params.v_decay) + a)
    return np.zeros_like(v), ReadoutState(v=v)

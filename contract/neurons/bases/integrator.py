"""What CUBA neurons and membranes that never fire share: their parameters, and a current that charges a membrane.

One step; ``u`` and ``v`` start at 0::

    u = wrap24(decay(u, u_decay) + shift(x, a_shift))      the current wraps, in 32 bits before
    v = sat24(decay(v, v_decay) + shift(u + (bias_mant << 6), u_shift))    the membrane saturates

``u_decay`` is SLAYER's and NetX's ``iDecay``, 0..4096. Lava's process adds one to its ``du``, so it is given
``iDecay - 1``.

References
----------
``lava.proc.lif.models.AbstractPyLifModelFixed``, lava-nc 0.10.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ...fixed import (
    A_SHIFT_MAX,
    A_SHIFT_MIN,
    ACCUMULATOR_SHIFT,
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    DECAY_ONE,
    IntArray,
    as_whole,
    decay,
    per_neuron,
    sat24,
    shift,
    shl,
    wrap24,
    wrap32,
)
from ...record import Record

U_SHIFT_MAX = 8
"""SLAYER's normalisation by powers of two takes three bits by default."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Integrator(Record):
    """Integer parameters of a layer of membranes that a current charges.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    u_decay, v_decay : array_like of int, shape () or (n,)
        Fraction of ``u`` and of ``v`` lost a step, 0..4096. Kept as int32 of shape (n,).
    bias_mant : array_like of int, shape () or (n,)
        Bias mantissa, -4096..4095, added every step as ``bias_mant << 6``, the exponent that NetX assumes. Kept as
        int32 of shape (n,).
    a_shift : int
        Shift of the dendritic sum, -23..18: 6, as in Lava's LIF, for unary spikes; ``6 + exp`` for payloads of unit
        ``2**exp``. To the right it rounds toward zero.
    u_shift : int
        Shift of what the membrane receives, -8..8: 0, as in Lava's LIF, but for a layer whose input is normalised by a
        power of two. To the right it rounds toward zero.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    num_neurons: int
    u_decay: Any
    v_decay: Any
    bias_mant: Any = 0
    a_shift: int = ACCUMULATOR_SHIFT
    u_shift: int = 0

    def __post_init__(self) -> None:
        kind = type(self).__name__
        n = as_whole(f"{kind} num_neurons", self.num_neurons, 1, 2**31 - 1)
        self._set(
            num_neurons=n,
            u_decay=per_neuron(f"{kind} u_decay", self.u_decay, n, 0, DECAY_ONE),
            v_decay=per_neuron(f"{kind} v_decay", self.v_decay, n, 0, DECAY_ONE),
            bias_mant=per_neuron(f"{kind} bias_mant", self.bias_mant, n, BIAS_MANT_MIN, BIAS_MANT_MAX),
            a_shift=as_whole(f"{kind} a_shift", self.a_shift, A_SHIFT_MIN, A_SHIFT_MAX),
            u_shift=as_whole(f"{kind} u_shift", self.u_shift, -U_SHIFT_MAX, U_SHIFT_MAX),
        )


def integrate(params: Integrator, u: IntArray, v: IntArray, x: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """Advance current and membrane by one time step.

    Parameters
    ----------
    params : Integrator
        Parameters of the layer of n neurons.
    u, v : ndarray of int64, shape (..., n)
        Current and membrane after the previous step; 24 bits.
    x : array_like of int, shape (..., n)
        Dendritic sums, ``|x| < 2**31``.

    Returns
    -------
    u, v : ndarray of int64, shape (..., n)
        Current and membrane before any reset.
    """
    u = wrap24(wrap32(decay(u, params.u_decay) + shift(x, params.a_shift)))
    current = shift(u + shl(params.bias_mant, ACCUMULATOR_SHIFT), params.u_shift)
    return u, sat24(decay(v, params.v_decay) + current)

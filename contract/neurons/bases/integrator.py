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
from typing import Any, NamedTuple

import numpy.typing as npt

from ...fields import number, per_neuron
from ...fixed import (
    A_SHIFT_MAX,
    A_SHIFT_MIN,
    ACCUMULATOR_SHIFT,
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    DECAY_ONE,
    IntArray,
    decay,
    sat24,
    shift,
    shl,
    wrap24,
    wrap32,
)
from ...interval import FULL, WORD, Interval
from .neuron import Neuron

U_SHIFT_MAX = 8
"""SLAYER's normalisation by powers of two takes three bits by default."""


class IntegratorState(NamedTuple):
    """Registers of a membrane that a current charges, each an int64 array of shape (..., n)."""

    u: IntArray
    """Current; 24 bits, ``-2**23 + 1 .. 2**23``."""
    v: IntArray
    """Membrane, after the reset of a neuron that fired; 24 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Integrator(Neuron, state=IntegratorState, registers=("u", "v"), charged="u"):
    """Integer parameters of a layer of membranes that a current charges."""

    u_decay: Any = per_neuron(
        0, DECAY_ONE, "Fraction of ``u`` lost a step, in 4096ths", netx="iDecay", edges=(2048, 41), example=1000
    )
    v_decay: Any = per_neuron(
        0, DECAY_ONE, "Fraction of ``v`` lost a step, in 4096ths", netx="vDecay", edges=(2048, 41), example=128
    )
    bias_mant: Any = per_neuron(
        BIAS_MANT_MIN,
        BIAS_MANT_MAX,
        "Bias mantissa, added every step as ``bias_mant << 6``, the exponent that NetX assumes",
        default=0,
    )
    a_shift: int = number(
        A_SHIFT_MIN,
        A_SHIFT_MAX,
        "Shift of the dendritic sum: 6, as in Lava's LIF, for unary spikes; ``6 + exp`` for payloads of unit "
        "``2**exp``. To the right it rounds toward zero",
        netx="aShift",
        default=ACCUMULATOR_SHIFT,
    )
    u_shift: int = number(
        -U_SHIFT_MAX,
        U_SHIFT_MAX,
        "Shift of what the membrane receives: 0, as in Lava's LIF, but for a layer whose input is normalised by a "
        "power of two. To the right it rounds toward zero",
        netx="uShift",
        default=0,
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


def integrate_bounds(params: Integrator, u: Interval, v: Interval, x: Interval) -> tuple[Interval, Interval, Interval]:
    """Advance intervals of current and membrane, as `integrate` does values.

    Returns
    -------
    unlimited, u, v : Interval
        The current before it wraps, the current, and the membrane before it saturates.
    """
    unlimited = u.decayed(params.u_decay).plus(x.shifted(params.a_shift))
    # A sum past 32 bits wraps there, and one wrap into 24 bits does not bring every value back.
    u = unlimited.where(unlimited.within(1 - FULL, FULL), WORD)
    current = u.plus(shl(params.bias_mant, ACCUMULATOR_SHIFT)).shifted(params.u_shift)
    return unlimited, u, v.decayed(params.v_decay).plus(current)

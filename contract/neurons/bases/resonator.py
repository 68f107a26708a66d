"""What RF, RF-IZ and ADRF share: their parameters and a damped rotation.

One step of the complex state ``real + i * imag``, with ``x`` the real and the imaginary dendritic sums::

    real' = sat24(rtz(cos_decay * real, 12) - rtz(sin_decay * imag, 12) + shift(x_real, a_shift))
    imag' = sat24(rtz(sin_decay * real, 12) + rtz(cos_decay * imag, 12) + shift(x_imag, a_shift))

References
----------
``lava.proc.rf.models.AbstractPyRFModelFixed``, lava-nc 0.10.0, and ``lava.lib.dl.slayer.neuron.dynamics.resonator``,
lava-dl 0.6.0, whose registers are 64 bits wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...fields import number, per_neuron
from ...fixed import (
    A_SHIFT_MAX,
    A_SHIFT_MIN,
    ACCUMULATOR_SHIFT,
    DECAY_ONE,
    DECAY_SHIFT,
    STATE_MAX,
    THRESHOLD_MANT_MAX,
    IntArray,
    rtz,
    sat24,
    shift,
)
from ...interval import Interval, exactly
from ...real import RealArray
from .neuron import Neuron


class ResonatorState(NamedTuple):
    """Registers of a resonate-and-fire layer, each an int64 array of shape (..., n)."""

    real: IntArray
    """Real part, after the reset of a neuron that fired; 24 bits."""
    imag: IntArray
    """Imaginary part, after the reset of a neuron that fired; 24 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Resonator(Neuron, state=ResonatorState, registers=("real", "imag"), sums=2):
    """Integer parameters that every kind of resonate-and-fire layer has."""

    sin_decay: Any = per_neuron(
        0,
        DECAY_ONE,
        "Sine of a step's angle, times the part of the state that is kept, times 4096",
        netx="sinDecay",
        edges=(2048, 41),
        example=2000,
    )
    cos_decay: Any = per_neuron(
        0,
        DECAY_ONE,
        "Cosine of a step's angle, times the part of the state that is kept, times 4096",
        netx="cosDecay",
        edges=(2048, 41),
        example=3000,
    )
    v_th_mant: int = number(
        0, THRESHOLD_MANT_MAX, "Threshold mantissa; the threshold is ``v_th_mant << 6``", netx="vThMant", example=30
    )
    a_shift: int = number(
        A_SHIFT_MIN,
        A_SHIFT_MAX,
        "Shift of the dendritic sums: 6 for unary spikes, ``6 + exp`` for payloads of unit ``2**exp``; to the right it "
        "rounds toward zero",
        netx="aShift",
        default=ACCUMULATOR_SHIFT,
    )
    graded: int = number(
        0, 1, "1 if a spike carries the register that fired, 0 if spikes are unary", netx="gradedSpike", default=0
    )


def rotate(params: Resonator, real: IntArray, imag: IntArray, x: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """Advance the complex state by one time step.

    Parameters
    ----------
    params : Resonator
        Parameters of the layer of n neurons.
    real, imag : ndarray of int64, shape (..., n)
        The state after the previous step; 24 bits.
    x : array_like of int, shape (..., 2 * n)
        Dendritic sums, ``|x| < 2**31``: all real ones, then all imaginary ones.

    Returns
    -------
    real, imag : ndarray of int64, shape (..., n)
        The state before any reset.
    """
    a = shift(x, params.a_shift)
    n = params.num_neurons
    sin, cos = params.sin_decay.astype(np.int64), params.cos_decay.astype(np.int64)
    turned = rtz(cos * real, DECAY_SHIFT) - rtz(sin * imag, DECAY_SHIFT) + a[..., :n]
    lifted = rtz(sin * real, DECAY_SHIFT) + rtz(cos * imag, DECAY_SHIFT) + a[..., n:]
    return sat24(turned), sat24(lifted)


class Turned(NamedTuple):
    """What the complex state of resonators can be."""

    real: Interval
    imag: Interval
    size: RealArray
    """A magnitude that no state of a neuron exceeds."""


_LARGEST = np.sqrt(2) * STATE_MAX
"""A magnitude that no state exceeds after its parts are clipped."""
_ROUNDING = np.sqrt(2) + 1e-6
"""How far rounding can move the complex state outward.

Rounding toward zero makes a sum of two products of one sign smaller, and changes their difference by less than 1. So
each part moves out by less than 1.
"""


def rotate_bounds(params: Resonator, before: Turned, x: Interval) -> Turned:
    """Advance bounds of the complex state, as `rotate` does values, before it saturates.

    A rotation makes a square of bounds larger in every step, and a circle not. So both are kept: each part lies within
    the square that this step makes of the parts before, and within the circle.
    """
    n = params.num_neurons
    a = x.shifted(params.a_shift)
    a_real, a_imag = Interval(a.low[:n], a.high[:n]), Interval(a.low[n:], a.high[n:])
    sin, cos = params.sin_decay.astype(np.int64), params.cos_decay.astype(np.int64)

    def part(factor: IntArray, state: Interval) -> Interval:
        return state.times(factor).shifted(-DECAY_SHIFT)

    real = part(cos, before.real).minus(part(sin, before.imag)).plus(a_real)
    imag = part(sin, before.real).plus(part(cos, before.imag)).plus(a_imag)
    arriving = np.hypot(np.maximum(-a_real.low, a_real.high), np.maximum(-a_imag.low, a_imag.high))
    turned = (
        np.minimum(before.size, _LARGEST) * np.hypot(sin, cos) / DECAY_ONE * (1 + 1e-9)
    )  # more than floating point loses
    size = turned + arriving * (1 + 1e-9) + _ROUNDING
    circle = np.ceil(size).astype(np.int64)
    real, imag = (Interval(np.maximum(one.low, -circle), np.minimum(one.high, circle)) for one in (real, imag))
    return Turned(real, imag, size)


def at_rest(params: Resonator) -> Turned:
    """Return the bounds before a sample's first step: nothing has arrived."""
    zeros = np.zeros(params.num_neurons, np.int64)
    return Turned(exactly(zeros), exactly(zeros), np.zeros(params.num_neurons))

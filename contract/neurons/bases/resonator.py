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
from typing import Any

import numpy as np
import numpy.typing as npt

from ...fixed import (
    A_SHIFT_MAX,
    A_SHIFT_MIN,
    ACCUMULATOR_SHIFT,
    DECAY_ONE,
    DECAY_SHIFT,
    THRESHOLD_MANT_MAX,
    IntArray,
    as_whole,
    per_neuron,
    rtz,
    sat24,
    shift,
)
from ...record import Record


@dataclass(frozen=True, kw_only=True, eq=False)
class Resonator(Record):
    """Integer parameters that every kind of resonate-and-fire layer has.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    sin_decay, cos_decay : array_like of int, shape () or (n,)
        Sine and cosine of a step's angle, times the part of the state that is kept, times 4096: 0..4096. Kept as int32
        of shape (n,).
    v_th_mant : int
        Threshold mantissa, 0..2**17 - 1; the threshold is ``v_th_mant << 6``.
    a_shift : int
        Shift of the dendritic sums, -23..18: 6 for unary spikes, ``6 + exp`` for payloads of unit ``2**exp``; to the
        right it rounds toward zero.
    graded : int
        1 if a spike carries the register that fired, 0 if spikes are unary.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    num_neurons: int
    sin_decay: Any
    cos_decay: Any
    v_th_mant: int
    a_shift: int = ACCUMULATOR_SHIFT
    graded: int = 0

    def __post_init__(self) -> None:
        kind = type(self).__name__
        n = as_whole(f"{kind} num_neurons", self.num_neurons, 1, 2**30)
        self._set(
            num_neurons=n,
            sin_decay=per_neuron(f"{kind} sin_decay", self.sin_decay, n, 0, DECAY_ONE),
            cos_decay=per_neuron(f"{kind} cos_decay", self.cos_decay, n, 0, DECAY_ONE),
            v_th_mant=as_whole(f"{kind} v_th_mant", self.v_th_mant, 0, THRESHOLD_MANT_MAX),
            a_shift=as_whole(f"{kind} a_shift", self.a_shift, A_SHIFT_MIN, A_SHIFT_MAX),
            graded=as_whole(f"{kind} graded", self.graded, 0, 1),
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

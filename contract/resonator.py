"""The damped rotation that RF, RF-IZ and ADRF share.

One step of the complex state ``real + i * imag``, with ``x`` the real and the imaginary dendritic sums::

    real' = sat24(rtz(cos_decay * real, 12) - rtz(sin_decay * imag, 12) + shift(x_real, a_shift))
    imag' = sat24(rtz(sin_decay * real, 12) + rtz(cos_decay * imag, 12) + shift(x_imag, a_shift))

References
----------
``lava.proc.rf.models.AbstractPyRFModelFixed``, lava-nc 0.10.0, and ``lava.lib.dl.slayer.neuron.dynamics.resonator``,
lava-dl 0.6.0, whose registers are 64 bits wide.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .fixed import (
    A_SHIFT_MAX,
    A_SHIFT_MIN,
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


class Resonator(Protocol):
    """What `rotate` and `checked` take of a neuron's parameters."""

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""

    @property
    def sin_decay(self) -> Any:
        """Sine of a step's angle times what is kept, 12 bits."""

    @property
    def cos_decay(self) -> Any:
        """Cosine of a step's angle times what is kept, 12 bits."""

    @property
    def v_th_mant(self) -> int:
        """Threshold mantissa."""

    @property
    def a_shift(self) -> int:
        """Shift of the dendritic sums."""

    @property
    def graded(self) -> int:
        """Whether a spike carries a register."""


def checked(kind: str, params: Resonator) -> dict[str, Any]:
    """Return the parameters after their range checks, for a record's ``__post_init__``."""
    n = as_whole(f"{kind} num_neurons", params.num_neurons, 1, 2**30)
    return {
        "num_neurons": n,
        "sin_decay": per_neuron(f"{kind} sin_decay", params.sin_decay, n, 0, DECAY_ONE),
        "cos_decay": per_neuron(f"{kind} cos_decay", params.cos_decay, n, 0, DECAY_ONE),
        "v_th_mant": as_whole(f"{kind} v_th_mant", params.v_th_mant, 0, THRESHOLD_MANT_MAX),
        "a_shift": as_whole(f"{kind} a_shift", params.a_shift, A_SHIFT_MIN, A_SHIFT_MAX),
        "graded": as_whole(f"{kind} graded", params.graded, 0, 1),
    }


def rotate(params: Resonator, real: IntArray, imag: IntArray, x: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """Advance the complex state by one time step.

    Parameters
    ----------
    params : RF, RFIZ or ADRF
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

"""ALIF: a current-based leaky integrate-and-fire neuron with an adaptive threshold and a refractory.

One step, in this order; ``u``, ``v`` and ``r`` start at 0, ``theta`` at ``v_th_mant << 6``::

    u     = sat24(decay(u, u_decay) + shift(x, a_shift))
    v     = sat24(decay(v, v_decay) + u)
    theta, r                                relax, see `spikeproof.contract.neurons.bases.adaptive`
    s     = 1 if v >= theta + r else 0

- Fires when ``v >= theta + r``, at equality too.
- Order: current, membrane, threshold and refractory, comparison.
- Reset: none; the spike raises ``r`` by twice the threshold it met, and ``theta`` by its step, from the next step on.
- Graded, a spike carries ``v``.

Lava has no ALIF process, so SLAYER's forward pass is what the integers follow.

References
----------
``lava.lib.dl.slayer.neuron.alif``, ``.dynamics.leaky_integrator`` and ``.dynamics.adaptive_threshold``, the CPU forward
of lava-dl 0.6.0, whose registers are 64 bits wide; here they saturate at 24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import (
    A_SHIFT_MAX,
    A_SHIFT_MIN,
    ACCUMULATOR_SHIFT,
    DECAY_ONE,
    IntArray,
    as_whole,
    decay,
    per_neuron,
    sat24,
    shift,
)
from ..record import Record
from .bases import adaptive


@dataclass(frozen=True, kw_only=True, eq=False)
class ALIF(Record):
    """Integer parameters of an ALIF layer.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    u_decay, v_decay, th_decay, ref_decay : array_like of int, shape () or (n,)
        Fraction of ``u``, ``v``, of the threshold's distance to rest and of ``r`` lost a step, 0..4096. Kept as int32
        of shape (n,).
    v_th_mant : int
        Mantissa of the resting threshold, 0..2**17 - 1.
    v_th_step : int
        Mantissa of what a spike adds to the threshold, -(2**17 - 1)..2**17 - 1.
    a_shift : int
        Shift of the dendritic sum, -23..18: 6 for unary spikes, ``6 + exp`` for payloads of unit ``2**exp``; to the
        right it rounds toward zero.
    graded : int
        1 if a spike carries the membrane that fired, 0 if spikes are unary.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    num_neurons: int
    u_decay: Any
    v_decay: Any
    th_decay: Any
    ref_decay: Any
    v_th_mant: int
    v_th_step: int
    a_shift: int = ACCUMULATOR_SHIFT
    graded: int = 0

    def __post_init__(self) -> None:
        n = as_whole("ALIF num_neurons", self.num_neurons, 1, 2**31 - 1)
        self._set(
            num_neurons=n,
            u_decay=per_neuron("ALIF u_decay", self.u_decay, n, 0, DECAY_ONE),
            v_decay=per_neuron("ALIF v_decay", self.v_decay, n, 0, DECAY_ONE),
            a_shift=as_whole("ALIF a_shift", self.a_shift, A_SHIFT_MIN, A_SHIFT_MAX),
            graded=as_whole("ALIF graded", self.graded, 0, 1),
            **adaptive.checked("ALIF", n, self),
        )


class ALIFState(NamedTuple):
    """Registers of an ALIF layer, each an int64 array of shape (..., n)."""

    u: IntArray
    """Current; 24 bits."""
    v: IntArray
    """Membrane; 24 bits."""
    theta: IntArray
    """Threshold that `v` was compared with; 24 bits."""
    r: IntArray
    """Refractory that `v` was compared with; 24 bits."""
    s: IntArray
    """Whether the neuron fired in this step, 0 or 1."""


def reset(params: ALIF, batch: tuple[int, ...] = ()) -> ALIFState:
    """Return the state before a sample's first step, of shape ``(*batch, n)``: all zero, the threshold at rest."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return ALIFState(u=zeros, v=zeros, theta=zeros + (params.v_th_mant << ACCUMULATOR_SHIFT), r=zeros, s=zeros)


def step(params: ALIF, state: ALIFState, x: npt.ArrayLike) -> tuple[IntArray, ALIFState]:
    """Advance an ALIF layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : ALIF
        Parameters of the layer of n neurons.
    state : ALIFState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums, ``|x| < 2**31``.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        What a neuron that fired sends, 1 or its membrane; else 0.
    state : ALIFState
        Registers after this step.
    """
    u = sat24(decay(state.u, params.u_decay) + shift(x, params.a_shift))
    v = sat24(decay(state.v, params.v_decay) + u)
    theta, r = adaptive.relax(params, state.theta, state.r, state.s)
    s = (v >= theta + r).astype(np.int64)
    return s * v if params.graded else s, ALIFState(u=u, v=v, theta=theta, r=r, s=s)

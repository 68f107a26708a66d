"""CUBA: the current-based leaky integrate-and-fire neuron, as Lava's bit-accurate LIF computes it.

One step, in this order; ``u`` and ``v`` start at 0::

    u = wrap24(decay(u, u_decay) + shift(x, a_shift))      the current wraps, in 32 bits before
    v = sat24(decay(v, v_decay) + shift(u + (bias_mant << 6), u_shift))    the membrane saturates
    s = 1 if v > v_th_mant << 6 else 0
    v = 0 where s

- Fires when ``v > v_th_mant << 6``, strictly.
- Order: current, membrane, comparison.
- Reset: to zero in the step of the spike; the recorded ``v`` of a firing step is 0.
- Graded, a spike carries ``v`` from before the reset, as SLAYER has it; Lava's LIF sends unary spikes.

``u_decay`` is SLAYER's and NetX's ``iDecay``, 0..4096. Lava's process adds one to its ``du``, so it is given
``iDecay - 1``.

References
----------
``lava.proc.lif.models.AbstractPyLifModelFixed``, lava-nc 0.10.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .fixed import (
    A_SHIFT_MAX,
    A_SHIFT_MIN,
    ACCUMULATOR_SHIFT,
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    DECAY_ONE,
    THRESHOLD_MANT_MAX,
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
from .record import Record

U_SHIFT_MAX = 8
"""SLAYER's normalisation by powers of two takes three bits by default."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CUBA(Record):
    """Integer parameters of a CUBA layer.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    u_decay, v_decay : array_like of int, shape () or (n,)
        Fraction of ``u`` and of ``v`` lost a step, 0..4096. Kept as int32 of shape (n,).
    v_th_mant : int
        Threshold mantissa, 0..2**17 - 1; the threshold is ``v_th_mant << 6``.
    bias_mant : array_like of int, shape () or (n,)
        Bias mantissa, -4096..4095, added every step as ``bias_mant << 6``, the exponent that NetX assumes. Kept as
        int32 of shape (n,).
    a_shift : int
        Shift of the dendritic sum, -23..18: 6, as in Lava's LIF, for unary spikes; ``6 + exp`` for payloads of unit
        ``2**exp``. To the right it rounds toward zero.
    u_shift : int
        Shift of what the membrane receives, -8..8: 0, as in Lava's LIF, but for a layer whose input is normalised by a
        power of two. To the right it rounds toward zero.
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
    v_th_mant: int
    bias_mant: Any = 0
    a_shift: int = ACCUMULATOR_SHIFT
    graded: int = 0
    u_shift: int = 0

    def __post_init__(self) -> None:
        n = as_whole("CUBA num_neurons", self.num_neurons, 1, 2**31 - 1)
        decays = {
            name: per_neuron(f"CUBA {name}", getattr(self, name), n, 0, DECAY_ONE) for name in ("u_decay", "v_decay")
        }
        self._set(
            num_neurons=n,
            v_th_mant=as_whole("CUBA v_th_mant", self.v_th_mant, 0, THRESHOLD_MANT_MAX),
            bias_mant=per_neuron("CUBA bias_mant", self.bias_mant, n, BIAS_MANT_MIN, BIAS_MANT_MAX),
            a_shift=as_whole("CUBA a_shift", self.a_shift, A_SHIFT_MIN, A_SHIFT_MAX),
            graded=as_whole("CUBA graded", self.graded, 0, 1),
            u_shift=as_whole("CUBA u_shift", self.u_shift, -U_SHIFT_MAX, U_SHIFT_MAX),
            **decays,
        )

    @property
    def stock(self) -> bool:
        """Whether Lava's own LIF computes this rule, in which spikes are unary."""
        return not self.graded and self.a_shift == ACCUMULATOR_SHIFT and not self.u_shift


class CUBAState(NamedTuple):
    """Registers of a CUBA layer, each an int64 array of shape (..., n)."""

    u: IntArray
    """Current; 24 bits, ``-2**23 + 1 .. 2**23``."""
    v: IntArray
    """Membrane after the reset; 24 bits."""


def reset(params: CUBA, batch: tuple[int, ...] = ()) -> CUBAState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return CUBAState(u=zeros, v=zeros)


def step(params: CUBA, state: CUBAState, x: npt.ArrayLike) -> tuple[IntArray, CUBAState]:
    """Advance a CUBA layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : CUBA
        Parameters of the layer of n neurons.
    state : CUBAState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums ``W @ payload``, ``|x| < 2**31``.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        What a neuron that fired sends, 1 or its membrane; else 0.
    state : CUBAState
        Registers after this step.
    """
    u = wrap24(wrap32(decay(state.u, params.u_decay) + shift(x, params.a_shift)))
    current = shift(u + shl(params.bias_mant, ACCUMULATOR_SHIFT), params.u_shift)
    v = sat24(decay(state.v, params.v_decay) + current)
    s = (v > params.v_th_mant << ACCUMULATOR_SHIFT).astype(np.int64)
    return s * v if params.graded else s, CUBAState(u=u, v=v * (1 - s))

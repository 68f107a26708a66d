"""CE-LIF: a leaky integrate-and-fire neuron whose threshold adapts to a contextual embedding.

One step, in this order; ``v``, ``h`` and ``s`` start at 0::

    a     = (x << a_shift) + (bias_mant << bias_exp)
    m     = rtz(v * te, te_exp)                      v of the previous step, BEFORE its decay and its reset
    h     = sat24(decay(h, th_decay) + m)            a spike does not reset it
    v     = sat24(decay(v * (1 - s), v_decay) + a)   hard reset of a neuron that fired in the previous step
    theta = sat24((v_th_mant << 6) + h)
    s     = 1 if v > theta else 0

- Fires when ``v > theta``, strictly.
- Order: threshold adaptation, membrane, comparison.
- Reset: to zero, at the step after the spike; the recorded ``v`` of a firing step is the one that fired.

References
----------
X. Chen et al., arXiv 2308.15150, the update of the contextual-embedding LIF. The paper's symbols:
U is ``v``, theta0 is ``v_th_mant << 6``, theta - theta0 is ``h``, alpha is ``1 - v_decay / 4096``,
beta is ``1 - th_decay / 4096``, TE is ``te * 2**-te_exp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import fixed
from ..fixed import (
    A_SHIFT_MAX,
    ACCUMULATOR_SHIFT,
    BIAS_EXP_MAX,
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    DECAY_ONE,
    THRESHOLD_MANT_MAX,
    IntArray,
    as_whole,
    per_neuron,
)
from ..record import Record

TE_EXP_MAX = 23


@dataclass(frozen=True, kw_only=True, eq=False)
class CELIF(Record):
    """Integer parameters of a CE-LIF layer.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    v_decay, th_decay : array_like of int, shape () or (n,)
        Fraction of ``v`` and of ``h`` lost a step, 0..4096 (4096 is all of it). Kept as int32 of shape (n,).
    v_th_mant : int
        Threshold mantissa, 0..2**17 - 1; the resting threshold is ``v_th_mant << 6``.
    te_exp : int
        The temporal encoding's value is ``te * 2**-te_exp``, 0..23.
    a_shift : int
        Left shift of the dendritic sum, 0..18: 6 for unary spikes, ``6 + input_exp`` for graded ones.
    bias_mant : array_like of int, shape () or (n,)
        Bias mantissa, -4096..4095, added every step as ``bias_mant << bias_exp``. Kept as int32 of shape (n,).
    bias_exp : int
        Bias exponent, 0..7.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    num_neurons: int
    v_decay: Any
    th_decay: Any
    v_th_mant: int
    te_exp: int
    a_shift: int = ACCUMULATOR_SHIFT
    bias_mant: Any = 0
    bias_exp: int = 0

    def __post_init__(self) -> None:
        n = as_whole("CELIF num_neurons", self.num_neurons, 1, 2**31 - 1)
        decays = {
            name: per_neuron(f"CELIF {name}", getattr(self, name), n, 0, DECAY_ONE) for name in ("v_decay", "th_decay")
        }
        self._set(
            num_neurons=n,
            v_th_mant=as_whole("CELIF v_th_mant", self.v_th_mant, 0, THRESHOLD_MANT_MAX),
            te_exp=as_whole("CELIF te_exp", self.te_exp, 0, TE_EXP_MAX),
            a_shift=as_whole("CELIF a_shift", self.a_shift, 0, A_SHIFT_MAX),
            bias_mant=per_neuron("CELIF bias_mant", self.bias_mant, n, BIAS_MANT_MIN, BIAS_MANT_MAX),
            bias_exp=as_whole("CELIF bias_exp", self.bias_exp, 0, BIAS_EXP_MAX),
            **decays,
        )


class CELIFState(NamedTuple):
    """Registers of a CE-LIF layer, each an int64 array of shape (..., n)."""

    v: IntArray
    """Membrane, before the reset of a neuron that fired in this step; 24 bits."""
    h: IntArray
    """Threshold adaptation; 24 bits."""
    s: IntArray
    """Spikes of this step, 0 or 1."""


def reset(params: CELIF, batch: tuple[int, ...] = ()) -> CELIFState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return CELIFState(v=zeros, h=zeros, s=zeros)


def threshold(params: CELIF, h: npt.ArrayLike, rules: ModuleType = fixed) -> Any:
    """Return the threshold that `v` is compared with, ``sat24((v_th_mant << 6) + h)``."""
    return rules.sat24((params.v_th_mant << ACCUMULATOR_SHIFT) + np.asarray(h))


def step(
    params: CELIF, state: CELIFState, x: npt.ArrayLike, te: npt.ArrayLike, rules: ModuleType = fixed
) -> tuple[IntArray, CELIFState]:
    """Advance a CE-LIF layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : CELIF
        Parameters of the layer of n neurons.
    state : CELIFState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums ``W @ payload``; ``|x| << a_shift`` must stay below 2**62.
    te : array_like of int, shape (n,)
        This step's row of the temporal encoding, -128..127; real numbers with `contract.real`.
    rules : module
        `contract.fixed` for the integer neuron, `contract.real` for the unquantised one in the same units.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        1 where a neuron fired.
    state : CELIFState
        Registers after this step.
    """
    a = rules.shl(x, params.a_shift) + rules.shl(params.bias_mant, params.bias_exp)
    te = np.asarray(te)
    m = rules.rtz(state.v * te.astype(np.result_type(te.dtype, np.int64)), params.te_exp)
    h = rules.sat24(rules.decay(state.h, params.th_decay) + m)
    v = rules.sat24(rules.decay(state.v * (1 - state.s), params.v_decay) + a)
    spikes = (v > threshold(params, h, rules)).astype(np.int64)
    return spikes, CELIFState(v=v, h=h, s=spikes)

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
from ..fields import number, per_neuron
from ..fixed import (
    A_SHIFT_MAX,
    ACCUMULATOR_SHIFT,
    BIAS_EXP_MAX,
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    DECAY_ONE,
    THRESHOLD_MANT_MAX,
    IntArray,
)
from ..interval import Interval, fires, kept_after_firing
from .bases.neuron import Bounded, Neuron

TE_EXP_MAX = 23


class CELIFState(NamedTuple):
    """Registers of a CE-LIF layer, each an int64 array of shape (..., n)."""

    v: IntArray
    """Membrane, before the reset of a neuron that fired in this step; 24 bits."""
    h: IntArray
    """Threshold adaptation; 24 bits."""
    s: IntArray
    """Spikes of this step, 0 or 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CELIF(
    Neuron,
    netx="CELIF",
    state=CELIFState,
    registers=("v", "h", "theta"),
    takes_te=True,
    unrounded=True,
    charged="v",
    multiplications=3,
):
    """Integer parameters of a CE-LIF layer."""

    v_decay: Any = per_neuron(
        0, DECAY_ONE, "Fraction of ``v`` lost a step, in 4096ths", netx="vDecay", edges=(2048, 41), example=2048
    )
    th_decay: Any = per_neuron(
        0, DECAY_ONE, "Fraction of ``h`` lost a step, in 4096ths", netx="thDecay", edges=(2048, 41), example=41
    )
    v_th_mant: int = number(
        0,
        THRESHOLD_MANT_MAX,
        "Threshold mantissa; the resting threshold is ``v_th_mant << 6``",
        netx="vThMant",
        edges=(19,),
        example=19,
    )
    te_exp: int = number(
        0, TE_EXP_MAX, "The temporal encoding's value is ``te * 2**-te_exp``", netx="teExp", edges=(9,), example=9
    )
    a_shift: int = number(
        0,
        A_SHIFT_MAX,
        "Left shift of the dendritic sum: 6 for unary spikes, ``6 + input_exp`` for graded ones",
        netx="aShift",
        default=ACCUMULATOR_SHIFT,
    )
    bias_mant: Any = per_neuron(
        BIAS_MANT_MIN, BIAS_MANT_MAX, "Bias mantissa, added every step as ``bias_mant << bias_exp``", default=0
    )
    bias_exp: int = number(0, BIAS_EXP_MAX, "Bias exponent", netx="biasExp", default=0)

    def threshold(self, h: npt.ArrayLike, rules: ModuleType = fixed) -> Any:
        """Return the threshold that ``v`` is compared with, ``sat24((v_th_mant << 6) + h)``."""
        return rules.sat24((self.v_th_mant << ACCUMULATOR_SHIFT) + np.asarray(h))

    def step(  # type: ignore[override]  # it takes a second input
        self, state: CELIFState, x: npt.ArrayLike, te: npt.ArrayLike, rules: ModuleType = fixed
    ) -> tuple[IntArray, CELIFState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`.

        Parameters
        ----------
        state : CELIFState
            Registers after the previous step, or `reset`.
        x : array_like of int, shape (..., n)
            Dendritic sums ``W @ payload``; ``|x| << a_shift`` must stay below 2**62.
        te : array_like of int, shape (n,)
            This step's row of the temporal encoding, -128..127; real numbers with `contract.real`.
        rules : module
            `contract.fixed` for the integer neuron, `contract.real` for the unquantised one in the same units.
        """
        a = rules.shl(x, self.a_shift) + rules.shl(self.bias_mant, self.bias_exp)
        te = np.asarray(te)
        m = rules.rtz(state.v * te.astype(np.result_type(te.dtype, np.int64)), self.te_exp)
        h = rules.sat24(rules.decay(state.h, self.th_decay) + m)
        v = rules.sat24(rules.decay(state.v * (1 - state.s), self.v_decay) + a)
        spikes = (v > self.threshold(h, rules)).astype(np.int64)
        return spikes, CELIFState(v=v, h=h, s=spikes)

    def observed(self, state: CELIFState, rules: ModuleType = fixed) -> dict[str, Any]:
        """Return the registers, and the threshold of the comparison among them."""
        return {**state._asdict(), "theta": self.threshold(state.h, rules)}

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`.

        The state's ``s`` holds the membrane after its reset, which is what the next step decays.
        """
        a = x.shifted(self.a_shift).plus(fixed.shl(self.bias_mant, self.bias_exp))
        adapted = state.v.times(np.asarray(te, np.int64)).shifted(-self.te_exp)
        unlimited_h = state.h.decayed(self.th_decay).plus(adapted)
        unlimited_v = state.s.decayed(self.v_decay).plus(a)
        v, h = unlimited_v.clipped(), unlimited_h.clipped()
        unlimited_theta = h.plus(self.v_th_mant << ACCUMULATOR_SHIFT)
        theta = unlimited_theta.clipped()
        fired = fires(v.minus(theta))
        after = CELIFState(v=v, h=h, s=kept_after_firing(v, theta, fired))  # type: ignore[arg-type]
        return Bounded(fired, after, {"v": unlimited_v, "h": unlimited_h, "theta": unlimited_theta})

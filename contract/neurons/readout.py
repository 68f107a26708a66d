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

from ..fields import number, per_neuron
from ..fixed import A_SHIFT_MAX, BIAS_EXP_MAX, BIAS_MANT_MAX, BIAS_MANT_MIN, DECAY_ONE, IntArray, decay, sat24, shl
from ..interval import Interval, exactly
from .bases.neuron import Bounded, Neuron


class ReadoutState(NamedTuple):
    """Register of a read-out, an int64 array of shape (..., n)."""

    v: IntArray
    """Output; 24 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Readout(
    Neuron, netx="READOUT", state=ReadoutState, registers=("v",), fires=False, charged="v", multiplications=0
):
    """Integer parameters of a read-out."""

    a_shift: int = number(0, A_SHIFT_MAX, "Left shift of the dendritic sum", netx="aShift", default=0, edges=(6,))
    bias_mant: Any = per_neuron(
        BIAS_MANT_MIN, BIAS_MANT_MAX, "Bias mantissa, added every step as ``bias_mant << bias_exp``", default=0
    )
    bias_exp: int = number(0, BIAS_EXP_MAX, "Bias exponent", netx="biasExp", default=0)
    v_decay: int = number(
        0,
        DECAY_ONE,
        "Fraction of the register lost a step, in 4096ths",
        netx="vDecay",
        default=0,
        edges=(2048, 41),
    )

    def step(self, state: ReadoutState, x: npt.ArrayLike) -> tuple[IntArray, ReadoutState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`.

        ``|x| << a_shift`` must stay below 2**62.
        """
        a = shl(x, self.a_shift) + shl(self.bias_mant, self.bias_exp)
        v = sat24(decay(state.v, self.v_decay) + a)
        return np.zeros_like(v), ReadoutState(v=v)

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        unlimited = state.v.decayed(self.v_decay).plus(x.shifted(self.a_shift)).plus(shl(self.bias_mant, self.bias_exp))
        after = ReadoutState(v=unlimited.clipped())  # type: ignore[arg-type]
        return Bounded(exactly(np.zeros_like(unlimited.low)), after, {"v": unlimited})

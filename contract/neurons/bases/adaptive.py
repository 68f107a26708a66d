"""The adaptive threshold and the refractory that ALIF, ADRF and ADRF-IZ share.

Before the comparison of each step, with ``s`` the spikes of the step before::

    theta = sat24(decay(theta + step * s - rest, th_decay) + rest)    relaxes to rest = v_th_mant << 6
    r     = decay(sat24(r + 2 * theta * s), ref_decay)                relaxes to 0

where ``theta`` on the right is that of the step before, and the neuron is compared with ``theta + r``. So a spike at
threshold theta raises the threshold by ``step = v_th_step << 6`` and the refractory by 2 theta.

References
----------
``lava.lib.dl.slayer.neuron.dynamics.adaptive_threshold``, ``.adaptive_phase_th`` and ``.adaptive_resonator``, the CPU
forward of lava-dl 0.6.0, whose registers are 64 bits wide; here they saturate at 24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ...fields import number, per_neuron
from ...fixed import ACCUMULATOR_SHIFT, DECAY_ONE, THRESHOLD_MANT_MAX, IntArray, decay, sat24
from ...interval import Interval
from .neuron import Neuron
from .resonator import Resonator


@dataclass(frozen=True, kw_only=True, eq=False)
class Adaptive(Neuron):
    """Integer parameters of an adaptive threshold and a refractory."""

    th_decay: Any = per_neuron(
        0,
        DECAY_ONE,
        "Fraction of the threshold's distance to rest lost a step, in 4096ths",
        netx="thDecay",
        edges=(2048, 41),
        example=400,
    )
    ref_decay: Any = per_neuron(
        0, DECAY_ONE, "Fraction of ``r`` lost a step, in 4096ths", netx="refDecay", edges=(2048, 41), example=1000
    )
    v_th_mant: int = number(
        0, THRESHOLD_MANT_MAX, "Mantissa of the resting threshold", netx="vThMant", edges=(19,), example=30
    )
    v_th_step: int = number(
        -THRESHOLD_MANT_MAX,
        THRESHOLD_MANT_MAX,
        "Mantissa of what a spike adds to the threshold",
        netx="vThStep",
        edges=(5,),
        example=7,
    )

    def reset(self, batch: tuple[int, ...] = ()) -> Any:
        """Return the state before a sample's first step, of shape ``(*batch, n)``: all zero, the threshold at rest."""
        state = super().reset(batch)
        return state._replace(theta=state.theta + (self.v_th_mant << ACCUMULATOR_SHIFT))


class AdaptiveResonatorState(NamedTuple):
    """Registers of an adaptive resonate-and-fire layer, each an int64 array of shape (..., n)."""

    real: IntArray
    """Real part; 24 bits."""
    imag: IntArray
    """Imaginary part; 24 bits."""
    theta: IntArray
    """Threshold of this step's comparison; 24 bits."""
    r: IntArray
    """Refractory of this step's comparison; 24 bits."""
    s: IntArray
    """Whether the neuron fired in this step, 0 or 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AdaptiveResonator(Adaptive, Resonator, state=AdaptiveResonatorState, registers=("real", "imag", "theta", "r")):
    """Integer parameters of an adaptive resonate-and-fire layer; a graded spike carries the register that fired."""


def relax(params: Adaptive, theta: IntArray, r: IntArray, s: IntArray) -> tuple[IntArray, IntArray]:
    """Return this step's threshold and refractory from those of the step before and its spikes.

    Parameters
    ----------
    params : Adaptive
        Parameters of the layer of n neurons.
    theta, r, s : ndarray of int64, shape (..., n)
        Threshold, refractory and spikes (0 or 1) of the step before.

    Returns
    -------
    theta, r : ndarray of int64, shape (..., n)
        What the neurons are compared with in this step is their sum.
    """
    rest = params.v_th_mant << ACCUMULATOR_SHIFT
    raised = sat24(theta + (params.v_th_step << ACCUMULATOR_SHIFT) * s)
    refractory = sat24(r + 2 * theta * s)
    return sat24(decay(raised - rest, params.th_decay) + rest), decay(refractory, params.ref_decay)


def relax_bounds(
    params: Adaptive, theta: Interval, r: Interval, s: Interval
) -> tuple[Interval, Interval, dict[str, Interval]]:
    """Advance intervals of threshold and refractory, as `relax` does values.

    Returns
    -------
    theta, r : Interval
        What they can be in this step.
    unlimited : dict of Interval
        What ``theta`` and ``r`` would hold on the way if their registers had no end.
    """
    rest = params.v_th_mant << ACCUMULATOR_SHIFT
    raised = theta.plus(s.times(params.v_th_step << ACCUMULATOR_SHIFT))
    refractory = r.plus(s.times(theta.times(2)))
    relaxed = raised.clipped().minus(rest).decayed(params.th_decay).plus(rest)
    unlimited = {"theta": raised.hull(relaxed), "r": refractory}
    return relaxed.clipped(), refractory.clipped().decayed(params.ref_decay), unlimited

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

from ..fields import number, per_neuron
from ..fixed import A_SHIFT_MAX, A_SHIFT_MIN, ACCUMULATOR_SHIFT, DECAY_ONE, IntArray, decay, sat24, shift
from ..interval import Interval, fires
from .bases.adaptive import Adaptive, relax, relax_bounds
from .bases.neuron import Bounded, Layout


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


@dataclass(frozen=True, kw_only=True, eq=False)
class ALIF(
    Adaptive, netx=(Layout("ALIF", {"refDelay": 1}),), state=ALIFState, registers=("u", "v", "theta", "r"), charged="u"
):
    """Integer parameters of an ALIF layer."""

    u_decay: Any = per_neuron(
        0, DECAY_ONE, "Fraction of ``u`` lost a step, in 4096ths", netx="iDecay", edges=(2048, 41), example=1000
    )
    v_decay: Any = per_neuron(
        0, DECAY_ONE, "Fraction of ``v`` lost a step, in 4096ths", netx="vDecay", edges=(2048, 41), example=100
    )
    a_shift: int = number(
        A_SHIFT_MIN,
        A_SHIFT_MAX,
        "Shift of the dendritic sum: 6 for unary spikes, ``6 + exp`` for payloads of unit ``2**exp``; to the right it "
        "rounds toward zero",
        netx="aShift",
        default=ACCUMULATOR_SHIFT,
    )
    graded: int = number(
        0, 1, "1 if a spike carries the membrane that fired, 0 if spikes are unary", netx="gradedSpike", default=0
    )

    def step(self, state: ALIFState, x: npt.ArrayLike) -> tuple[IntArray, ALIFState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        u = sat24(decay(state.u, self.u_decay) + shift(x, self.a_shift))
        v = sat24(decay(state.v, self.v_decay) + u)
        theta, r = relax(self, state.theta, state.r, state.s)
        s = (v >= theta + r).astype(np.int64)
        return s * v if self.graded else s, ALIFState(u=u, v=v, theta=theta, r=r, s=s)

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        unlimited_u = state.u.decayed(self.u_decay).plus(x.shifted(self.a_shift))
        unlimited_v = state.v.decayed(self.v_decay).plus(unlimited_u.clipped())
        v = unlimited_v.clipped()
        theta, r, unlimited = relax_bounds(self, state.theta, state.r, state.s)
        fired = fires(v.minus(theta.plus(r)).plus(1))  # at equality too
        sent = fired.times(v).hull(0) if self.graded else fired
        after = ALIFState(u=unlimited_u.clipped(), v=v, theta=theta, r=r, s=fired)  # type: ignore[arg-type]
        return Bounded(sent, after, {"u": unlimited_u, "v": unlimited_v, **unlimited})

"""CUBA: the current-based leaky integrate-and-fire neuron, as Lava's bit-accurate LIF computes it.

One step, in this order; ``u`` and ``v`` start at 0::

    u, v = integrate, see `spikeproof.contract.neurons.bases.integrator`
    s = 1 if v > v_th_mant << 6 else 0
    v = 0 where s

- Fires when ``v > v_th_mant << 6``, strictly.
- Order: current, membrane, comparison.
- Reset: to zero in the step of the spike; the recorded ``v`` of a firing step is 0.
- Graded, a spike carries ``v`` from before the reset, as SLAYER has it; Lava's LIF sends unary spikes.

References
----------
``lava.proc.lif.models.AbstractPyLifModelFixed``, lava-nc 0.10.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fields import number
from ..fixed import ACCUMULATOR_SHIFT, THRESHOLD_MANT_MAX, IntArray
from ..interval import Interval, exactly, fires, kept_after_firing
from .bases.integrator import Integrator, IntegratorState, integrate, integrate_bounds
from .bases.neuron import Bounded, Layout

TIE_SAFE_THRESHOLD = 4096
"""From this threshold mantissa on, SLAYER's float32 comparison fires where the membrane equals it."""

_LAYOUTS = (
    Layout("CUBA", {"refDelay": 1, "gradedSpike": 0}, without=("a_shift", "graded", "u_shift"), stock=True),
    # Stock NetX would take these for unary spikes, and does not normalise.
    Layout("CUBA_GRADED", {"refDelay": 1}),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class CUBA(Integrator, netx=_LAYOUTS, multiplications=2):
    """Integer parameters of a CUBA layer."""

    v_th_mant: int = number(
        0, THRESHOLD_MANT_MAX, "Threshold mantissa; the threshold is ``v_th_mant << 6``", netx="vThMant", example=40
    )
    graded: int = number(
        0, 1, "1 if a spike carries the membrane that fired, 0 if spikes are unary", netx="gradedSpike", default=0
    )

    @property
    def stock(self) -> bool:
        """Whether Lava's own LIF computes this rule, in which spikes are unary."""
        return not self.graded and self.a_shift == ACCUMULATOR_SHIFT and not self.u_shift

    def step(self, state: IntegratorState, x: npt.ArrayLike) -> tuple[IntArray, IntegratorState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        u, v = integrate(self, state.u, state.v, x)
        s = (v > self.v_th_mant << ACCUMULATOR_SHIFT).astype(np.int64)
        return s * v if self.graded else s, IntegratorState(u=u, v=v * (1 - s))

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        unlimited_u, u, unlimited_v = integrate_bounds(self, state.u, state.v, x)
        v, threshold = unlimited_v.clipped(), exactly(self.v_th_mant << ACCUMULATOR_SHIFT)
        fired = fires(v.minus(threshold))
        sent = fired.times(v).hull(0) if self.graded else fired
        after = IntegratorState(u=u, v=kept_after_firing(v, threshold, fired))  # type: ignore[arg-type]
        return Bounded(sent, after, {"u": unlimited_u, "v": unlimited_v})

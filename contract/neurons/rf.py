"""RF: the resonate-and-fire neuron, as Lava's bit-accurate RF computes it.

One step, in this order; ``real`` and ``imag`` start at 0::

    before     = imag
    real, imag = rotate, see `spikeproof.contract.neurons.bases.resonator`
    s          = 1 if real >= v_th_mant << 6 and imag >= 0 and before < 0 else 0

- Fires where the imaginary part rises through 0 while the real part is at the threshold or above.
- Order: rotation, comparison.
- Reset: none.
- Graded, a spike carries ``real``.

References
----------
``lava.proc.rf.models.PyRFModelFixed``, lava-nc 0.10.0; ``lava.lib.dl.slayer.neuron.rf``, lava-dl 0.6.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, IntArray
from ..interval import Interval, fires
from .bases.neuron import Bounded
from .bases.resonator import Resonator, ResonatorState, Turned, at_rest, rotate, rotate_bounds


@dataclass(frozen=True, kw_only=True, eq=False)
class RF(Resonator, netx="RESONATOR"):
    """Integer parameters of a resonate-and-fire layer; a graded spike carries ``real``."""

    def step(self, state: ResonatorState, x: npt.ArrayLike) -> tuple[IntArray, ResonatorState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        real, imag = rotate(self, state.real, state.imag, x)
        crossed = (imag >= 0) & (state.imag < 0)
        s = (crossed & (real >= self.v_th_mant << ACCUMULATOR_SHIFT)).astype(np.int64)
        return s * real if self.graded else s, ResonatorState(real=real, imag=imag)

    def bounded_reset(self) -> Turned:
        """Return the bounds before a sample's first step."""
        return at_rest(self)

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        turned = rotate_bounds(self, state, x)
        real, imag = turned.real.clipped(), turned.imag.clipped()
        reached = fires(real.minus(self.v_th_mant << ACCUMULATOR_SHIFT).plus(1))  # at equality too
        fired = Interval(np.zeros_like(reached.low), reached.high)  # whether imag crossed 0 is not followed
        sent = fired.times(real).hull(0) if self.graded else fired
        return Bounded(sent, turned._replace(real=real, imag=imag), {"real": turned.real, "imag": turned.imag})

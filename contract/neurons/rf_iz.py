"""RF-IZ: the resonate-and-fire neuron with Izhikevich's reset, as Lava's bit-accurate RF_IZ computes it.

One step, in this order; ``real`` and ``imag`` start at 0::

    real, imag = rotate, see `spikeproof.contract.neurons.bases.resonator`
    s          = 1 if imag >= v_th_mant << 6 else 0
    real, imag = 0, (v_th_mant << 6) - 1    where s

- Fires while the imaginary part is at the threshold or above.
- Order: rotation, comparison.
- Reset: in the step of the spike, to 0 and just below the threshold; the recorded state is that after it.
- Graded, a spike carries ``imag`` from before the reset.

References
----------
``lava.proc.rf_iz.models.PyRF_IZModelFixed``, lava-nc 0.10.0; ``lava.lib.dl.slayer.neuron.rf_iz``, lava-dl 0.6.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, IntArray
from ..interval import Interval, exactly, fires, kept_after_firing
from .bases.neuron import Bounded
from .bases.resonator import Resonator, ResonatorState, Turned, at_rest, rotate, rotate_bounds


@dataclass(frozen=True, kw_only=True, eq=False)
class RFIZ(Resonator, netx="RESONATOR_IZHIKEVICH"):
    """Integer parameters of a resonate-and-fire layer with Izhikevich's reset; a graded spike carries ``imag``."""

    def step(self, state: ResonatorState, x: npt.ArrayLike) -> tuple[IntArray, ResonatorState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        threshold = self.v_th_mant << ACCUMULATOR_SHIFT
        real, imag = rotate(self, state.real, state.imag, x)
        s = (imag >= threshold).astype(np.int64)
        after = ResonatorState(real=real * (1 - s), imag=np.where(s, threshold - 1, imag))
        return s * imag if self.graded else s, after

    def bounded_reset(self) -> Turned:
        """Return the bounds before a sample's first step."""
        return at_rest(self)

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`.

        A neuron that fires is set to a state of smaller size, so the size needs no care: unless its threshold is 0,
        from which it is set to -1, which is within what the size allows for rounding.
        """
        threshold = self.v_th_mant << ACCUMULATOR_SHIFT
        turned = rotate_bounds(self, state, x)
        real, imag = turned.real.clipped(), turned.imag.clipped()
        fired = fires(imag.minus(threshold).plus(1))  # at equality too
        sent = fired.times(imag).hull(0) if self.graded else fired
        after = turned._replace(
            real=exactly(np.zeros_like(real.low)).where(fired.low == 1, real).hull(0).where(fired.high == 1, real),
            imag=kept_after_firing(imag, exactly(threshold - 1), fired, threshold - 1),
        )
        held = turned.imag if threshold else turned.imag.hull(-1).where(fired.high == 1, turned.imag)
        return Bounded(sent, after, {"real": turned.real, "imag": held})

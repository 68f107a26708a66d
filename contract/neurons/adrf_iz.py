"""ADRF-IZ: the resonate-and-fire neuron that fires as RF-IZ does, with an adaptive threshold and a refractory.

One step, in this order; ``real``, ``imag`` and ``r`` start at 0, ``theta`` at ``v_th_mant << 6``::

    real, imag = rotate, see `spikeproof.contract.neurons.bases.resonator`
    theta, r   = relax, see `spikeproof.contract.neurons.bases.adaptive`
    s          = 1 if imag >= theta + r else 0

- Fires while the imaginary part is at its threshold or above.
- Order: rotation, threshold and refractory, comparison.
- Reset: none; the spike raises ``r`` by twice the threshold it met, and ``theta`` by its step, from the next step on.
- Graded, a spike carries ``imag``.

Lava has no such process. In SLAYER ``adrf_iz.Neuron.forward`` always raises: it adds the refractory to the threshold,
and passes the sum where its own ``spike`` takes the two. What its halves mean together, ``spike(*dynamics(input))``, is
what the integers follow and what `spikeproof.lava_procs.compat` makes of ``forward``.

References
----------
``lava.lib.dl.slayer.neuron.adrf_iz`` and ``.dynamics.adaptive_resonator``, the CPU forward of lava-dl 0.6.0, whose
registers are 64 bits wide; here they saturate at 24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fixed import IntArray
from ..interval import Interval, fires
from .bases.adaptive import AdaptiveResonator, AdaptiveResonatorState, relax, relax_bounds
from .bases.neuron import Bounded
from .bases.resonator import Turned, at_rest, rotate, rotate_bounds


@dataclass(frozen=True, kw_only=True, eq=False)
class ADRFIZ(AdaptiveResonator, netx="ADAPTIVE_RESONATOR_IZHIKEVICH"):
    """Integer parameters of an ADRF-IZ layer; a graded spike carries ``imag``."""

    def step(self, state: AdaptiveResonatorState, x: npt.ArrayLike) -> tuple[IntArray, AdaptiveResonatorState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        real, imag = rotate(self, state.real, state.imag, x)
        theta, r = relax(self, state.theta, state.r, state.s)
        s = (imag >= theta + r).astype(np.int64)
        return s * imag if self.graded else s, AdaptiveResonatorState(real=real, imag=imag, theta=theta, r=r, s=s)

    def bounded_reset(self) -> tuple[Turned, Any]:
        """Return the bounds before a sample's first step: of the complex state, and of threshold and refractory."""
        return at_rest(self), super().bounded_reset()

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        before, adapted = state
        turned = rotate_bounds(self, before, x)
        real, imag = turned.real.clipped(), turned.imag.clipped()
        theta, r, unlimited = relax_bounds(self, adapted.theta, adapted.r, adapted.s)
        fired = fires(imag.minus(theta.plus(r)).plus(1))  # at equality too
        sent = fired.times(imag).hull(0) if self.graded else fired
        after = turned._replace(real=real, imag=imag), adapted._replace(theta=theta, r=r, s=fired)
        return Bounded(sent, after, {"real": turned.real, "imag": turned.imag, **unlimited})

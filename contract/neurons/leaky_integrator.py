"""Leaky integrator: a current and a membrane that never fires, which is what a network answers.

One step; ``u`` and ``v`` start at 0::

    u, v = integrate, see `spikeproof.contract.neurons.bases.integrator`

SLAYER's ``Affine`` puts out the membrane of every step. Stock NetX gives it the largest threshold that it can write,
which a membrane may still reach.

References
----------
``lava.lib.dl.slayer.block.base.AbstractAffine`` with ``dynamics=True``, lava-dl 0.6.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fixed import IntArray
from ..interval import Interval, exactly
from .bases.integrator import Integrator, IntegratorState, integrate, integrate_bounds
from .bases.neuron import Bounded


@dataclass(frozen=True, kw_only=True, eq=False)
class LeakyIntegrator(Integrator, netx="MEMBRANE", fires=False):
    """Integer parameters of a layer of membranes that never fire."""

    def step(self, state: IntegratorState, x: npt.ArrayLike) -> tuple[IntArray, IntegratorState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        u, v = integrate(self, state.u, state.v, x)
        return np.zeros_like(v), IntegratorState(u=u, v=v)

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        unlimited_u, u, unlimited_v = integrate_bounds(self, state.u, state.v, x)
        after = IntegratorState(u=u, v=unlimited_v.clipped())  # type: ignore[arg-type]
        return Bounded(exactly(np.zeros_like(u.low)), after, {"u": unlimited_u, "v": unlimited_v})

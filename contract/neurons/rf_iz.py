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

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, IntArray
from .bases.resonator import Resonator, ResonatorState, rotate


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

"""ADRF: the resonate-and-fire neuron with an adaptive threshold and a refractory.

One step, in this order; ``real``, ``imag`` and ``r`` start at 0, ``theta`` at ``v_th_mant << 6``::

    before     = imag
    real, imag = rotate, see `spikeproof.contract.neurons.bases.resonator`
    theta, r   = relax, see `spikeproof.contract.neurons.bases.adaptive`
    s          = 1 if real >= theta + r and imag >= 0 and before < 0 else 0

- Fires where the imaginary part rises through 0 while the real part is at its threshold or above.
- Order: rotation, threshold and refractory, comparison.
- Reset: none; the spike raises ``r`` by twice the threshold it met, and ``theta`` by its step, from the next step on.
- Graded, a spike carries ``real``.

Lava has no ADRF process (stock NetX runs the plain RF in its place), so SLAYER's forward pass is what the integers
follow.

References
----------
``lava.lib.dl.slayer.neuron.adrf``, ``.dynamics.resonator`` and ``.dynamics.adaptive_phase_th``, the CPU forward of
lava-dl 0.6.0, whose registers are 64 bits wide; here they saturate at 24.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..fixed import IntArray
from .bases import adaptive, resonator
from .bases.adaptive import AdaptiveResonator, AdaptiveResonatorState, reset

__all__ = ["ADRF", "reset", "step"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ADRF(AdaptiveResonator):
    """Integer parameters of an ADRF layer; a graded spike carries ``real``."""


def step(params: ADRF, state: AdaptiveResonatorState, x: npt.ArrayLike) -> tuple[IntArray, AdaptiveResonatorState]:
    """Advance an ADRF layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : ADRF
        Parameters of the layer of n neurons.
    state : AdaptiveResonatorState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., 2 * n)
        Dendritic sums, ``|x| < 2**31``: all real ones, then all imaginary ones.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        What a neuron that fired sends, 1 or its real part; else 0.
    state : AdaptiveResonatorState
        Registers after this step.
    """
    real, imag = resonator.rotate(params, state.real, state.imag, x)
    theta, r = adaptive.relax(params, state.theta, state.r, state.s)
    s = ((real >= theta + r) & (imag >= 0) & (state.imag < 0)).astype(np.int64)
    return s * real if params.graded else s, AdaptiveResonatorState(real=real, imag=imag, theta=theta, r=r, s=s)

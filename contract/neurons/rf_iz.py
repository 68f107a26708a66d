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
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, IntArray
from .bases import resonator
from .bases.resonator import Resonator


@dataclass(frozen=True, kw_only=True, eq=False)
class RFIZ(Resonator):
    """Integer parameters of a resonate-and-fire layer with Izhikevich's reset; a graded spike carries ``imag``."""


class RFIZState(NamedTuple):
    """Registers of an RF-IZ layer, each an int64 array of shape (..., n)."""

    real: IntArray
    """Real part after the reset; 24 bits."""
    imag: IntArray
    """Imaginary part after the reset; 24 bits."""


def reset(params: RFIZ, batch: tuple[int, ...] = ()) -> RFIZState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return RFIZState(real=zeros, imag=zeros)


def step(params: RFIZ, state: RFIZState, x: npt.ArrayLike) -> tuple[IntArray, RFIZState]:
    """Advance an RF-IZ layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : RFIZ
        Parameters of the layer of n neurons.
    state : RFIZState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., 2 * n)
        Dendritic sums, ``|x| < 2**31``: all real ones, then all imaginary ones.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        What a neuron that fired sends, 1 or its imaginary part; else 0.
    state : RFIZState
        Registers after this step.
    """
    threshold = params.v_th_mant << ACCUMULATOR_SHIFT
    real, imag = resonator.rotate(params, state.real, state.imag, x)
    s = (imag >= threshold).astype(np.int64)
    after = RFIZState(real=real * (1 - s), imag=np.where(s, threshold - 1, imag))
    return s * imag if params.graded else s, after

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
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, IntArray
from .bases import resonator
from .bases.resonator import Resonator


@dataclass(frozen=True, kw_only=True, eq=False)
class RF(Resonator):
    """Integer parameters of a resonate-and-fire layer; a graded spike carries ``real``."""


class RFState(NamedTuple):
    """Registers of a resonate-and-fire layer, each an int64 array of shape (..., n)."""

    real: IntArray
    """Real part; 24 bits."""
    imag: IntArray
    """Imaginary part; 24 bits."""


def reset(params: RF, batch: tuple[int, ...] = ()) -> RFState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return RFState(real=zeros, imag=zeros)


def step(params: RF, state: RFState, x: npt.ArrayLike) -> tuple[IntArray, RFState]:
    """Advance an RF layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : RF
        Parameters of the layer of n neurons.
    state : RFState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., 2 * n)
        Dendritic sums, ``|x| < 2**31``: all real ones, then all imaginary ones.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        What a neuron that fired sends, 1 or its real part; else 0.
    state : RFState
        Registers after this step.
    """
    real, imag = resonator.rotate(params, state.real, state.imag, x)
    crossed = (imag >= 0) & (state.imag < 0)
    s = (crossed & (real >= params.v_th_mant << ACCUMULATOR_SHIFT)).astype(np.int64)
    return s * real if params.graded else s, RFState(real=real, imag=imag)

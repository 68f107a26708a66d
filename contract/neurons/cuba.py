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
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import ACCUMULATOR_SHIFT, THRESHOLD_MANT_MAX, IntArray, as_whole
from .bases.integrator import Integrator, integrate


@dataclass(frozen=True, kw_only=True, eq=False)
class CUBA(Integrator):
    """Integer parameters of a CUBA layer.

    Parameters
    ----------
    v_th_mant : int
        Threshold mantissa, 0..2**17 - 1; the threshold is ``v_th_mant << 6``.
    graded : int
        1 if a spike carries the membrane that fired, 0 if spikes are unary.
    **others
        Those of `Integrator`.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    v_th_mant: int
    graded: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            v_th_mant=as_whole("CUBA v_th_mant", self.v_th_mant, 0, THRESHOLD_MANT_MAX),
            graded=as_whole("CUBA graded", self.graded, 0, 1),
        )

    @property
    def stock(self) -> bool:
        """Whether Lava's own LIF computes this rule, in which spikes are unary."""
        return not self.graded and self.a_shift == ACCUMULATOR_SHIFT and not self.u_shift


class CUBAState(NamedTuple):
    """Registers of a CUBA layer, each an int64 array of shape (..., n)."""

    u: IntArray
    """Current; 24 bits, ``-2**23 + 1 .. 2**23``."""
    v: IntArray
    """Membrane after the reset; 24 bits."""


def reset(params: CUBA, batch: tuple[int, ...] = ()) -> CUBAState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return CUBAState(u=zeros, v=zeros)


def step(params: CUBA, state: CUBAState, x: npt.ArrayLike) -> tuple[IntArray, CUBAState]:
    """Advance a CUBA layer by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : CUBA
        Parameters of the layer of n neurons.
    state : CUBAState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums ``W @ payload``, ``|x| < 2**31``.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        What a neuron that fired sends, 1 or its membrane; else 0.
    state : CUBAState
        Registers after this step.
    """
    u, v = integrate(params, state.u, state.v, x)
    s = (v > params.v_th_mant << ACCUMULATOR_SHIFT).astype(np.int64)
    return s * v if params.graded else s, CUBAState(u=u, v=v * (1 - s))

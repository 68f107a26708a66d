"""The adaptive threshold and the refractory that ALIF, ADRF and ADRF-IZ share.

Before the comparison of each step, with ``s`` the spikes of the step before::

    theta = sat24(decay(theta + step * s - rest, th_decay) + rest)    relaxes to rest = v_th_mant << 6
    r     = decay(sat24(r + 2 * theta * s), ref_decay)                relaxes to 0

where ``theta`` on the right is that of the step before, and the neuron is compared with ``theta + r``. So a spike at
threshold theta raises the threshold by ``step = v_th_step << 6`` and the refractory by 2 theta.

References
----------
``lava.lib.dl.slayer.neuron.dynamics.adaptive_threshold``, ``.adaptive_phase_th`` and ``.adaptive_resonator``, the CPU
forward of lava-dl 0.6.0, whose registers are 64 bits wide; here they saturate at 24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...fixed import ACCUMULATOR_SHIFT, DECAY_ONE, THRESHOLD_MANT_MAX, IntArray, as_whole, decay, per_neuron, sat24
from .resonator import Resonator


class Adaptive(Protocol):
    """What `relax` takes of a neuron's parameters."""

    @property
    def th_decay(self) -> Any:
        """Fraction of the threshold's distance to rest lost a step, 0..4096."""

    @property
    def ref_decay(self) -> Any:
        """Fraction of the refractory lost a step, 0..4096."""

    @property
    def v_th_mant(self) -> int:
        """Mantissa of the resting threshold."""

    @property
    def v_th_step(self) -> int:
        """Mantissa of what a spike adds to the threshold."""


def checked(kind: str, num_neurons: int, params: Adaptive) -> dict[str, Any]:
    """Return the four parameters after their range checks, for a record's ``__post_init__``."""
    return {
        "th_decay": per_neuron(f"{kind} th_decay", params.th_decay, num_neurons, 0, DECAY_ONE),
        "ref_decay": per_neuron(f"{kind} ref_decay", params.ref_decay, num_neurons, 0, DECAY_ONE),
        "v_th_mant": as_whole(f"{kind} v_th_mant", params.v_th_mant, 0, THRESHOLD_MANT_MAX),
        "v_th_step": as_whole(f"{kind} v_th_step", params.v_th_step, -THRESHOLD_MANT_MAX, THRESHOLD_MANT_MAX),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class AdaptiveResonator(Resonator):
    """Integer parameters of an adaptive resonate-and-fire layer; a graded spike carries the real part.

    Parameters
    ----------
    th_decay, ref_decay : array_like of int, shape () or (n,)
        Fraction of the threshold's distance to rest and of ``r`` lost a step, 0..4096. Kept as int32 of shape (n,).
    v_th_step : int
        Mantissa of what a spike adds to the threshold, -(2**17 - 1)..2**17 - 1. ``v_th_mant`` is that of the resting
        threshold.
    **others
        Those of `Resonator`.

    Raises
    ------
    RecordError
        A value lies outside its range.
    """

    th_decay: Any
    ref_decay: Any
    v_th_step: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(**checked(type(self).__name__, self.num_neurons, self))


class AdaptiveResonatorState(NamedTuple):
    """Registers of an adaptive resonate-and-fire layer, each an int64 array of shape (..., n)."""

    real: IntArray
    """Real part; 24 bits."""
    imag: IntArray
    """Imaginary part; 24 bits."""
    theta: IntArray
    """Threshold of this step's comparison; 24 bits."""
    r: IntArray
    """Refractory of this step's comparison; 24 bits."""
    s: IntArray
    """Whether the neuron fired in this step, 0 or 1."""


def reset(params: AdaptiveResonator, batch: tuple[int, ...] = ()) -> AdaptiveResonatorState:
    """Return the state before a sample's first step, of shape ``(*batch, n)``: all zero, the threshold at rest."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    theta = zeros + (params.v_th_mant << ACCUMULATOR_SHIFT)
    return AdaptiveResonatorState(real=zeros, imag=zeros, theta=theta, r=zeros, s=zeros)


def relax(params: Adaptive, theta: IntArray, r: IntArray, s: IntArray) -> tuple[IntArray, IntArray]:
    """Return this step's threshold and refractory from those of the step before and its spikes.

    Parameters
    ----------
    params : Adaptive
        Parameters of the layer of n neurons.
    theta, r, s : ndarray of int64, shape (..., n)
        Threshold, refractory and spikes (0 or 1) of the step before.

    Returns
    -------
    theta, r : ndarray of int64, shape (..., n)
        What the neurons are compared with in this step is their sum.
    """
    rest = params.v_th_mant << ACCUMULATOR_SHIFT
    raised = sat24(theta + (params.v_th_step << ACCUMULATOR_SHIFT) * s)
    refractory = sat24(r + 2 * theta * s)
    return sat24(decay(raised - rest, params.th_decay) + rest), decay(refractory, params.ref_decay)

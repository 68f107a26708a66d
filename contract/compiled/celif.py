"""The step of a CE-LIF neuron in float64; the rule stands at the head of `spikeproof.contract.neurons.celif`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import STATE_MAX
from .compiling import inlined
from .registers import clip, decay


class CELIFOperands(NamedTuple):
    """What a loop over a layer reads besides currents and encoding; states are in state units."""

    keep_v: npt.NDArray[np.float64]
    """Fraction of the membrane that a step keeps, shape (n,)."""
    keep_h: npt.NDArray[np.float64]
    """Fraction of the threshold adaptation that a step keeps, shape (n,)."""
    resting: float
    """Resting threshold, at least 0."""
    bias: npt.NDArray[np.float64]
    """Added to the current in every step, shape (n,)."""
    per_current: float
    """State units in one unit of a loop's currents."""


@inlined
def step(
    v: float, h: float, kept: float, a: float, te: float, keep_v: float, keep_h: float, resting: float
) -> tuple[float, float, float, float, float]:
    """Advance one neuron by one step.

    Parameters
    ----------
    v, h, kept : float
        Membrane, threshold adaptation, and membrane after its reset, all after the previous step.
    a : float
        Current with its bias.
    te : float
        Encoding, a real number.
    keep_v, keep_h, resting : float
        See `CELIFOperands`.

    Returns
    -------
    v, h, kept : float
        The same after this step.
    theta : float
        Threshold that the membrane was compared with.
    s : float
        1 if the neuron fired, else 0.
    """
    h = clip(decay(h, keep_h) + np.trunc(v * te))
    v = clip(decay(kept, keep_v) + a)
    theta = resting + h
    theta = theta if theta < STATE_MAX else STATE_MAX  # resting is at least 0, so it is not below -STATE_MAX
    s = 1.0 if v > theta else 0.0
    return v, h, v * (1.0 - s), theta, s

"""The step of a CE-LIF neuron in float64 or float32; its rule stands in `spikeproof.contract.neurons.celif`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import STATE_MAX
from .compiling import inlined
from .registers import alike, clip, decay, times


class CELIFOperands(NamedTuple):
    """What a loop over a layer reads besides currents and encoding; states are in state units.

    All are of the type that the loop holds the registers in: float64, or float32 where each of them is exact in it.
    """

    keep_v: npt.NDArray[np.floating[Any]]
    """Fraction of the membrane that a step keeps, shape (n,)."""
    keep_h: npt.NDArray[np.floating[Any]]
    """Fraction of the threshold adaptation that a step keeps, shape (n,)."""
    resting: float
    """Resting threshold, at least 0."""
    bias: npt.NDArray[np.floating[Any]]
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
        Current with its bias; in float32 it may be rounded where it is beyond 2**24.
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
    h = clip(decay(h, keep_h) + times(v, te))
    v = clip(decay(kept, keep_v) + a)
    theta, top, zero, one = resting + h, alike(STATE_MAX, h), alike(0.0, h), alike(1.0, h)
    theta = theta if theta < top else top  # resting is at least 0, so it is not below -STATE_MAX
    s = one if v > theta else zero
    return v, h, v * (one - s), theta, s

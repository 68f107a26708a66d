"""The step of a CUBA neuron in float64 or int64; the rule stands at the head of `spikeproof.contract.neurons.cuba`.

In float64 the current must stay within 32 bits, where Lava's addition does not wrap.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .compiling import inlined
from .registers import clip, decay, wrap


class CUBAOperands(NamedTuple):
    """What a loop over a layer reads besides currents: in state units, as floats or as ints throughout."""

    keep_u: Any
    """What a step keeps of the current, see `registers.decay`; shape (n,)."""
    keep_v: Any
    """What a step keeps of the membrane; shape (n,)."""
    threshold: Any
    """Threshold, at least 0."""
    bias: Any
    """Added to the membrane in every step, shape (n,)."""
    per_current: Any
    """State units in one unit of a loop's currents."""


@inlined
def step(
    u: float, v: float, a: float, bias: float, keep_u: float, keep_v: float, threshold: float
) -> tuple[float, float, float]:
    """Advance one neuron by one step.

    Parameters
    ----------
    u, v : float or int
        Current and membrane after the previous step.
    a : float or int
        What is added to the current.
    bias, keep_u, keep_v, threshold : float or int
        See `CUBAOperands`.

    Returns
    -------
    u, v : float or int
        Current, and membrane after its reset, after this step.
    s : float
        1 if the neuron fired, else 0.
    """
    u = wrap(decay(u, keep_u) + a)
    v = clip(decay(v, keep_v) + u + bias)
    return u, 0 if v > threshold else v, 1.0 if v > threshold else 0.0

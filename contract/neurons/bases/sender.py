"""What sigma-delta units and delta encoders share: sending a change when it reaches a threshold.

One step; ``residue`` starts at 0::

    delta   = wrap32(change + residue)              the change, with what was held back
    sent    = delta if |delta| >= v_th else 0
    residue = delta - sent

- Sends ``floor(sent / 2**state_exp)`` when the change reaches the threshold, at equality too.

References
----------
``lava.proc.sdn.models.PySigmaDeltaModelFixed``, lava-nc 0.10.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...fields import number, per_neuron
from ...fixed import ACCUMULATOR_SHIFT, FLOAT32_WHOLE, IntArray, shift, wrap32
from ...interval import WORD, Interval
from .neuron import Neuron

REGISTER_MAX = 2**31 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Sender(Neuron):
    """Integer parameters of neurons that send changes."""

    register_max: ClassVar[int] = FLOAT32_WHOLE  # Lava's registers have 32 bits; torch's float32 rounds from here on

    v_th: Any = per_neuron(
        0,
        REGISTER_MAX,
        "Threshold of a change, in the units of the registers",
        netx="vTh",
        edges=(64, 4096),
        example=120,
    )
    state_exp: int = number(
        -18,
        23,
        "Bits that a payload is coarser than the registers; negative if it is finer",
        netx="stateExp",
        default=ACCUMULATOR_SHIFT,
    )

    @property
    def max_payload(self) -> int:
        """Largest magnitude that a spike can carry."""
        return 2**31 >> max(self.state_exp, 0)


def send(params: Sender, change: IntArray) -> tuple[IntArray, IntArray]:
    """Return what is sent of a change, and what is held back; the rule stands at the head of this module.

    Parameters
    ----------
    params : Sender
        Threshold and exponent of the layer of n neurons.
    change : ndarray of int64, shape (..., n)
        Change of the activation, with what was held back; it wraps at 32 bits.

    Returns
    -------
    payloads, residue : ndarray of int64, shape (..., n)
        Payloads, 0 where nothing is sent, and the rest of the change in the registers' units.
    """
    delta = wrap32(change)
    sent = np.where(wrap32(np.abs(delta)) >= params.v_th, delta, 0)
    payload = sent >> params.state_exp if params.state_exp >= 0 else wrap32(shift(sent, -params.state_exp))
    return payload, delta - sent


def send_bounds(params: Sender, change: Interval) -> tuple[Interval, Interval]:
    """Return bounds of what is sent of a change and of what is held back, as `send` does of values."""
    fits = change.within(-REGISTER_MAX, REGISTER_MAX)
    delta = change.where(fits, WORD)
    v_th = params.v_th.astype(np.int64)
    most = np.maximum(-delta.low, delta.high) >= np.maximum(v_th, 1)  # whether anything can be sent
    k = params.state_exp
    payload = Interval(delta.low >> k, delta.high >> k) if k >= 0 else delta.times(1 << -k)
    payload = payload.where(payload.within(-REGISTER_MAX, REGISTER_MAX), WORD)
    held = Interval(np.maximum(delta.low, 1 - np.maximum(v_th, 1)), np.minimum(delta.high, np.maximum(v_th, 1) - 1))
    least = Interval(np.full_like(delta.low, -REGISTER_MAX - 1), delta.high)  # -2**31 is held back, for its size wraps
    return payload.hull(0).where(most, 0), held.hull(0).where(fits, least.hull(0))

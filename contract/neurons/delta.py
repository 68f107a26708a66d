"""Delta: an encoder that sends the changes of what it receives.

One step, in this order; ``act`` and ``residue`` start at 0::

    delta   = wrap32(x - act + residue)             the change, with what was held back
    sent    = delta if |delta| >= v_th else 0
    residue = delta - sent
    act     = x

- Sends ``floor(sent / 2**state_exp)`` when the change reaches the threshold, at equality too.
- Reset: none within a sample.

It is `spikeproof.contract.neurons.sigma_delta` without the sum of the changes that arrive and without rectification:
what arrives is the value itself. SLAYER's ``sigma_delta.Input`` is such an encoder.

References
----------
``lava.lib.dl.slayer.axon.delta`` and ``lava.lib.dl.slayer.block.sigma_delta.Input``, lava-dl 0.6.0, whose float32
registers hold whole numbers up to 2**24 exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import IntArray
from ..interval import Interval
from .bases.neuron import Bounded
from .bases.sender import Sender, send, send_bounds


class DeltaState(NamedTuple):
    """Registers of a layer of delta encoders, each an int64 array of shape (..., n)."""

    act: IntArray
    """What arrived last; 32 bits."""
    residue: IntArray
    """Change that was held back; 32 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Delta(Sender, netx="DELTA", state=DeltaState, registers=("act", "residue")):
    """Integer parameters of a layer of delta encoders."""

    def step(self, state: DeltaState, x: npt.ArrayLike) -> tuple[IntArray, DeltaState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        act = np.asarray(x, dtype=np.int64)
        payload, residue = send(self, act - state.act + state.residue)
        return payload, DeltaState(act=act, residue=residue)

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        payload, residue = send_bounds(self, x.minus(state.act).plus(state.residue))
        after = DeltaState(act=x, residue=residue)  # type: ignore[arg-type]
        return Bounded(payload, after, {"act": x, "residue": residue})

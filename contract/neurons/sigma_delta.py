"""Sigma-delta: a ReLU unit that receives and sends changes, as Lava's fixed-point SigmaDelta computes it.

One step, in this order; ``sigma``, ``act`` and ``residue`` start at 0::

    sigma   = wrap32(sigma + x)                     adds up the changes that arrive
    new     = max(wrap32(sigma + bias), 0)          the unit's activation
    delta   = wrap32(new - act + residue)           its change, with what was held back
    sent    = delta if |delta| >= v_th else 0
    residue = delta - sent
    act     = new

- Sends ``floor(sent / 2**state_exp)`` when the change reaches the threshold, at equality too.
- Order: sigma, activation, delta, comparison.
- Reset: none within a sample.

Lava declares 24 bits for these registers and keeps 32, which wrap; so does the contract. With SLAYER's scale s,
payloads are in units of ``1 / (64 * s)`` and the registers in units of the sums, a factor ``2**state_exp`` finer.

References
----------
``lava.proc.sdn.models.PySigmaDeltaModelFixed``, lava-nc 0.10.0; ``lava.lib.dl.slayer.neuron.sigma_delta``, lava-dl
0.6.0, whose float32 registers hold whole numbers up to 2**24 exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..fields import per_neuron
from ..fixed import IntArray, wrap32
from ..interval import WORD, Interval
from .bases.neuron import Bounded
from .bases.sender import REGISTER_MAX, Sender, send, send_bounds


class SigmaDeltaState(NamedTuple):
    """Registers of a sigma-delta layer, each an int64 array of shape (..., n)."""

    sigma: IntArray
    """Sum of the changes that arrived; 32 bits, declared 24."""
    act: IntArray
    """Activation; 32 bits, declared 24."""
    residue: IntArray
    """Change that was held back; 32 bits, declared 24."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SigmaDelta(Sender, netx="SIGMA_DELTA", state=SigmaDeltaState, registers=("sigma", "act", "residue")):
    """Integer parameters of a sigma-delta layer."""

    bias: Any = per_neuron(
        -REGISTER_MAX,
        REGISTER_MAX,
        "Added to sigma in every step, in the units of the registers",
        netx="bias",
        default=0,
    )

    def step(self, state: SigmaDeltaState, x: npt.ArrayLike) -> tuple[IntArray, SigmaDeltaState]:
        """Advance the layer by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.step`."""
        sigma = wrap32(state.sigma + np.asarray(x, dtype=np.int64))
        act = np.maximum(wrap32(sigma + self.bias), 0)
        payload, residue = send(self, act - state.act + state.residue)
        return payload, SigmaDeltaState(sigma=sigma, act=act, residue=residue)

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded:
        """Advance intervals by one time step; see `spikeproof.contract.neurons.bases.neuron.Neuron.bounded_step`."""
        unlimited = state.sigma.plus(x)
        sigma = unlimited.where(unlimited.within(-REGISTER_MAX, REGISTER_MAX), WORD)
        biased = sigma.plus(self.bias.astype(np.int64))
        biased = biased.where(biased.within(-REGISTER_MAX, REGISTER_MAX), WORD)
        act = Interval(np.maximum(biased.low, 0), np.maximum(biased.high, 0))
        change = act.minus(state.act).plus(state.residue)
        payload, residue = send_bounds(self, change)
        after = SigmaDeltaState(sigma=sigma, act=act, residue=residue)  # type: ignore[arg-type]
        return Bounded(payload, after, {"sigma": unlimited, "act": act, "residue": residue})

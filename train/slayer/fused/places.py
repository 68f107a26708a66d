"""What `accelerate` replaces in lava-dl, and by what."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from . import adaptive, conv, delays, dense, leaky, recurrent
from .block import Stock

_SLAYER = "lava.lib.dl.slayer."


class Place(NamedTuple):
    """An attribute of a module or class of lava-dl."""

    owner: Any
    name: str
    replace: Callable[[Any], Any]
    """``replace(found)`` returns what stands in for `found`, which does what the stand-in does not hold."""

    def stand_in(self) -> Any:
        """Put the stand-in there, unless it is there already, and return what was found."""
        found = vars(self.owner)[self.name]
        if getattr(found, _MARK, False) is False:
            ours = self.replace(found)
            setattr(ours, _MARK, True)
            self.put(ours)
        return found

    def put(self, found: Any) -> None:
        """Put something there."""
        setattr(self.owner, self.name, found)


_MARK = "_stands_in_of_spikeproof"


def places() -> list[Place]:
    """Return every place, with lava-dl imported."""
    integrator = importlib.import_module(_SLAYER + "neuron.dynamics.leaky_integrator")
    threshold, phase, resonator, adaptive_resonator = (
        importlib.import_module(_SLAYER + "neuron.dynamics." + name)
        for name in ("adaptive_threshold", "adaptive_phase_th", "resonator", "adaptive_resonator")
    )
    delay = importlib.import_module(_SLAYER + "axon.delay")
    base = importlib.import_module(_SLAYER + "block.base")
    synapse = importlib.import_module(_SLAYER + "synapse.layer")
    stock = Stock()
    return [
        Place(integrator, "_LIDynamics", lambda _: leaky.dynamics(integrator)),
        Place(threshold, "_ATHDynamics", adaptive.thresholds),
        Place(phase, "_APTHDynamics", adaptive.phase_thresholds),
        Place(resonator, "_ResDynamics", adaptive.resonators(resonator)),
        Place(adaptive_resonator, "_AdResDynamics", adaptive.adaptive_resonators(adaptive_resonator)),
        Place(delay, "_delayFunction", delays.function),
        Place(base.AbstractDense, "forward", lambda found: dense.forward(found, stock, synapse.Dense.forward)),
        Place(base.AbstractConv, "forward", lambda found: conv.convolution(found, stock, synapse.Conv.forward)),
        Place(base.AbstractPool, "forward", lambda found: conv.pooling(found, stock, synapse.Pool.forward)),
        Place(base.AbstractRecurrent, "forward", lambda found: recurrent.forward(found, stock, synapse.Dense.forward)),
    ]

"""An edge: synapses by which a network's input or a layer reaches a layer, beside the layer's own synapses.

In the local time of a sample, a neuron's sum of step t is made of what its senders sent in step ``t - d``, where d is
the edge's delay and that of the sender's axon together. Nothing arrives before a sample begins, and what is under way
when it ends is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RecordError
from ..fixed import as_integers
from ..record import Record
from ..synapses.conv import Conv
from ..synapses.dense import Synapse

MAX_DELAY = 1023
"""The longest delay of an edge. Loihi 2's synapses delay by up to 62 steps; `spikeproof map` tells what more takes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Edge(Record):
    """Synapses from an input or a layer to a layer.

    Parameters
    ----------
    source : str
        The name of the input or of the layer whose spikes arrive. A layer may feed itself, or one before it.
    target : str
        The name of the layer to whose sums the synapses add.
    synapse : Dense or Conv
        The synapses.
    delay : array_like of int, shape (), (senders,) or (sums, senders)
        Steps that spikes take beyond those of the sender's axon, 0..1023: one number for all, one a sender, or one a
        synapse, for all-to-all synapses. Kept as int16, in the first of these shapes that holds them.
    """

    source: str
    target: str
    synapse: Synapse
    delay: Any = 0

    def __post_init__(self) -> None:
        synapse = self.synapse
        delay = as_integers(f"{self.label}: delay", self.delay, np.int16, 0, MAX_DELAY)
        shapes: list[tuple[int, ...]] = [(), (synapse.num_inputs,)]
        if not isinstance(synapse, Conv):
            shapes.append((synapse.num_neurons, synapse.num_inputs))
        if delay.shape not in shapes:
            raise RecordError(
                f"{self.label}: delay has shape {delay.shape}; expected one of {', '.join(map(str, shapes))}"
                f"{'' if len(shapes) == 3 else ': the synapses of a convolution share their weights and delays'}."
            )
        self._set(delay=simplest(delay))

    @property
    def label(self) -> str:
        """What reports call the edge: ``a -> b``."""
        return f"{self.source} -> {self.target}"


def simplest(delay: Any) -> Any:
    """Return delays as one number if all are equal, as one a sender if a neuron's synapses agree, else as they are."""
    if delay.ndim and (delay == delay.flat[0]).all():
        delay = delay.flat[0]
    elif delay.ndim == 2 and (delay == delay[0]).all():
        delay = delay[0]
    delay = np.array(delay, dtype=np.int16)
    delay.flags.writeable = False
    return delay

"""An edge: synapses by which a network's input or a layer reaches a layer, beside the layer's own synapses.

In the local time of a sample, a neuron's sum of step t is made of what its senders sent in step ``t - d``, where d is
the edge's delay and that of the sender's axon together. Nothing arrives before a sample begins, and what is under way
when it ends is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..record import Record
from ..synapses.conv import Conv
from ..synapses.delays import as_delays
from ..synapses.dense import Synapse


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
        is_conv, name = isinstance(synapse, Conv), f"{self.label}: delay"
        self._set(delay=as_delays(name, self.delay, synapse.num_inputs, synapse.num_neurons, is_conv))

    @property
    def label(self) -> str:
        """What reports call the edge: ``a -> b``."""
        return f"{self.source} -> {self.target}"

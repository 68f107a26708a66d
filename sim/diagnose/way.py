"""One way by which spikes reach a layer that went wrong, as faults see it: what arrives, what a change makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract import fixed
from ...contract.net import Incoming, Net
from ...contract.synapses.conv import Conv
from ...contract.synapses.delays import delayed
from ...contract.synapses.dense import Dense
from .. import reference

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Way:
    """A way into a layer.

    Parameters
    ----------
    net : Net
        The record.
    index : int
        Which layer it leads to.
    place : int
        Which of the layer's ways it is; 0 for its own synapses.
    sent : mapping of int to ndarray of int32, shape (samples, senders, steps)
        What was sent, see `spikeproof.sim.reference.Sent`.
    """

    net: Net
    index: int
    place: int
    sent: reference.Sent

    @property
    def incoming(self) -> Incoming:
        """What the record says of it."""
        return self.net.incoming(self.index)[self.place]

    @property
    def is_own(self) -> bool:
        """Whether it is the layer's own synapses."""
        return self.place == 0

    @property
    def is_feedback(self) -> bool:
        """Whether it is the layer's feedback, which no axon delays."""
        return self.place == 1 and self.net.layers[self.index].feedback is not None

    @property
    def label(self) -> str:
        """What a cause calls it."""
        kind = "own synapses" if self.is_own else "feedback" if self.is_feedback else "edge"
        return f"{kind} {self.incoming.name}"

    @property
    def weight(self) -> npt.NDArray[np.int64]:
        """Its weights in the record; those of oscillators are the last columns of the layer's own."""
        synapse = self.net.layers[self.index].synapse if self.is_own else self.incoming.synapse
        return np.asarray(synapse.weight, np.int64)

    @property
    def axon(self) -> IntArray:
        """The part of its delays that is the sender's axon's, shape (senders,)."""
        layer = self.net.layers[self.incoming.source] if self.incoming.source >= 0 else None
        if layer is None or layer.axon is None or self.is_feedback:
            return np.zeros(self.incoming.synapse.num_inputs, np.int64)
        return np.asarray(layer.axon.delay, np.int64)

    @property
    def delay(self) -> IntArray:
        """Its delays without the sender's axon, shape (senders,) or (sums, senders)."""
        whole = np.asarray(self.incoming.delay, np.int64)
        return whole - self.axon

    def arriving(self, row: int) -> npt.NDArray[Any]:
        """Return what arrives at the synapses of a sum, shape (samples, columns of the weights, steps).

        In the units of the sum: times a weight, it is what that weight adds.
        """
        delay, sent = self.incoming.delay, self.sent[self.incoming.source]
        if delay.ndim == 2:
            found = delayed(sent, delay[row])
        else:
            found = reference.arriving(self.net, self.index, sent) if self.is_own else delayed(sent, delay)
        shift = self.incoming.synapse.weight_exp
        return fixed.shl(found, shift) if shift else found

    def entries(self, row: int) -> tuple[list[tuple[int, ...]], IntArray]:
        """Return where in the weights those of a sum stand, and which column of what arrives each of them takes.

        Weights of a convolution that only see the border are left out.
        """
        synapse = self.incoming.synapse
        if not isinstance(synapse, Conv):
            columns = np.arange(self.weight.shape[1])
            return [(row, int(j)) for j in columns], columns
        channel, y, x = (int(i) for i in np.unravel_index(row, synapse.out_shape))
        found: list[tuple[int, ...]] = []
        seen = []
        first = channel // (len(synapse.weight) // synapse.groups) * synapse.weight.shape[1]
        for c, i, j in np.ndindex(*synapse.weight.shape[1:]):
            at = [
                place * stride - padding + k * dilation
                for place, k, stride, padding, dilation in zip(
                    (y, x), (i, j), synapse.stride, synapse.padding, synapse.dilation, strict=True
                )
            ]
            if all(0 <= one < size for one, size in zip(at, synapse.in_shape[1:], strict=True)):
                found.append((channel, c, i, j))
                seen.append(int(np.ravel_multi_index((first + c, *at), synapse.in_shape)))
        return found, np.array(seen, np.int64)

    def delivered(self, way: Incoming | None = None) -> IntArray:
        """Return what the way, or a changed one, adds to the sums without oscillators, shape (steps, samples, sums)."""
        way = way or self.incoming
        return fixed.wrap(way.delivered(self.sent[way.source]), way.synapse.port_bits)

    def with_delay(self, delay: Any) -> IntArray:
        """Return by how much sums change if the whole delays are others."""
        return self.delivered(self.incoming._replace(delay=np.asarray(delay))) - self.delivered()

    def with_weight(self, weight: IntArray) -> IntArray:
        """Return by how much sums change if the weights are others."""
        synapse = self.incoming.synapse
        if isinstance(synapse, Dense) and self.incoming.delay.ndim < 2:
            # As `Dense.sums`, whose weights have a range that differences leave.
            change = (weight - self.weight).T.astype(np.float64)
            return (self.arriving(0).transpose(2, 0, 1).astype(np.float64) @ change).astype(np.int64)
        changed = self.incoming._replace(synapse=replace(synapse, weight=weight))
        return self.delivered(changed) - self.delivered()

    def streamed(self) -> IntArray:
        """Return what the way delivers if nothing that is under way is dropped where a sample ends."""
        sent = self.sent[self.incoming.source]
        samples, senders, steps = sent.shape
        stream = sent.transpose(1, 0, 2).reshape(1, senders, samples * steps)
        whole = self.incoming.delivered(stream)[:, 0]
        whole = whole.reshape(samples, steps, whole.shape[1]).transpose(1, 0, 2)
        return fixed.wrap(whole, self.incoming.synapse.port_bits)

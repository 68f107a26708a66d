"""A whole network on its way through a sample, with intervals in place of integers."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from ...contract.interval import exactly
from ...contract.net import Net
from .assumptions import Assumptions
from .layer import Ranges
from .ways import Sent


class Run:
    """All layers of a network on their way through a sample, whose input is anything, or one that is known.

    Parameters
    ----------
    net : Net
        The network.
    assumed : Assumptions
        What is assumed beside its record.
    payload : ndarray of int32, shape (channels, steps), optional
        An input that is known. Default: any.
    only : collection of int, optional
        The layers to run. Default: all.
    """

    def __init__(
        self,
        net: Net,
        assumed: Assumptions,
        payload: npt.NDArray[np.int32] | None = None,
        *,
        only: Collection[int] | None = None,
    ) -> None:
        self._net, self._payload = net, payload
        self._given = assumed.of_inputs(net)
        firing = [index for index, layer in enumerate(net.layers) if layer.neuron.fires]
        longest = dict.fromkeys([*self._given, *firing], 0)
        for index in range(len(net.layers)):
            for each in net.incoming(index):
                longest[each.source] = max(longest[each.source], each.longest)
        self.sent = {source: Sent(_width(net, source), most) for source, most in longest.items()}
        """What each layer that fires, by its index, and input k as -1 - k, can have sent."""
        self.layers = [Ranges(net, index, self.sent, assumed.most(net)) for index in range(len(net.layers))]
        self._order = [index for group in net.groups for index in group if only is None or index in only]
        self._te = None if net.te is None else net.encoding(net.steps)
        self._known = self._te is not None or any(layer.cpg is not None for layer in net.layers)
        self._wait = max(longest.values()) + 1
        self._still = 0

    def advance(self, t: int) -> None:
        """Advance all layers by a step."""
        for source, given in self._given.items():
            payload, channels = self._payload, self._net.channels(-1 - source)
            self.sent[source].put(t, given if payload is None else exactly(payload[channels, t]))
        for index in self._order:
            layer = self._net.layers[index]
            row = None if self._te is None else self._te[t][: layer.num_neurons]
            self.layers[index].advance(t, row)
        moved = any(layer.changed for layer in self.layers) or any(not sent.steady for sent in self.sent.values())
        self._still = 0 if moved else self._still + 1

    @property
    def settled(self) -> bool:
        """Whether every later step is like the last: the same states, and the same under way on all delays."""
        return not self._known and self._still >= self._wait


def _width(net: Net, source: int) -> int:
    return net.layers[source].num_neurons if source >= 0 else net.inputs[-1 - source].num_channels


def before(net: Net, target: int) -> set[int]:
    """Return the indices of a layer and of all that lead to it."""
    found, open_ones = {target}, [target]
    while open_ones:
        for each in net.incoming(open_ones.pop()):
            if each.source >= 0 and each.source not in found:
                found.add(each.source)
                open_ones.append(each.source)
    return found

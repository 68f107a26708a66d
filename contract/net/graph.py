"""The network as a graph: what reaches each layer, in which order layers can run, and how late each of them works.

Latency. On Lava synapses take one step and nothing else does. With d steps of delay in the local time of a sample, an
edge's spikes must come ``L(target) - L(source) + d - 1`` steps later than synapses alone would bring them, where L says
by how many steps a layer works behind the network's input. No spike can come early, so L is the longest path with
``L(target) >= L(source) + 1 - d``, and a cycle needs at least as many steps of delay as it has edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import IntArray
from ..synapses.conv import Conv
from ..synapses.delays import delayed, simplest
from ..synapses.dense import Dense, Synapse
from .edge import Edge
from .input import Input
from .layer import Layer

FEEDBACK_DELAY = 1
"""A layer's feedback delivers what the layer sent in the step before."""


class Incoming(NamedTuple):
    """One way by which spikes reach a layer: its own synapses, its feedback, or an edge."""

    source: int
    """The index of the layer whose spikes arrive; -1 - k for input k."""
    synapse: Synapse
    """Without the columns of oscillators."""
    delay: npt.NDArray[Any]
    """Steps in the sample's local time, shape (), (senders,) or (sums, senders): the sender's axon is in it."""
    name: str
    """What reports call it: ``a -> b``; unique among those of a layer."""

    @property
    def of_synapses(self) -> IntArray:
        """The delays that occur; of one a synapse, those of weights that are not 0."""
        delay = self.delay
        if delay.ndim == 2 and isinstance(self.synapse, Dense) and self.synapse.weight.any():
            delay = delay[self.synapse.weight != 0]
        return np.unique(delay).astype(np.int64)

    @property
    def shortest(self) -> int:
        """The smallest delay."""
        return int(self.of_synapses[0])

    @property
    def longest(self) -> int:
        """The largest delay."""
        return int(self.of_synapses[-1])

    def delivered(self, sent: npt.NDArray[Any]) -> IntArray:
        """Return the sums of all steps of a sample.

        Parameters
        ----------
        sent : ndarray, shape (samples, senders, steps)
            What is sent, from a sample's first step on.

        Returns
        -------
        ndarray of int64, shape (steps, samples, sums)
        """
        if self.delay.ndim < 2:
            return self.synapse.sums(delayed(sent, self.delay).transpose(2, 0, 1))
        parts = [synapse.sums(delayed(sent, d).transpose(2, 0, 1)) for d, synapse in self.by_delay()]
        total: IntArray = np.sum(parts, axis=0)
        return total

    def by_delay(self) -> list[tuple[int, Synapse]]:
        """Return the synapses of each delay that occurs, where there is one a synapse."""
        assert isinstance(self.synapse, Dense)
        weight = self.synapse.weight
        return [(int(d), replace(self.synapse, weight=np.where(self.delay == d, weight, 0))) for d in self.of_synapses]


def incoming(inputs: Sequence[Input], layers: Sequence[Layer], edges: Sequence[Edge]) -> list[tuple[Incoming, ...]]:
    """Return what reaches each layer: its own synapses, its feedback, and its edges in their order.

    Raises
    ------
    RecordError
        An edge names what is not there, or its synapses do not fit.
    """
    place = _places(inputs, layers, {name for edge in edges for name in (edge.source, edge.target)})
    found: list[list[Incoming]] = []
    for i, layer in enumerate(layers):
        source = _main_source(layer, i, place)
        synapse: Synapse = layer.synapse
        if layer.cpg is not None and isinstance(synapse, Dense):
            synapse = replace(synapse, weight=synapse.weight[:, : layer.num_inputs])
        name = f"{(layers[source] if source >= 0 else inputs[-1 - source]).name} -> {layer.name}"
        found.append([Incoming(source, synapse, simplest(_axon(layers, source) + layer.delay), name)])
        if layer.feedback is not None:
            found[i].append(
                Incoming(i, layer.feedback, simplest(np.int64(FEEDBACK_DELAY)), f"{layer.name} -> {layer.name}")
            )
    for edge in edges:
        for end, name in (("source", edge.source), ("target", edge.target)):
            if name not in place or (end == "target" and place[name] < 0):
                known = [each for each in place if end == "source" or place[each] >= 0]
                raise RecordError(f"edge {edge.label}: its {end} {name!r} is none of {', '.join(known)}.")
        i, source = place[edge.target], place[edge.source]
        taken = [each.name for each in found[i]]
        label = edge.label if edge.label not in taken else f"{edge.label} ({taken.count(edge.label) + len(taken)})"
        found[i].append(Incoming(source, edge.synapse, simplest(_axon(layers, source) + edge.delay), label))
    for i in range(len(layers)):
        for each in found[i]:
            _check_fit(each, inputs, layers, i)
    return [tuple(each) for each in found]


def _places(inputs: Sequence[Input], layers: Sequence[Layer], used: set[str]) -> dict[str, int]:
    """Return which layer, or input as -1 - k, each name means; a layer may be called as an input that nobody names."""
    of_inputs = {source.name: -1 - k for k, source in enumerate(inputs)}
    of_layers = {layer.name: i for i, layer in enumerate(layers)}
    used = used | {layer.source for layer in layers if layer.source is not None}
    for names in (
        [each.name for each in inputs],
        [each.name for each in layers],
        [*(used & set(of_layers)), *(used & set(of_inputs))],
    ):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise RecordError(f"Two layers or inputs are called {twice[0]!r}; names must differ.")
    return of_inputs | of_layers


def _main_source(layer: Layer, index: int, place: dict[str, int]) -> int:
    if layer.source is None:
        return index - 1
    source = place.get(layer.source)
    if source is None or source >= index:
        before = [name for name, at in place.items() if at < index]
        raise RecordError(
            f"layer {layer.name!r}: its source {layer.source!r} is no input and no layer before it, which are "
            f"{', '.join(before)}. What comes from behind is an edge."
        )
    return source


def _axon(layers: Sequence[Layer], source: int) -> npt.NDArray[Any]:
    axon = layers[source].axon if source >= 0 else None
    found: npt.NDArray[Any] = simplest(np.int64(0) if axon is None else axon.delay.astype(np.int64))
    return found


def _check_fit(found: Incoming, inputs: Sequence[Input], layers: Sequence[Layer], index: int) -> None:
    """Refuse synapses that do not fit what sends or what receives."""
    layer, synapse = layers[index], found.synapse
    images: tuple[int, ...] = ()
    if synapse.num_neurons != layer.num_sums:
        raise RecordError(
            f"edge {found.name}: its synapses feed {synapse.num_neurons} neurons, but layer {layer.name!r} has "
            f"{layer.num_sums} sums."
        )
    if found.source < 0:
        source = f"input {inputs[-1 - found.source].name!r}"
        width = inputs[-1 - found.source].num_channels
    else:
        before = layers[found.source]
        if not before.neuron.fires:
            raise RecordError(
                f"edge {found.name}: layer {before.name!r} is a read-out, which never fires. Synapses carry spikes."
            )
        source, width, images = f"layer {before.name!r}", before.num_neurons, before.shape
    if synapse.num_inputs != width:
        raise RecordError(f"layer {layer.name!r} takes {synapse.num_inputs} inputs, but {source} has {width}.")
    if isinstance(synapse, Conv) and len(images) == 3 and images != synapse.in_shape:
        raise RecordError(f"layer {layer.name!r} takes images of shape {synapse.in_shape}, but {source} has {images}.")


def latencies(arriving: Sequence[Sequence[Incoming]], names: Sequence[str]) -> tuple[int, ...]:
    """Return by how many steps each layer works behind the input, at least 1; see the head of this module.

    Raises
    ------
    RecordError
        A cycle of edges has less delay than it has edges.
    """
    found, behind = [1] * len(arriving), [-1] * len(arriving)
    ways = [(i, each.source, each.shortest) for i, row in enumerate(arriving) for each in row]
    moved = [0]
    for _ in range(len(arriving) + 1):
        moved = []
        for i, j, d in ways:
            late = (found[j] if j >= 0 else 0) + 1 - d
            if late > found[i]:
                found[i], behind[i] = late, j
                moved.append(i)
        if not moved:
            return tuple(found)
    raise RecordError(
        f"The edges {' -> '.join(names[i] for i in _cycle(moved[0], behind))} lead back to where they came from in "
        "fewer steps of delay than there are edges. Every synapse takes a step: give the way back at least as many "
        "steps of delay as the cycle has edges."
    )


def _cycle(start: int, behind: Sequence[int]) -> list[int]:
    """Return the cycle that the layers before `start` run in, its first layer at both ends."""
    for _ in behind:
        start = behind[start]
    cycle = [start, behind[start]]
    while cycle[-1] != start:
        cycle.append(behind[cycle[-1]])
    return cycle[::-1]


def groups(arriving: Sequence[Sequence[Incoming]]) -> tuple[tuple[int, ...], ...]:
    """Return the layers in an order in which they can run.

    A group holds one layer, or several that feed each other and can only run step by step together; within a group,
    what arrives without delay comes from layers before. Layers that nothing orders keep their order.
    """
    n = len(arriving)
    fed = np.zeros((n, n), bool)
    at_once = np.zeros((n, n), bool)
    for i, row in enumerate(arriving):
        for each in row:
            if each.source >= 0:
                fed[each.source, i] = True
                at_once[each.source, i] |= each.shortest == 0
    reaches = _closure(fed)
    together = (reaches & reaches.T) | np.eye(n, dtype=bool)
    before = (reaches | np.eye(n, dtype=bool)).sum(
        axis=0
    )  # what leads to a layer leads to all behind it, which have more
    depth = _closure(at_once).sum(axis=0)
    firsts = sorted({int(np.flatnonzero(row)[0]) for row in together}, key=lambda i: (int(before[i]), i))
    return tuple(tuple(sorted(np.flatnonzero(together[i]).tolist(), key=lambda j: (int(depth[j]), j))) for i in firsts)


def _closure(fed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which layers lead to which over any number of edges."""
    reaches = fed.copy()
    for middle in range(len(fed)):
        reaches |= np.outer(reaches[:, middle], reaches[middle])
    return reaches

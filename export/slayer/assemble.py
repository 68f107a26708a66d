"""Rows of blocks -> the network record: each block's layer, and the edges by which layers reach each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...contract.errors import UnsupportedError
from ...contract.fixed import WEIGHT_EXP_MAX
from ...contract.net import Edge, Input, Layer, Net, sent_exp
from ...contract.synapses.dense import Dense, Synapse
from ..capture.edges import Edge as Map
from ..capture.host import Host, listed
from ..parts import protocol
from . import fold
from .blocks import Block, read_layer, source_of
from .rows import Row

_PORTS = "input", "second", "third"


class _Read(NamedTuple):
    """A layer of a record with its block's synapses as they are, before the maps in front of them."""

    layer: Layer
    main: int
    """Which of the row's edges its own synapses take."""
    exp: int
    """The power of two that a payload of 1 means that arrives by that."""


def assemble(
    rows: Sequence[Row],
    *,
    steps: int | None,
    stated: Input | Sequence[Input] | None,
    shapes: Sequence[tuple[int, ...]] = (),
    answers: Sequence[int] = (),
    host: Host,
) -> Net:
    """Return the record of a network.

    Parameters
    ----------
    rows : sequence of Row
        Its layers, in the order in which they run.
    steps : int or None
        Sample period; None for that of the temporal encoding.
    stated : Input, sequence of Input or None
        What enters stock blocks; None for what these say.
    shapes : sequence of tuple of int
        Of what enters by each of the network's inputs; none for one whose size its block knows.
    answers : sequence of int
        Which rows the network answers with; none named: the last.
    host : Host
        What runs around it, which is noted.

    Raises
    ------
    UnsupportedError
        A layer, or what stands between two, cannot be made exact.
    """
    sources = _sources(rows, stated)
    read: list[_Read] = []
    shape: tuple[int, ...] | None = None
    for i, row in enumerate(rows):
        main, exp = _main(rows, i, read, sources)
        layer, shape = read_layer(row.block, i + 1, shape, exp)
        read.append(_Read(layer, main, exp))
    images = list(shapes) or [(read[0].layer.num_inputs,)]
    sources = [replace(each, num_channels=math.prod(image)) for each, image in zip(sources, images, strict=True)]
    graph = _Graph(rows, read, sources, images)
    layers = [graph.layer(i) for i in range(len(rows))]
    edges = [edge for i in range(len(rows)) for edge in graph.edges(i)]
    encoding = _shared_encoding(row.block for row in rows)
    if steps is None:
        steps = getattr(encoding, "steps", None)
    if steps is None:
        raise UnsupportedError(
            "The network has no temporal encoding to take the sample length from. Pass sample=, an input, or steps=."
        )
    last = tuple(answers) in ((), (len(rows) - 1,))
    return Net(
        inputs=tuple(sources if stated is not None else graph.fitted(layers)),
        layers=tuple(layers),
        steps=steps,
        edges=tuple(edges),
        outputs=() if last else tuple(layers[i].name for i in answers),
        te=None if encoding is None else encoding.record(),
        host_before=listed(host.before),
        host_after=listed(host.after),
    )


def _sources(rows: Sequence[Row], stated: Input | Sequence[Input] | None) -> list[Input]:
    """Return the network's inputs; how many channels they have is not known yet."""
    ports = sorted({edge.source for row in rows for edge in row.edges if edge.source < 0}, reverse=True)
    given = list(stated) if isinstance(stated, list | tuple) else [stated] * len(ports)
    if len(given) != len(ports):
        raise UnsupportedError(f"input= holds {len(given)} inputs for a network with {len(ports)}.")
    found = []
    for k, port in enumerate(ports):
        says = [
            source_of(row.block.module, given[k])  # type: ignore[arg-type]
            for row in rows
            if any(edge.source == port for edge in row.edges)
        ]
        other = next((each for each in says if (each.bits, each.exp) != (says[0].bits, says[0].exp)), None)
        if other is not None:
            raise UnsupportedError(
                f"Two blocks receive the same input, one as {_kind(says[0])} and one as {_kind(other)}. Give both the "
                "same input_exp and input_bits."
            )
        name = _PORTS[k] if k < len(_PORTS) else f"input{k + 1}"
        found.append(replace(says[0], name=name if len(ports) > 1 else says[0].name))
    return found


def _kind(source: Input) -> str:
    return f"payloads of {source.bits} bits in units of 2**{source.exp}" if source.bits else "unary spikes"


def _main(rows: Sequence[Row], index: int, read: Sequence[_Read], sources: Sequence[Input]) -> tuple[int, int]:
    """Return which edge a layer's own synapses take, and what a payload of 1 means on it."""
    edges = rows[index].edges
    before = [k for k, edge in enumerate(edges) if edge.source < index]
    if not before:
        raise UnsupportedError(
            f"{_where(rows[index])}: what arrives comes from blocks behind alone, and nothing starts it. Let the "
            "network's input, or a block before, reach it too."
        )
    source = edges[before[0]].source
    return before[0], sources[-1 - source].exp if source < 0 else sent_exp(read[source].layer)


def _where(row: Row) -> str:
    return str(row.layer.place) if row.layer is not None else type(row.block.module).__name__


class _Graph(NamedTuple):
    """What is known of all layers when they are put together."""

    rows: Sequence[Row]
    read: Sequence[_Read]
    sources: Sequence[Input]
    images: Sequence[tuple[int, ...]]
    """Shapes of what enters."""

    def layer(self, index: int) -> Layer:
        """Return a layer whose own synapses take what their source puts out itself, whatever stands between."""
        layer, row = self.read[index].layer, self.rows[index]
        edge = row.edges[self.read[index].main]
        synapse = self._folded(index, edge, with_oscillators=True)
        delay = layer.delay.astype(np.int64)
        if synapse is not layer.synapse and delay.ndim:
            delay = fold.delays(layer, edge, math.prod(self._shape(edge.source)))
        before = index - 1 if index else -1
        named = edge.source != before or (before < 0 and len(self.sources) > 1)
        name = self._name(edge.source) if named else None
        return replace(layer, synapse=synapse, source=name, delay=edge.delay + delay)

    def edges(self, index: int) -> Iterator[Edge]:
        """Yield the edges into a layer beside its own synapses."""
        (layer, main, exp), row = self.read[index], self.rows[index]
        for edge in row.edges:
            if edge.source >= 0 and not self.read[edge.source].layer.neuron.fires:
                raise UnsupportedError(
                    f"layer {self._name(edge.source)!r}: {type(self.rows[edge.source].block.module).__name__}: it puts "
                    "out numbers in every step, and synapses carry spikes. Put it last."
                )
        others = [edge for k, edge in enumerate(row.edges) if k != main]
        if others and (layer.delay.ndim or layer.num_inputs != self._inputs(row)):
            what = "has a delay for each of its inputs" if layer.delay.ndim else "makes groups of its inputs"
            raise UnsupportedError(
                f"{_where(row)}: layer {layer.name!r} {what}, and what several blocks put out arrives there. Give them "
                "a block in between."
            )
        for edge in others:
            other = self._exp(edge.source)
            synapse = self._folded(index, edge, with_oscillators=False)
            if isinstance(synapse, Dense) and 0 < other - exp <= WEIGHT_EXP_MAX:
                synapse = replace(synapse, weight_exp=other - exp)
            elif other != exp:
                raise UnsupportedError(
                    f"{_where(row)}: layer {layer.name!r} receives payloads in units of 2**{exp} from "
                    f"{self._name(row.edges[main].source)!r} and of 2**{other} from {self._name(edge.source)!r}. Let "
                    "both send the same: unary spikes, or graded ones of one w_scale. All-to-all synapses can shift "
                    f"what has the larger unit by up to {WEIGHT_EXP_MAX} bits, if it comes second."
                )
            delay = edge.delay + layer.delay.astype(np.int64)
            yield Edge(source=self._name(edge.source), target=layer.name, synapse=synapse, delay=delay)

    def fitted(self, layers: Sequence[Layer]) -> list[Input]:
        """Return the inputs with as many bits as the sums of stock blocks have room for."""
        found = list(self.sources)
        for row, of, layer in zip(self.rows, self.read, layers, strict=True):
            k = -1 - row.edges[of.main].source
            if k >= 0 and found[k].bits and not protocol.is_own_block(row.block.module):
                found[k] = found[k].fitted(layer.synapse)
        return found

    def _folded(self, index: int, edge: Map, with_oscillators: bool) -> Synapse:
        """Return a layer's synapses for what a source puts out itself."""
        layer, row = self.read[index].layer, self.rows[index]
        if row.layer is None:
            return fold.folded(layer, edge, self._shape(edge.source), with_oscillators=with_oscillators)
        before = self.rows[edge.source].layer if edge.source >= 0 else None
        where = f" between {'the input' if before is None else repr(before.name)} and {row.layer.name!r}"
        shape = self._shape(edge.source)
        try:
            return fold.folded(layer, edge, shape, with_oscillators=with_oscillators, where=where)
        except UnsupportedError as error:
            raise UnsupportedError(f"{row.layer.joins or row.layer.place}: {error}") from None

    def _inputs(self, row: Row) -> int:
        return int(row.edges[0].elements.shape[1])

    def _name(self, source: int) -> str:
        return self.sources[-1 - source].name if source < 0 else self.read[source].layer.name

    def _exp(self, source: int) -> int:
        exp: int = self.sources[-1 - source].exp if source < 0 else sent_exp(self.read[source].layer)
        return exp

    def _shape(self, source: int) -> tuple[int, ...]:
        return self.images[-1 - source] if source < 0 else self.read[source].layer.shape


def _shared_encoding(blocks: Iterable[Block]) -> Any:
    encodings = {
        id(block.module.neuron.temporal_encoding): block.module.neuron.temporal_encoding
        for block in blocks
        if hasattr(getattr(block.module, "neuron", None), "temporal_encoding")
    }
    if len(encodings) > 1:
        raise UnsupportedError(
            f"The CE-LIF layers use {len(encodings)} different TemporalEncoding objects; a network shares one. Give "
            "every layer the same object."
        )
    return next(iter(encodings.values()), None)

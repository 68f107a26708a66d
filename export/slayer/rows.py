"""A module -> its layers and what reaches each, as a run of it shows them, or as a plain Sequential lists them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from torch import nn

from ...contract.errors import UnsupportedError
from ...contract.sources import Oscillators
from ..capture.capture import Capture
from ..capture.edges import Edge, whole
from ..capture.graph import Layer
from ..parts import kinds
from .blocks import Block


class Row(NamedTuple):
    """A layer of a network before it becomes a record, and what reaches it."""

    block: Block
    edges: tuple[Edge, ...]
    """Their sources are places in the list of rows, or inputs of the network as -1 - k."""
    layer: Layer | None = None
    """The layer of the capture, if a run showed it."""


def chained(blocks: Sequence[Block]) -> list[Row]:
    """Return blocks as rows, each of which receives what the one before it puts out."""
    return [Row(block, (whole(i - 1, 0),)) for i, block in enumerate(blocks)]


def listed(module: nn.Module) -> list[Block]:
    """Return the layers of a block, or of a Sequential of blocks, which needs no run to be known.

    Raises
    ------
    UnsupportedError
        The module has a forward pass of its own, or holds no layers.
    """
    if not kinds.is_plain(module):
        raise UnsupportedError(
            f"{_title(module)} has a forward pass of its own, or hooks, and only a run shows what it does. Pass "
            "sample=, an input."
        )
    first, *others = _checked(*grouped(kinds.plain_members(module)), module)
    return [first._replace(enters=True), *others]


def grouped(members: Iterable[Any]) -> tuple[list[Block], Oscillators | None]:
    """Return members of a Sequential as layers, each with the Concat and the Flatten in front of it.

    What is no block is a layer of its own here; and what a last Concat holds comes second.
    """
    found: list[Block] = []
    cpg: Oscillators | None = None
    flatten = False
    for member in members:
        if hasattr(member, "oscillators"):
            _refuse_second(cpg)
            cpg = member.oscillators()
        elif kinds.kind(member)[1] == "Flatten":
            flatten = True
        elif not kinds.passes_on(member):
            found.append(Block(member, cpg, flatten))
            cpg, flatten = None, False
    return found, cpg


def captured(capture: Capture) -> list[Row]:
    """Return a captured module's layers; the oscillators of a Concat are part of the layer behind it.

    Raises
    ------
    UnsupportedError
        A Concat stands where no layer takes its oscillators; the message says where.
    """
    rows: list[Row] = []
    place: dict[int, int] = {}
    held: dict[int, tuple[Oscillators, tuple[Edge, ...]]] = {}
    for i, layer in enumerate(capture.layers):
        cpg, edges = None, layer.edges
        before = [edge.source for edge in edges if edge.source in held]
        if before:
            if hasattr(layer.part, "oscillators"):
                _refuse_second(held[before[0]][0])
            if len(edges) > 1 or not _is_all(edges[0], capture):
                raise UnsupportedError(
                    f"{layer.joins}: {layer.joined_by} stands between a Concat and {layer.name!r}. Put the Concat "
                    "directly in front of the block."
                )
            cpg, edges = held[before[0]]
        if hasattr(layer.part, "oscillators"):
            held[i] = layer.part.oscillators(), edges
            continue
        place[i] = len(rows)
        shape = tuple(layer.received.shape[1:-1])
        enters = any(edge.source < 0 for edge in edges)
        moved = len(edges) > 1 or not _is_all(edges[0], capture)
        rows.append(Row(Block(layer.part, cpg, False, shape, layer.looped, enters, moved), edges, layer))
    heard = {id(cpg) for cpg in (row.block.cpg for row in rows) if cpg is not None}
    unheard = next((cpg for cpg, _ in held.values() if id(cpg) not in heard), None)
    _checked([row.block for row in rows], unheard, capture.module)
    return [
        row._replace(edges=tuple(e if e.source < 0 else e._replace(source=place[e.source]) for e in row.edges))
        for row in rows
    ]


def _is_all(edge: Edge, capture: Capture) -> bool:
    """Whether all that a source puts out arrives as it is."""
    if edge.source < 0:
        puts_out = math.prod(capture.ports[-1 - edge.source].shape)
    else:
        puts_out = capture.layers[edge.source].output[0, ..., 0].numel()
    return edge.is_identity and not edge.delay and edge.elements.shape[1] == puts_out


def _refuse_second(cpg: Oscillators | None) -> None:
    if cpg is not None:
        raise UnsupportedError("Two Concat modules follow each other; a layer listens to one set of oscillators.")


def _checked(found: list[Block], cpg: Oscillators | None, module: Any) -> list[Block]:
    if not found or cpg is not None:
        what = "ends in a Concat" if cpg is not None else "holds no layers"
        raise UnsupportedError(f"{_title(module)} {what}. Add the dense block that it is for.")
    return found


def _title(module: Any) -> str:
    return type(module).__name__

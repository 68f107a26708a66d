"""A module -> its layers in a row, as a run of it shows them, or as a plain Sequential lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from torch import nn

from ...contract.errors import UnsupportedError
from ...contract.sources import Oscillators
from ..capture.capture import Capture
from ..capture.edges import Edge
from ..capture.graph import Layer
from ..parts import kinds
from .blocks import Block


class Found(NamedTuple):
    """A layer of a capture, and the CPG code in front of it."""

    layer: Layer
    block: Block


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
    return _checked(*grouped(kinds.plain_members(module)), module)


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


def captured(capture: Capture) -> list[Found]:
    """Return a captured module's layers, if they are in a row.

    Raises
    ------
    UnsupportedError
        They are not; the message says which layer and where.
    """
    found: list[Found] = []
    cpg: Oscillators | None = None
    carried: Edge | None = None
    for i, layer in enumerate(capture.layers):
        edge = _edge(capture.layers, i)
        if hasattr(layer.part, "oscillators"):
            _refuse_second(cpg)
            cpg, carried = layer.part.oscillators(), edge
            continue
        if cpg is not None and edge is not None:
            raise UnsupportedError(
                f"{layer.joins}: {layer.joined_by} stands between a Concat and {layer.name!r}. Put the Concat "
                "directly in front of the block."
            )
        shape = tuple(layer.received.shape[1:-1])
        block = Block(layer.part, cpg, False, carried if cpg is not None else edge, shape, layer.looped)
        found.append(Found(layer, block))
        cpg, carried = None, None
    _checked([each.block for each in found], cpg, capture.module)
    return found


def _edge(layers: Sequence[Layer], index: int) -> Edge | None:
    """Return the map in front of a layer, None for none; or refuse what is no chain."""
    layer = layers[index]
    expected = index - 1 if index else None
    if [edge.source for edge in layer.edges] != [expected]:
        names = [repr(layers[edge.source].name) if edge.source is not None else "the input" for edge in layer.edges]
        if index and len(names) == 1:
            what = f"{layer.name!r} receives {names[0]}, which is not what the layer before it puts out"
        else:
            what = f"{layer.joined_by} gives {layer.name!r} what {' and '.join(names)} put out"
        raise UnsupportedError(
            f"{layer.joins}: {what}. That is a graph, and a record is a chain of layers so far: let every layer "
            "receive what the one before it puts out, and nothing else."
        )
    edge = layer.edges[0]
    if edge.source is None:
        return None
    puts_out = layers[edge.source].output[0, ..., 0].numel()
    return None if edge.is_identity and edge.elements.shape[1] == puts_out else edge


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

"""The picture of a network in the parity report: layers as boxes, and every way by which spikes reach one as a line."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...contract.net import Net
from ...export import drawing
from ...export.describe import describe
from . import layout

_LETTERS = 18
"""So many letters of a name fit into a box."""
_DIGIT, _TIP = 7.2, 16
"""Width of a letter of a label, and of the arrow's tip and what is free around the label."""
_TIMES, _TO = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"
_MARGIN = 24


class Box(NamedTuple):
    """A layer or an input."""

    kind: str
    """``input``, ``layer`` or ``layer answer``."""
    x: int
    y: int
    height: int
    words: tuple[str, ...]
    """Its lines, the first of which is its name."""
    title: str
    """All of it in words."""


class Arrow(NamedTuple):
    """A way into a layer."""

    kind: str
    """``own``, ``feedback`` or ``edge``, with ``back`` if it leads back."""
    d: str
    x: int
    y: int
    """Where it ends."""
    label: str
    title: str
    ends: str
    """Which boxes it connects: "b0 b3"."""


class Graph(NamedTuple):
    """The picture."""

    left: int
    top: int
    width: int
    height: int
    box: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    summary: str
    words: tuple[tuple[str, tuple[str, ...]], ...]
    """The same for those who cannot see it: (an input or a layer, the ways that lead to it)."""


def graph(net: Net) -> Graph:
    """Return the picture of a network.

    Parameters
    ----------
    net : Net
        Of any number of layers.
    """
    found = describe(net)
    ranks = _ranks(net)
    layers, inputs, count = found["layers"], found["inputs"], len(net.inputs)
    ways = [
        (i, each.source, way)
        for i, layer in enumerate(layers)
        for each, way in zip(net.incoming(i), layer["ways"], strict=True)
    ]
    ends = [
        (source + count if source >= 0 else -1 - source, target + count, round(_DIGIT * len(_label(way))) + _TIP)
        for target, source, way in ways
    ]
    heights = [46.0] * count + [64.0] * len(layers)
    nodes, lines = layout.layout([*([0] * count), *ranks], heights, ends)
    arrows = []
    for (_, _, way), line in zip(ways, lines, strict=True):
        kind = f"{way['kind']} back" if line.back else way["kind"]
        where = f"b{line.source} b{line.target}"
        x = int(nodes[line.target].x)
        arrows.append(Arrow(kind, line.d, x, round(line.port), _label(way), _way(way, to=True), where))
    boxes = tuple(_box(node, each) for node, each in zip(nodes, [*inputs, *layers], strict=False))
    bottom = max([node.y + node.height / 2 + node.below for node in nodes] + [line.low + 8 for line in lines])
    back = 40 if any(line.back for line in lines) else 0
    totals = found["totals"]
    summary = (
        f"{len(layers)} layers with {totals['neurons']:,} neurons and {totals['weights']:,} weights, "
        f"{len(inputs)} input{'s' * (len(inputs) > 1)}, {totals['edges']} edge{'s' * (totals['edges'] != 1)}"
    )
    return Graph(
        left=-_MARGIN,
        top=-_MARGIN,
        width=int(max(node.x for node in nodes)) + layout.BOX + 2 * _MARGIN + back,
        height=round(bottom) + 2 * _MARGIN,
        box=layout.BOX,
        boxes=boxes,
        arrows=tuple(arrows),
        summary=summary,
        words=_words(found),
    )


def _ranks(net: Net) -> list[int]:
    """Return the column of each layer: behind all that feed it and run before it, the inputs being column 0."""
    ranks: dict[int, int] = {}
    for group in net.groups:
        for i in group:
            ranks[i] = 1 + max((ranks.get(each.source, 0) for each in net.incoming(i)), default=0)
    return [ranks[i] for i in range(len(net.layers))]


def _box(node: layout.Node, each: dict[str, Any]) -> Box:
    is_input = "channels" in each
    if is_input:
        kind, words = "input", [f"input, {each['channels']:,}"]
    else:
        kind = "layer answer" if each["answer"] else "layer"
        size = drawing.shape(each["shape"]).replace("x", _TIMES)
        words = [f"{each['neuron']}, {size}", f"latency {each['latency']}"]
        if each["cpg"]:
            words[1] += f", {each['cpg']} CPG"
    height = round(node.height)
    cut = tuple(_short(word, _LETTERS + 2 * bool(at)) for at, word in enumerate([each["name"], *words]))
    return Box(kind, int(node.x), round(node.y - height / 2), height, cut, _what(each))


def _what(each: dict[str, Any]) -> str:
    """Return an input or a layer in words."""
    if "channels" in each:
        return f"Input {each['name']}: {each['channels']:,} channel{'s' * (each['channels'] != 1)}, {each['kind']}"
    shape = f" as {drawing.shape(each['shape'])}" if len(each["shape"]) > 1 else ""
    cpg = f", {each['cpg']} oscillators" if each["cpg"] else ""
    answer = ", an answer of the network" if each["answer"] else ""
    size = f"{each['neurons']:,} neuron{'s' * (each['neurons'] != 1)}{shape}"
    return f"Layer {each['name']}: {each['neuron']}, {size}, latency {each['latency']}{cpg}{answer}"


def _way(way: dict[str, Any], *, to: bool = False) -> str:
    """Return a way into a layer in words."""
    kind = {"own": "its own synapses", "feedback": "its feedback", "edge": "an edge"}[way["kind"]]
    ends = f"{way['source']} to {way['target']}" if to else f"from {way['source']}"
    told = f"{ends}: {kind}, {way['synapse']} {drawing.shape(way['shape'])}, {way['weights']:,} weights"
    return ", ".join(filter(None, [told, drawing.shift(way), drawing.delays(way) or "no delay"]))


def _label(way: dict[str, Any]) -> str:
    shortest, longest = way["delays"]
    size = drawing.shape(way["shape"]).replace("x", _TIMES)
    late = "" if not longest else f" +{longest}" if shortest == longest else f" +{shortest}{_TO}{longest}"
    return size + late


def _words(found: dict[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    layers = {layer["name"]: layer for layer in found["layers"]}
    told = [(_what(source), ()) for source in found["inputs"]]
    for group in found["order"]:
        for name in group:
            circle = f"; in a circle with {', '.join(one for one in group if one != name)}" if len(group) > 1 else ""
            told.append((_what(layers[name]) + circle, tuple(_way(way) for way in layers[name]["ways"])))  # type: ignore[arg-type]
    return tuple(told)


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"

"""A layered layout of a graph: in which column and at which height each box stands, and where each line runs.

Columns follow the order of running, so every line but those of circles leads to the right. A line over several columns
keeps a lane of its own in each of them; lines that lead back run below everything. Within a column, boxes and lanes are
ordered and placed by the mean of what they are connected to.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

BOX, CURVE = 160, 64
"""Width of a box, and of the part of the space between columns in which lines bend; labels take the rest."""
ROW, LANE, LOOP, SPACE = 19, 8, 18, 32
"""Height of a line at its target and in a column that it passes, that of a loop, and what lies between boxes."""
_SWEEPS = 12


@dataclass
class Node:
    """A box, or the lane of a line in a column that it passes."""

    rank: int
    height: float
    below: float = 0.0
    """Room under a box for the lines that lead back to it at once."""
    lane: bool = False
    x: float = 0.0
    """Left edge."""
    y: float = 0.0
    """Middle of the box."""
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)


@dataclass
class Line:
    """A line from a box to another.

    Parameters
    ----------
    source, target : int
        Which boxes.
    label : float
        Width of its label, for which it runs straight in front of its target.
    back : bool
        Whether it leads to a box that runs no later.
    path : list of int
        Source, lanes and target.
    port : float
        Height of its end.
    low : float
        How far down it runs, if it leads back.
    d : str
        Its path in SVG.
    """

    source: int
    target: int
    label: float
    back: bool
    path: list[int] = field(default_factory=list)
    port: float = 0.0
    low: float = 0.0
    d: str = ""


def layout(
    ranks: Sequence[int], heights: Sequence[float], ends: Sequence[tuple[int, int, float]]
) -> tuple[list[Node], list[Line]]:
    """Place boxes and lines.

    Parameters
    ----------
    ranks : sequence of int
        The column of each box.
    heights : sequence of float
        How high each box must be at least; those with many lines become higher.
    ends : sequence of (source, target, width of the label)
        Lines between boxes.

    Returns
    -------
    nodes : list of Node
        The boxes, and behind them the lanes.
    lines : list of Line
        In the order of `ends`.
    """
    arriving = [sum(target == i for _, target, _ in ends) for i in range(len(ranks))]
    nodes = [
        Node(rank, max(height, ROW * (count + 1))) for rank, height, count in zip(ranks, heights, arriving, strict=True)
    ]
    lines = [Line(source, target, label, ranks[source] >= ranks[target]) for source, target, label in ends]
    for line in lines:
        if line.source == line.target:
            nodes[line.source].below += LOOP
        if not line.back:
            _add_lanes(nodes, line)
    columns = _ordered(nodes)
    _place(nodes, columns)
    x = 0.0
    for column in columns:
        x += max((line.label for line in lines if line.target in column), default=0)
        for i in column:
            nodes[i].x = x
        x += BOX + CURVE
    _set_ports(nodes, lines)
    _draw(nodes, lines)
    return nodes, lines


def _add_lanes(nodes: list[Node], line: Line) -> None:
    line.path = [line.source]
    for rank in range(nodes[line.source].rank + 1, nodes[line.target].rank):
        line.path.append(len(nodes))
        nodes.append(Node(rank, LANE, lane=True))
    line.path.append(line.target)
    for a, b in itertools.pairwise(line.path):
        nodes[a].after.append(b)
        nodes[b].before.append(a)


def _ordered(nodes: list[Node]) -> list[list[int]]:
    """Return the nodes of each column from top to bottom, with few crossings."""
    columns: list[list[int]] = [[] for _ in range(max(node.rank for node in nodes) + 1)]
    for i, node in enumerate(nodes):
        columns[node.rank].append(i)
    place = {i: float(at) for column in columns for at, i in enumerate(column)}
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else columns[::-1]:
            means = {}
            for i in column:
                near = nodes[i].before if forward else nodes[i].after
                means[i] = sum(place[j] for j in near) / len(near) if near else place[i]
            column.sort(key=lambda i: (means[i], place[i]))
            for at, i in enumerate(column):
                place[i] = at - len(column) / 2
    return columns


def _place(nodes: list[Node], columns: list[list[int]]) -> None:
    """Give every node a height: near what it is connected to, in its column's order and without overlaps."""
    for column in columns:
        for i in column:
            nodes[i].y = 0.0
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            wanted = []
            for i in column:
                near = nodes[i].before + nodes[i].after
                wanted.append(sum(nodes[j].y for j in near) / len(near) if near else nodes[i].y)
            for i, y in zip(column, _apart(nodes, column, wanted), strict=True):
                nodes[i].y = y
    top = min(node.y - node.height / 2 for node in nodes)
    for node in nodes:
        node.y -= top


def _apart(nodes: list[Node], column: list[int], wanted: list[float]) -> list[float]:
    """Return heights near those that are wanted, with enough room between neighbours."""
    rooms = []
    for a, b in itertools.pairwise(column):
        space = SPACE / 2 if nodes[a].lane or nodes[b].lane else SPACE
        space = SPACE / 4 if nodes[a].lane and nodes[b].lane else space
        rooms.append((nodes[a].height + nodes[b].height) / 2 + nodes[a].below + space)
    down, up = list(wanted), list(wanted)
    for k, room in enumerate(rooms):
        down[k + 1] = max(down[k + 1], down[k] + room)
    for k in range(len(rooms) - 1, -1, -1):
        up[k] = min(up[k], up[k + 1] - rooms[k])
    return [(a + b) / 2 for a, b in zip(down, up, strict=True)]


def _set_ports(nodes: list[Node], lines: list[Line]) -> None:
    """Spread the lines that end at a box over its left side, in the order of the heights that they come from."""
    for i, node in enumerate(nodes):
        here = [line for line in lines if line.target == i]
        here.sort(key=lambda line: (line.back, line.source == line.target, nodes[line.path[-2]].y if line.path else 0))
        room = min(node.height / (len(here) + 1), 24) if here else 0
        for at, line in enumerate(here):
            line.port = node.y + (at - (len(here) - 1) / 2) * room


def _draw(nodes: list[Node], lines: list[Line]) -> None:
    bottom = max(node.y + node.height / 2 + node.below for node in nodes)
    back = [line for line in lines if line.back and line.source != line.target]
    back.sort(key=lambda line: nodes[line.source].rank - nodes[line.target].rank)
    loops: dict[int, int] = {}
    for line in lines:
        if line.source == line.target:
            number = loops[line.source] = loops.get(line.source, 0) + 1
            node = nodes[line.source]
            line.low = node.y + node.height / 2 + number * LOOP - 6
            line.d = _back(nodes, line, number)
        elif not line.back:
            line.d = _forward(nodes, line)
    for number, line in enumerate(back):
        line.low = bottom + 20 + number * ROW
        line.d = _back(nodes, line, 2 + number % 6)


def _forward(nodes: list[Node], line: Line) -> str:
    source, target = nodes[line.source], nodes[line.target]
    x, y = source.x + BOX, source.y
    d = f"M{x:.0f} {y:.1f}"
    for i in line.path[1:]:
        node = nodes[i]
        end, height = (node.x, node.y) if node.lane else (target.x - line.label, line.port)
        half = (x + end) / 2
        d += f"C{half:.0f} {y:.1f} {half:.0f} {height:.1f} {end:.0f} {height:.1f}"
        if node.lane:
            d += f"h{BOX}"
        x, y = node.x + BOX, height
    return d + f"H{target.x:.0f}"


def _back(nodes: list[Node], line: Line, number: int) -> str:
    """Return a line that leaves a box at its right, runs below and comes back at the left of its target."""
    source, target, low = nodes[line.source], nodes[line.target], line.low
    right, left = source.x + BOX + 6 + 5 * number, target.x - line.label - 2 - 5 * number
    y, r = source.y + min(source.height / 2 - 8, 8 + 3 * number), 8
    return (
        f"M{source.x + BOX:.0f} {y:.1f}H{right - r:.0f}Q{right:.0f} {y:.1f} {right:.0f} {y + r:.1f}V{low - r:.1f}"
        f"Q{right:.0f} {low:.1f} {right - r:.0f} {low:.1f}H{left + r:.0f}Q{left:.0f} {low:.1f} {left:.0f} {low - r:.1f}"
        f"V{line.port + r:.1f}Q{left:.0f} {line.port:.1f} {left + r:.0f} {line.port:.1f}H{target.x:.0f}"
    )

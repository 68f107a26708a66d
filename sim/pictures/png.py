"""Figures as pixels, for those who cannot use SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .figures import Figure, Panel
from .figures import Path as Drawn

_COLOURS = {
    "both": "#134e4a", "spike": "#c2410c", "expected": "#2563eb", "found": "#c2410c", "differs": "#ef4444",
    "cpg": "#a16207", "threshold": "#7c3aed", "membrane": "#0f766e",
}  # fmt: skip
_INCH = 100
"""Pixels."""
_MARK = re.compile(r"([MmLh]) ?(-?[\d.e+-]+)(?: (-?[\d.e+-]+))?")


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write figures one below the other as a PNG file."""
    from matplotlib.figure import Figure as Canvas

    heights = [panel.pixels for figure in figures for panel in figure.panels]
    canvas = Canvas(figsize=(9, (sum(heights) + 70 * len(figures)) / _INCH), dpi=2 * _INCH, layout="constrained")
    axes = np.atleast_1d(canvas.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}))
    at = iter(axes)
    for figure in figures:
        for place, panel in enumerate(figure.panels):
            _draw(next(at), figure, panel, first=place == 0, last=place == len(figure.panels) - 1)
    canvas.savefig(path, format="png")


def _draw(axis: Any, figure: Figure, panel: Panel, *, first: bool, last: bool) -> None:
    for path in panel.paths:
        x, y = points(path)
        kind, _, wide = path.kind.partition(" ")
        if kind in ("membrane", "threshold"):
            axis.plot(x, y, color=_COLOURS[kind], linewidth=4 if wide else 1, alpha=0.3 if wide else 1)
        else:
            size = 40 if kind == "differs" else 3
            axis.scatter(x, y, s=size, color=_COLOURS[kind], alpha=0.5 if kind == "differs" else 1, linewidths=0)
    axis.set(xlim=(0, figure.steps), ylim=(panel.top + panel.height, panel.top))
    axis.set_yticks([panel.top, panel.top + panel.height], panel.ticks, fontsize=7)
    axis.set_ylabel(f"{panel.label}\n{panel.axis}", fontsize=8)
    axis.tick_params(axis="x", labelbottom=last, labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    if first:
        axis.set_title(figure.title, fontsize=10, loc="left")
    if last:
        axis.set_xlabel("time step", fontsize=8)


def points(path: Drawn) -> tuple[list[float], list[float]]:
    """Return the points of a path as `figures` writes them: dots, or a line."""
    xs, ys = [], []
    x = y = 0.0
    for command, first, second in _MARK.findall(path.d):
        a = float(first)
        if command == "h":
            x += a
            if not a:
                continue  # a dot, whose place is there already
        elif command == "m":
            x, y = x + a, y + float(second)
        else:
            x, y = a, float(second)
        xs.append(x)
        ys.append(y)
    return xs, ys

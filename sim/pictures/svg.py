"""Figures as one SVG picture that stands by itself: in a notebook, in a browser, in a paper."""

from __future__ import annotations

import html
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...contract.errors import InputError
from ...export import files
from . import style
from .figures import Figure, Panel

_WIDTH, _LEFT, _RIGHT = 900, 150, 16
"""Pixels of a picture, and of what stands at the left and at the right of its panels."""
_HEAD, _LINE, _GAP, _FOOT = 30, 18, 5, 40
"""Pixels of a title, of a line of words, between panels and under the last panel."""
_LETTERS = 150
"""So many letters fit into a line."""
_SMALLEST, _LARGEST = 2.2, 9.0
"""Pixels of the room of a spike, at least and at most."""


class Picture(NamedTuple):
    """A picture: a notebook shows it by itself."""

    figures: tuple[Figure, ...]

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Picture({'; '.join(figure.title for figure in self.figures)})"

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        return svg(self.figures)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the file appears whole or not at all.

        Parameters
        ----------
        path : path-like
            A file that ends in ``.svg`` or ``.png``.

        Raises
        ------
        InputError
            It ends in something else, or cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending not in (".svg", ".png"):
            raise InputError(f"{path}: pictures are written as .svg or .png. Give the file one of these endings.")
        files.check(Path(path), force=True)
        with files.replacing(Path(path)) as temporary:
            if ending == ".svg":
                temporary.write_text(self.svg, encoding="utf-8", errors="backslashreplace")
            else:
                from . import png

                png.write(self.figures, temporary)
        return Path(path)


def svg(figures: Sequence[Figure]) -> str:
    """Return figures one below the other."""
    parts, y = [], 0.0
    for figure in figures:
        drawn, y = _figure(figure, y)
        parts += drawn
    css = f"""{style.variables(_SCOPE)}
{style.strokes(_SCOPE)}
{_SCOPE} {{ background: var(--page); font: 13px system-ui, sans-serif; }}
{_SCOPE} text {{ fill: var(--ink); }} {_SCOPE} .small {{ font-size: 11px; fill: var(--soft); }}
{_SCOPE} .head {{ font-size: 15px; font-weight: 600; }} {_SCOPE} rect {{ fill: var(--card); }}"""
    titles = html.escape("; ".join(figure.title for figure in figures))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="spikeproof" viewBox="0 0 {_WIDTH} {y:.0f}" width="{_WIDTH}" '
        f'height="{y:.0f}" role="img" aria-label="{titles}"><style>{css}</style>' + "\n".join(parts) + "</svg>"
    )


_SCOPE = "svg.spikeproof"


def _figure(figure: Figure, y: float) -> tuple[list[str], float]:
    """Return what draws a figure that begins at a height, and where the next one begins."""
    parts = [_text(4, y + 18, figure.title, "head")]
    y += _HEAD
    for line in _lines(figure.words):
        parts.append(_text(4, y + 10, line, "small"))
        y += _LINE
    x = float(_LEFT)
    for kind, words in figure.legend:
        mark = "M0 5h16" if kind in ("membrane", "threshold") else "M8 5h0"
        parts.append(
            f'<g transform="translate({x:.0f} {y + 1:.0f})" style="--dot:6"><path class="{kind}" d="{mark}"/></g>'
        )
        parts.append(_text(x + 22, y + 10, words, "small"))
        x += 40 + 6.2 * len(words)
    y += _LINE
    for panel in figure.panels:
        parts += _panel(panel, figure, y)
        y += panel.pixels + _GAP
    wide = _WIDTH - _LEFT - _RIGHT
    for tick in figure.ticks:
        parts.append(_text(_LEFT + wide * tick / figure.steps, y + 10, str(tick), "small", "middle"))
    parts.append(_text(_LEFT + wide / 2, y + 27, "time step", "small", "middle"))
    return parts, y + _FOOT


def _panel(panel: Panel, figure: Figure, y: float) -> list[str]:
    wide = _WIDTH - _LEFT - _RIGHT
    row = panel.pixels / panel.height if figure.kind == "spikes" else _LARGEST
    dot = min(_LARGEST, max(_SMALLEST, min(wide / figure.steps, row)))
    paths = "".join(f'<path class="{path.kind}" d="{path.d}"/>' for path in panel.paths if path.d)
    middle = y + panel.pixels / 2
    return [
        f'<rect x="{_LEFT}" y="{y:.1f}" width="{wide}" height="{panel.pixels}"/>',
        f'<svg x="{_LEFT}" y="{y:.1f}" width="{wide}" height="{panel.pixels}" preserveAspectRatio="none" '
        f'viewBox="0 {panel.top} {figure.steps} {panel.height}" style="--dot:{dot:.2f}">{paths}</svg>',
        _text(4, y + 12, panel.label),
        _text(4, y + 26, panel.note, "small"),
        _text(_LEFT - 6, y + 9, panel.ticks[0], "small", "end"),
        _text(_LEFT - 6, y + panel.pixels - 1, panel.ticks[1], "small", "end"),
        f'<text class="small" text-anchor="middle" transform="translate({_LEFT - 30} {middle:.1f}) rotate(-90)">'
        f"{html.escape(panel.axis)}</text>",
    ]


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _lines(words: str) -> list[str]:
    return textwrap.wrap(words, _LETTERS)

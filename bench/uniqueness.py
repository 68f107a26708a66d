"""Compare published CPG codes with as many designed ones, no two equal: how many differ, and what that is worth.

Takes the lines of `grid.py`: runs that differ in ``position=cpg`` and ``position=cpg-designed`` alone are a pair.
Prints a table and draws a figure.

    python bench/uniqueness.py bench/results/positions.jsonl --figure docs/uniqueness.png
"""

from __future__ import annotations

import argparse
import functools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import grid
import numpy as np
from pages import markdown
from pages.markdown import Line
from pages.pairs import compare

from spikeproof.train.analysis import figures as analysis_figures
from spikeproof.train.runs.recipe import Recipe, find
from spikeproof.train.sequence.position import PositionOptions, distinct, table

CODES = ("cpg", "cpg-designed")
SIZES = (24, 48, 96, 192, 384, 672)
"""Numbers of positions, spike steps times length, of the left picture."""


class Pairs(NamedTuple):
    """Runs of one task and network with either code."""

    label: str
    positions: int
    channels: int
    distinct: tuple[int, int]
    """Different codes among the positions, published and designed."""
    scores: tuple[list[float], list[float]]
    """Of the seeds that both have, in order: R² or accuracy times 100."""

    @property
    def gains(self) -> list[float]:
        """Designed minus published, a seed each."""
        return [designed - published for published, designed in zip(*self.scores, strict=True)]


def pairs(lines: Sequence[Line]) -> list[Pairs]:
    """Return the pairs in grids' lines, sorted by what they are called."""
    scores: dict[tuple[str, tuple[str, ...]], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        named = markdown.named(line)
        code, seed = named.pop("position", "none"), int(named.pop("seed", 0))
        if code in CODES:
            alike = line["recipe"], tuple(f"{key}={value}" for key, value in named.items())
            scores[alike][code][seed] = markdown.worth(line)
    found = []
    for (name, settings), by_code in scores.items():
        seeds = sorted(set.intersection(*(set(by_code[code]) for code in CODES)))
        if not seeds:
            continue
        recipe = find(name).replace([*settings, "position=cpg"])
        length = _length(name, settings)
        counts = tuple(_distinct(code, recipe, length) for code in CODES)
        both = tuple([by_code[code][seed] for seed in seeds] for code in CODES)
        label = f"{name}, {recipe.model}, N = {recipe.position_channels}"
        found.append(Pairs(label, recipe.spike_steps * length, recipe.position_channels, counts, both))
    return sorted(found, key=lambda one: (one.label.rpartition("N")[0], one.channels))


@functools.lru_cache
def _length(name: str, settings: tuple[str, ...]) -> int:
    return int(find(name).replace([*settings, "position=cpg"]).load_task().train.x.shape[-1])


def _distinct(code: str, recipe: Recipe, length: int) -> int:
    options = PositionOptions(code, recipe.position_channels, recipe.position_w_max)
    return distinct(table(options, recipe.spike_steps, length))


def order(lines: Sequence[Line]) -> str:
    """Return the pairs of lines as a table."""
    return _table(pairs(lines))


def _table(found: Sequence[Pairs]) -> str:
    rows = [
        (
            one.label,
            one.positions,
            *one.distinct,
            len(one.gains),
            *map(markdown.spread, one.scores),
            compare(one.gains),
        )
        for one in found
    ]
    head = ("", "positions", "different codes, published", "designed", "seeds", "published", "designed")
    return markdown.table((*head, "designed - published"), rows)


def shares(sizes: Sequence[int] = SIZES) -> dict[str, np.ndarray]:
    """Return the share of different codes among so many positions, of published codes of some sizes."""
    return {
        f"N = {channels}, w_max = {w_max:g}": np.array(
            [distinct(table(PositionOptions("cpg", channels, w_max), 1, size)) / size for size in sizes]
        )
        for channels in (8, 16, 40)
        for w_max in (10000.0, 1000.0)
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, nargs="+", help="files of JSON lines that grid.py wrote")
    parser.add_argument("--figure", type=Path, help="where to draw; the suffix says in which format")
    asked = parser.parse_args()
    lines = [line for path in asked.lines for line in grid.read(path)]
    found = pairs(lines)
    print(_table(found))
    if asked.figure:
        figure = analysis_figures.code_uniqueness(SIZES, shares(), {one.label: one.gains for one in found})
        analysis_figures.save(figure, asked.figure)


if __name__ == "__main__":
    main()

"""Cells and tables of Markdown, and what all tables take from lines."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence

from grids.point import Line


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; every row has as many cells as the head."""
    below = list(rows)
    if any(len(row) != len(head) for row in below):
        raise ValueError(f"A row has not the {len(head)} cells of its head.")
    first, *others = (f"| {' | '.join(map(str, row))} |" for row in (head, *below))
    return "\n".join([first, "|---" * len(head) + "|", *others])


def spread(values: Sequence[float], digits: int = 1, unit: str = "") -> str:
    """Return mean and standard deviation, or the one value that there is."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean}{unit}" if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}{unit}"


def named(line: Line) -> dict[str, str]:
    """Return a line's settings by their names."""
    return dict(one.split("=", 1) for one in line["settings"])


def worth(line: Line) -> float:
    """Return R² in the authors' way, or the score of what is no forecast, both times 100."""
    result = line["result"]
    return float(100 * (result.get("measures") or {}).get("r2_code", result["test_score"]))


def by_seed(lines: Iterable[Line]) -> list[tuple[tuple[str, ...], list[Line]]]:
    """Return what was asked for, but for the seed, and the lines of its seeds in their order."""

    def asked(line: Line) -> tuple[str, ...]:
        return tuple(one for one in line["settings"] if not one.startswith("seed="))

    listed = list(lines)
    order = {settings: i for i, settings in enumerate(dict.fromkeys(map(asked, listed)))}
    ordered = sorted(listed, key=lambda line: (order[asked(line)], int(named(line).get("seed", 0))))
    return [(settings, list(same)) for settings, same in itertools.groupby(ordered, asked)]


def rates(lines: Sequence[Line], digits: int = 2) -> str:
    """Return the mean firing rates of the layers of some runs."""
    layers = zip(*(line["result"]["firing_rates"] or () for line in lines), strict=True)
    return ", ".join(f"{statistics.fmean(layer):.{digits}f}" for layer in layers)


def code(text: str) -> str:
    """Return text as code."""
    return f"`{text}`"

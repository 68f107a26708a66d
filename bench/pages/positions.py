"""Tables of positional encodings beside small networks.

A value is R² in the authors' way, or the accuracy, both times 100. Intervals are of 95 %, of the mean, by Student's t.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from grids.positions import DATASETS, OURS, POSITIONS

from .markdown import Line, named, spread, table, worth
from .pairs import compare, differences


class Run(NamedTuple):
    """What counts of a line."""

    dataset: str
    model: str
    position: str
    seed: int
    metric: str
    value: float
    """The more the better."""
    parameters: int


def run(line: Line) -> Run:
    """Return what counts of a line: R² in the authors' way, or the accuracy, both times 100."""
    result, settings = line["result"], named(line)
    metric = "R²" if "r2_code" in result["measures"] else result["metric"]
    what = (settings[key] for key in ("model", "position"))
    return Run(line["recipe"], *what, int(settings["seed"]), metric, worth(line), result["parameters"])


def pairs(runs: Iterable[Run], other: str) -> list[float]:
    """Return by how much CPG-PE is better than another encoding, wherever both were trained alike."""
    found = {(one.dataset, one.model, one.seed, one.position): one.value for one in runs}
    return differences(found, OURS, other)


def scores(lines: Sequence[Line]) -> str:
    """Return mean and standard deviation over seeds of each model with each encoding."""
    runs = [run(line) for line in lines]
    positions, rows = _positions(runs), []
    for title, model, cells in _cells(runs):
        means = {position: statistics.fmean(one.value for one in cell) for position, cell in cells.items()}
        told = {position: spread([one.value for one in cell]) for position, cell in cells.items()}
        best = max(means, key=means.__getitem__)
        mean, space, rest = told[best].partition(" ")
        told[best] = f"**{mean}**{space}{rest}"
        rows.append((title, model, *(told.get(position, "") for position in positions)))
    return table(("", "model", *positions), rows)


def paired(lines: Sequence[Line]) -> str:
    """Return what CPG-PE gives more than another encoding to the same model with the same seed."""
    runs = [run(line) for line in lines]
    others = [position for position in _positions(runs) if position != OURS]
    rows: list[Sequence[object]] = []
    for dataset in _datasets(runs):
        compared = [pairs([one for one in runs if one.dataset == dataset], other) for other in others]
        told = [compare(group) if group else "" for group in compared]
        rows.append((dataset, max(map(len, compared), default=0), *told))
    compared = [pairs(runs, other) for other in others]
    signs = [f"{sum(one > 0 for one in group)} : {sum(one < 0 for one in group)}" for group in compared]
    rows.append(("all", max(map(len, compared), default=0), *signs))
    return table(("", "pairs", *others), rows)


def sizes(lines: Sequence[Line]) -> str:
    """Return the number of parameters of each model with each encoding."""
    runs = [run(line) for line in lines]
    positions = _positions(runs)
    rows = [
        (
            title.partition(",")[0],
            model,
            *(f"{cells[one][0].parameters:,}" if one in cells else "" for one in positions),
        )
        for title, model, cells in _cells(runs)
    ]
    return table(("", "model", *positions), rows)


def _positions(runs: Sequence[Run]) -> list[str]:
    present = {one.position for one in runs}
    return [position for position in POSITIONS if position in present]


def _datasets(runs: Sequence[Run]) -> list[str]:
    present = {one.dataset for one in runs}
    return [dataset for dataset in DATASETS if dataset in present]


def _cells(runs: Sequence[Run]) -> Iterator[tuple[str, str, dict[str, list[Run]]]]:
    """Return dataset and metric, model, and its runs by their encoding."""
    for dataset in _datasets(runs):
        of_set = [one for one in runs if one.dataset == dataset]
        for model in dict.fromkeys(one.model for one in of_set):
            cells: dict[str, list[Run]] = {}
            for one in of_set:
                if one.model == model:
                    cells.setdefault(one.position, []).append(one)
            yield f"{dataset}, {of_set[0].metric}", model, cells

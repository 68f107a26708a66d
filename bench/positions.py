"""The grid that compares positional encodings, and tables of its lines; `grid.py` trains the one and prints the others.

For every dataset, the mean and the standard deviation over seeds of each model with each encoding, and the number of
parameters. Then what CPG-PE gives more than another encoding to the same model with the same seed: the mean difference
of the pairs, its 95 % interval by Student's t, and how many pairs CPG-PE wins and loses.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from scipy import stats

DATASETS = {
    "etth1": ("learning_rate=1e-2", "window=12", "horizon=6", "stride=3", "epochs=3"),
    "los": ("learning_rate=1e-2", "epochs=4"),
    "subj": ("learning_rate=3e-2", "stride=2", "epochs=1"),
    "cifar10": ("learning_rate=1e-2", "stride=3", "epochs=3"),
}
"""Recipe -> what makes it small."""
MODELS = {"spike-rnn": ("hidden=64",), "spike-tcn": ("hidden=32",), "spikformer": ("hidden=32",)}
SMALL = ("depth=1", "spike_steps=2")
POSITIONS = ("none", "random", "sinusoid", "relative", "learned", "cpg", "cpg-designed")
OURS = "cpg"
"""The encoding that others are compared with."""

Line = dict[str, Any]
"""Of a file that `grid.py` writes."""


def points() -> list[tuple[str, tuple[str, ...]]]:
    """Return the grid of one seed."""
    return [
        (recipe, (f"model={model}", f"position={position}", *SMALL, *width, *small))
        for recipe, small in DATASETS.items()
        for model, width in MODELS.items()
        for position in POSITIONS
    ]


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


class Comparison(NamedTuple):
    """Differences of pairs."""

    mean: float
    half: float
    """Half of the 95 % interval of the mean; NaN for a single pair."""
    wins: int
    losses: int
    pairs: int

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ± {self.half:.1f}, {self.wins} : {self.losses}"


def run(line: Line) -> Run:
    """Return what counts of a line: R² in the authors' way, or the accuracy, both times 100."""
    result, settings = line["result"], dict(one.split("=", 1) for one in line["settings"])
    forecast = "r2_code" in result["measures"]
    value = result["measures"]["r2_code"] if forecast else result["test_score"]
    metric = "R²" if forecast else result["metric"]
    what = (settings[key] for key in ("model", "position"))
    return Run(line["recipe"], *what, int(settings["seed"]), metric, 100 * value, result["parameters"])


def compare(differences: Sequence[float]) -> Comparison:
    """Return what pairs differ by."""
    count = len(differences)
    half = math.nan
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    wins, losses = (sum(sign * difference > 0 for difference in differences) for sign in (1, -1))
    return Comparison(statistics.fmean(differences), half, wins, losses, count)


def pairs(runs: Iterable[Run], other: str) -> list[float]:
    """Return by how much CPG-PE is better than another encoding, wherever both were trained alike."""
    found = {(one.dataset, one.model, one.seed, one.position): one.value for one in runs}
    return [
        value - found[(*alike, other)]
        for (*alike, position), value in found.items()
        if position == OURS and (*alike, other) in found
    ]


def tables(lines: Sequence[Line]) -> str:
    """Return the tables, Markdown."""
    runs = [run(line) for line in lines]
    datasets = [dataset for dataset in DATASETS if any(one.dataset == dataset for one in runs)]
    present = {one.position for one in runs}
    positions = [position for position in POSITIONS if position in present]
    head = "| " + " | ".join(["", "model", *positions]) + " |"
    rule = "|---" * (len(positions) + 2) + "|"
    scores, sizes = [head, rule], [head, rule]
    for dataset in datasets:
        of_set = [one for one in runs if one.dataset == dataset]
        for model in dict.fromkeys(one.model for one in of_set):
            cells = [[one for one in of_set if (one.model, one.position) == (model, where)] for where in positions]
            means = [statistics.fmean(one.value for one in cell) if cell else -math.inf for cell in cells]
            texts = [
                _spread([one.value for one in cell], mean == max(means))
                for cell, mean in zip(cells, means, strict=True)
            ]
            scores.append(f"| {dataset}, {of_set[0].metric} | {model} | " + " | ".join(texts) + " |")
            counts = [f"{cell[0].parameters:,}" if cell else "" for cell in cells]
            sizes.append(f"| {dataset} | {model} | " + " | ".join(counts) + " |")
    others = [position for position in positions if position != OURS]
    against = ["| | pairs | " + " | ".join(others) + " |", "|---" * (len(others) + 2) + "|"]
    for dataset in datasets:
        compared = [pairs([one for one in runs if one.dataset == dataset], other) for other in others]
        texts = [str(compare(differences)) if differences else "" for differences in compared]
        against.append(f"| {dataset} | {max(map(len, compared), default=0)} | " + " | ".join(texts) + " |")
    compared = [pairs(runs, other) for other in others]
    signs = [
        f"{sum(one > 0 for one in differences)} : {sum(one < 0 for one in differences)}" for differences in compared
    ]
    against.append(f"| all | {max(map(len, compared), default=0)} | " + " | ".join(signs) + " |")
    return "\n".join([*scores, "", *against, "", *sizes])


def _spread(values: Sequence[float], best: bool) -> str:
    if not values:
        return ""
    mean = f"**{statistics.fmean(values):.1f}**" if best else f"{statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.1f}"

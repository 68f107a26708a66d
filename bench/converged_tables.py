"""Tables of the lines of `converged.py`, Markdown: what each network is worth, and what pairs differ by.

A forecast is worth R², an answer the accuracy, both times 100. R² and RSE are given by both conventions, see
`spikeproof.train.tasks.objectives.relative_errors`. Of the encodings of a network the best mean is bold, and of equal
means the one of the smaller test loss. Runs that chose a learning rate are left out.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import converged
import positions

NAIVE = Path(__file__).parent / "results" / "naive.jsonl"
OURS = "cpg"
_MEASURES = ("r2_code", "rse_code", "r2_mean", "rse_mean")
OTHERS = tuple(name for name in (*converged.FIRST, *converged.REST, *converged.IN_ATTENTION) if name != OURS)

Line = dict[str, Any]


class Run(NamedTuple):
    """What counts of a line."""

    dataset: str
    horizon: int
    model: str
    position: str
    further: str
    """What sensitivity is measured to; empty for the published code."""
    seed: int
    value: float
    loss: float
    measures: dict[str, float]
    epoch: int
    parameters: int
    rate: float
    """Mean firing rate of the hidden layers; NaN for networks that do not spike."""

    @property
    def network(self) -> tuple[str, int, str]:
        """What has several encodings."""
        return self.dataset, self.horizon, self.model


def run(line: Line) -> Run:
    """Return what counts of a line."""
    result, settings = line["result"], dict(one.split("=", 1) for one in line["settings"])
    measures = result["measures"]
    value = measures.get("r2_code", result["test_score"])
    dataset = settings.get("task", line["recipe"])
    horizon = int(settings["horizon"]) if dataset in converged.FORECASTS else 0
    model = settings["model"] + "-xnor" * (settings.get("attention") == "xnor")
    further = ", ".join(converged.extra(dataset, line["settings"]))
    where = (dataset, horizon, model, settings["position"], further, int(settings["seed"]))
    rates = result["firing_rates"]
    mean = statistics.fmean(rates) if rates else math.nan
    return Run(*where, 100 * value, result["test_loss"], measures, result["epoch"], result["parameters"], mean)


def reported(lines: Iterable[Line], *, further: bool = False) -> list[Run]:
    """Return the runs that are reported: those of the published code, or those that vary it."""
    runs = [one for line in lines if (one := run(line)).seed in converged.SEEDS and bool(one.further) == further]
    return sorted(runs, key=_order)


def _order(one: Run) -> tuple[Any, ...]:
    models = [*converged.MODELS]
    place = models.index(one.model) if one.model in models else len(models)
    listed = (*converged.FIRST, *converged.REST, *converged.IN_ATTENTION)
    return (
        [*converged.DATASETS].index(one.dataset),
        one.horizon,
        place,
        one.model,
        listed.index(one.position),
        one.further,
        one.seed,
    )


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return mean and standard deviation."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def worth(lines: Sequence[Line], naive: Sequence[Line]) -> str:
    """Return the table of what each network is worth; naive forecasts stand behind those of their dataset."""
    head = (
        "| dataset, horizon | model | position | seeds | R² or accuracy, % | RSE, % | R² a variable | RSE a variable |"
    )
    head += " kept epoch | rate | parameters |"
    rows, runs = [head, "|---" * 11 + "|"], reported(lines)
    for (dataset, horizon), of_task in itertools.groupby(runs, lambda one: one.network[:2]):
        title = f"{dataset}, {horizon}" if horizon else dataset
        for _, of_network in itertools.groupby(of_task, lambda one: one.network):
            groups = [list(same) for _, same in itertools.groupby(of_network, lambda one: one.position)]
            best = max(groups, key=lambda same: (_mean(same, "value"), -_mean(same, "loss")))
            rows += [_row(title, same, same is best and len(groups) > 1) for same in groups]
        rows += [
            "| " + " | ".join((title, one["name"], "", "", *_percents(one["measures"], *_MEASURES), "", "", "")) + " |"
            for one in naive
            if (one["dataset"], one["horizon"]) == (dataset, horizon)
        ]
    return "\n".join(rows)


def _mean(runs: Sequence[Run], of: str) -> float:
    return statistics.fmean(getattr(one, of) for one in runs)


def _row(title: str, same: Sequence[Run], best: bool) -> str:
    first = same[0]
    value = spread([one.value for one in same])
    value = f"**{value}**" if best else value
    measures = {name: statistics.fmean(one.measures[name] for one in same) for name in _MEASURES if first.measures}
    rate = "" if math.isnan(first.rate) else f"{_mean(same, 'rate'):.2f}"
    cells = (title, first.model, first.position, str(len(same)), value, *_percents(measures, *_MEASURES[1:]))
    return "| " + " | ".join((*cells, f"{_mean(same, 'epoch'):.0f}", rate, f"{first.parameters:,}")) + " |"


def _percents(measures: dict[str, float], *names: str) -> list[str]:
    return [f"{100 * measures[name]:.1f}" if name in measures else "" for name in names]


def differences(runs: Iterable[Run], other: str) -> list[float]:
    """Return by how much CPG-PE is better than another encoding, wherever both were trained alike."""
    found = {(*one.network, one.seed, one.position): one.value for one in runs}
    return [
        value - found[(*alike, other)]
        for (*alike, position), value in found.items()
        if position == OURS and (*alike, other) in found
    ]


def paired(lines: Sequence[Line]) -> str:
    """Return the table of paired differences, and how many intervals it has."""
    runs = reported(lines)
    others = [other for other in OTHERS if differences(runs, other)]
    rows = ["| dataset, horizon | model | " + " | ".join(others) + " |", "|---" * (len(others) + 2) + "|"]
    intervals = 0
    for (dataset, horizon, model), same in itertools.groupby(runs, lambda one: one.network):
        of_network = list(same)
        cells = []
        for other in others:
            found = differences(of_network, other)
            cells.append(f"{positions.compare(found)}" if len(found) > 1 else "")
            intervals += len(found) > 1
        if any(cells):
            title = f"{dataset}, {horizon}" if horizon else dataset
            rows.append(f"| {title} | {model} | " + " | ".join(cells) + " |")
    beside = f"{intervals} intervals of 95 %: by chance alone, about {intervals / 20:.1f} of them would leave out 0."
    return "\n".join([*rows, "", beside])


def rates(lines: Sequence[Line]) -> str:
    """Return the learning rates that were chosen, and the validation scores of all candidates."""
    head = ["| dataset | model | " + " | ".join(converged.RATES) + " |", "|---" * (len(converged.RATES) + 2) + "|"]
    scores = {(line["recipe"], tuple(line["settings"])): line["result"]["validation_score"] for line in lines}
    rows = []
    for dataset, model in itertools.product(converged.DATASETS, converged.MODELS):
        rate = converged.chosen(dataset, model, lines)
        if rate is None:
            continue
        cells = [
            f"**{scores[one]:.4f}**" if of == rate else f"{scores[one]:.4f}"
            for one, of in zip(converged.candidates(dataset, model), converged.RATES, strict=True)
        ]
        rows.append(f"| {dataset} | {model} | " + " | ".join(cells) + " |")
    return "\n".join([*head, *rows])


def sensitivity(lines: Sequence[Line]) -> str:
    """Return what CPG-PE is worth with another size, wavelength, threshold or number of spike steps."""
    rows = ["| dataset, horizon | model | position | | seeds | R² or accuracy, % | rate |", "|---" * 7 + "|"]
    usual, varied = reported(lines), reported(lines, further=True)
    networks = {one.network for one in varied}
    runs = [*(one for one in usual if one.network in networks and one.position in ("none", OURS)), *varied]
    key = lambda one: (*one.network, one.further, one.position)  # noqa: E731
    for _, group in itertools.groupby(sorted(runs, key=key), key):
        same = list(group)
        first = same[0]
        cells = (f"{first.dataset}, {first.horizon}", first.model, first.position, first.further or "as above")
        rows.append(
            f"| {' | '.join(cells)} | {len(same)} | {spread([one.value for one in same])} | {_mean(same, 'rate'):.2f} |"
        )
    return "\n".join(rows) if varied else ""


def tables(lines: Sequence[Line]) -> str:
    """Return all tables."""
    naive = [json.loads(text) for text in NAIVE.read_text(encoding="utf-8").splitlines()]
    return "\n\n".join(filter(None, [worth(lines, naive), paired(lines), sensitivity(lines), rates(lines)]))


BEGIN, END = "<!-- tables of converged.jsonl -->", "<!-- end of these tables -->"


def write_into(path: Path, lines: Sequence[Line]) -> None:
    """Put the tables between the two marks of a page."""
    text = path.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    path.write_text(f"{before}{BEGIN}\n\n{tables(lines)}\n\n{after}", encoding="utf-8")

"""Tables of encodings in networks that were trained to the end: what each is worth, and what pairs differ by.

A forecast is worth R², an answer the accuracy, both times 100. R² and RSE are given by both conventions, see
`spikeproof.train.tasks.objectives.relative_errors`. Of the encodings of a network the best mean is bold, and of equal
means the one of the smaller test loss. Runs that chose a learning rate are left out.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from grids import converged

from . import markdown, pairs
from .markdown import Line, named, spread, table

OURS = "cpg"
_MEASURES = ("r2_code", "rse_code", "r2_mean", "rse_mean")
OTHERS = tuple(name for name in (*converged.FIRST, *converged.REST, *converged.IN_ATTENTION) if name != OURS)


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
    result, settings = line["result"], named(line)
    measures = result["measures"]
    dataset = settings.get("task", line["recipe"])
    horizon = int(settings["horizon"]) if dataset in converged.FORECASTS else 0
    model = settings["model"] + "-xnor" * (settings.get("attention") == "xnor")
    further = ", ".join(converged.extra(dataset, line["settings"]))
    where = (dataset, horizon, model, settings["position"], further, int(settings["seed"]))
    rates = result["firing_rates"]
    mean = statistics.fmean(rates) if rates else math.nan
    return Run(*where, markdown.worth(line), result["test_loss"], measures, result["epoch"], result["parameters"], mean)


def reported(lines: Iterable[Line], *, further: bool = False) -> list[Run]:
    """Return the runs that are reported: those of the published code, or those that vary it."""
    runs = [one for line in lines if (one := run(line)).seed != converged.RATE_SEED and bool(one.further) == further]
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


def worth(lines: Sequence[Line], naive: Sequence[Line]) -> str:
    """Return what each network is worth; behind those of a dataset, what needs no network."""
    rows, runs = [], reported(lines)
    for (dataset, horizon), of_task in itertools.groupby(runs, lambda one: one.network[:2]):
        title = _title(dataset, horizon)
        for _, of_network in itertools.groupby(of_task, lambda one: one.network):
            groups = [list(same) for _, same in itertools.groupby(of_network, lambda one: one.position)]
            best = _best(groups)
            rows += [_row(title, same, same is best and len(groups) > 1) for same in groups]
        rows += [
            (title, one["name"], "", "", *_without_network(one), "", "", "")
            for one in naive
            if (one["dataset"], one["horizon"]) == (dataset, horizon)
        ]
    head = ("dataset, horizon", "model", "position", "seeds", "R² or accuracy, %", "RSE, %", "R² a variable")
    return table((*head, "RSE a variable", "kept epoch", "firing rate", "parameters"), rows)


def _best(groups: Sequence[list[Run]]) -> list[Run]:
    """Return the runs of the best encoding of a network, by the seeds that all of its encodings have."""
    seeds = set.intersection(*({one.seed for one in same} for same in groups))

    def worth(same: list[Run]) -> tuple[float, float]:
        alike = [one for one in same if one.seed in seeds]
        return _mean(alike, "value"), -_mean(alike, "loss")

    return max(groups, key=worth)


def _without_network(one: Line) -> list[str]:
    """Return the cells of an answer that needs no network: R² and RSE, or the accuracy."""
    if one["measures"]:
        return _percents(one["measures"], *_MEASURES)
    return [f"{100 * one['test_score']:.1f}", *[""] * (len(_MEASURES) - 1)]


def _title(dataset: str, horizon: int) -> str:
    return f"{dataset}, {horizon}" if horizon else dataset


def _mean(runs: Sequence[Run], of: str) -> float:
    return statistics.fmean(getattr(one, of) for one in runs)


def _row(title: str, same: Sequence[Run], best: bool) -> tuple[str, ...]:
    first = same[0]
    value = spread([one.value for one in same])
    value = f"**{value}**" if best else value
    measures = {name: statistics.fmean(one.measures[name] for one in same) for name in _MEASURES if first.measures}
    rate = "" if math.isnan(first.rate) else f"{_mean(same, 'rate'):.2f}"
    cells = (title, first.model, first.position, str(len(same)), value, *_percents(measures, *_MEASURES[1:]))
    return (*cells, f"{_mean(same, 'epoch'):.0f}", rate, f"{first.parameters:,}")


def _percents(measures: dict[str, float], *names: str) -> list[str]:
    return [f"{100 * measures[name]:.1f}" if name in measures else "" for name in names]


def differences(runs: Iterable[Run], other: str, ours: str = OURS) -> list[float]:
    """Return by how much an encoding, CPG-PE, is better than another one, wherever both were trained alike."""
    found = {(*one.network, one.seed, one.position): one.value for one in runs}
    return pairs.differences(found, ours, other)


def paired(lines: Sequence[Line]) -> str:
    """Return paired differences, and how many intervals there are."""
    runs = reported(lines)
    compared = [(OURS, other) for other in OTHERS if differences(runs, other)]
    compared += [("sinusoid", "none")] * bool(differences(runs, "none", "sinusoid"))
    rows, intervals = [], 0
    for (dataset, horizon, model), same in itertools.groupby(runs, lambda one: one.network):
        of_network = list(same)
        differ = [differences(of_network, other, ours) for ours, other in compared]
        cells = [str(pairs.compare(found)) if len(found) > 1 else "" for found in differ]
        intervals += sum(len(found) > 2 for found in differ)
        if any(cells):
            rows.append((_title(dataset, horizon), model, *cells))
    heads = [f"{ours} - {other}" for ours, other in compared]
    beside = (
        f"{intervals} intervals of 95 %: by chance alone, about {intervals / 20:.1f} of them would leave out 0. The "
        "table of what varies CPG-PE has more."
    )
    return f"{table(('dataset, horizon', 'model', *heads), rows)}\n\n{beside}"


def sensitivity(lines: Sequence[Line]) -> str:
    """Return what CPG-PE is worth with another size, wavelength, threshold or number of spike steps.

    Behind it, for the same seeds: how much more than as published, and how much more than without a code. Spike steps
    are changed for both; the rest is CPG-PE's alone.
    """
    varied = reported(lines, further=True)
    if not varied:
        return ""
    networks = {one.network for one in varied}
    runs = [*(one for one in reported(lines) if one.network in networks and one.position in ("none", OURS)), *varied]
    value = {(one.network, one.further, one.position, one.seed): one.value for one in runs}

    def gain(same: Sequence[Run], further: str, position: str) -> str:
        """Return the differences to runs with other settings and the same seed."""
        if (further, position) == (same[0].further, same[0].position):
            return ""
        found = [one.value - value[key] for one in same if (key := (one.network, further, position, one.seed)) in value]
        return str(pairs.compare(found)) if len(found) > 1 else ""

    rows = []
    for _, group in itertools.groupby(
        sorted(runs, key=_by_further), lambda one: (*one.network, one.further, one.position)
    ):
        same = list(group)
        first = same[0]
        without = first.further if first.further in _STEPS else ""
        gains = gain(same, "", first.position), gain(same, without, "none") if first.position == OURS else ""
        cells = (
            _title(first.dataset, first.horizon),
            first.model,
            first.position,
            first.further or "as above",
            len(same),
        )
        rows.append((*cells, spread([one.value for one in same]), *gains, f"{_mean(same, 'rate'):.2f}"))
    head = ("dataset, horizon", "model", "position", "", "seeds", "R² or accuracy, %", "- as above", "- none", "rate")
    return table(head, rows)


_STEPS = tuple(extra for (extra,) in converged.OF_STEPS)


def _by_further(one: Run) -> tuple[Any, ...]:
    listed = ("", *(extra for (extra,) in (*converged.OF_CODE, *converged.OF_STEPS)))
    return (
        [*converged.DATASETS].index(one.dataset),
        one.horizon,
        one.model,
        listed.index(one.further),
        one.position,
        one.seed,
    )


def rates(lines: Sequence[Line]) -> str:
    """Return the validation scores of all learning rates; the one that was chosen is bold."""
    scores = {(line["recipe"], tuple(line["settings"])): line["result"]["validation_score"] for line in lines}
    rows = []
    for dataset, model in itertools.product(converged.DATASETS, converged.MODELS):
        rate = converged.chosen(dataset, model, lines)
        if rate is None:
            continue
        found = [f"{scores[one]:.4f}" for one in converged.candidates(dataset, model)]
        cells = [f"**{score}**" if of == rate else score for score, of in zip(found, converged.RATES, strict=True)]
        rows.append((dataset, model, *cells))
    return table(("dataset", "model", *converged.RATES), rows)

"""Tables of `bench/trials.py`: how training starts, and short runs with changed keys."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .markdown import Line, code, named, table

_COLUMNS = tuple((task, width) for task in ("s-mnist", "ps-mnist") for width in ("0.2", "0.4"))
_ASKED = ("epochs", "validation", "batch_size")
"""Settings that all runs of a table have."""


def norms(lines: Sequence[Line]) -> str:
    """Return the norms of the gradient before training, by the mean of the encoding."""
    return _norms(line for line in lines if "te_std" not in named(line))


def recurrent_norms(lines: Sequence[Line]) -> str:
    """Return the same of recurrent networks."""
    return _norms(line for line in lines if "recurrent" in named(line))


def _norms(lines: Iterable[Line]) -> str:
    found: dict[float, dict[tuple[str, str], list[float]]] = {}
    for line in lines:
        settings = named(line)
        cells = found.setdefault(float(settings["te_mean"]), {})
        cells[settings.get("task", "ps-mnist"), settings["half_width"]] = [float(one) for one in line["norms"]]
    rows = [[f"{mean:g}", *(_range(cells[column]) for column in _COLUMNS)] for mean, cells in sorted(found.items())]
    return table(("mean m", "S-MNIST, w = 0.2", "w = 0.4", "PS-MNIST, w = 0.2", "w = 0.4"), rows)


def _range(values: Sequence[float]) -> str:
    finite = [one for one in values if math.isfinite(one)]
    if not finite:
        return "not finite"
    largest = _norm(max(finite)) if len(finite) == len(values) else "inf"
    return f"{_norm(min(finite))} to {largest}"


def _norm(value: float) -> str:
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.0f}" if value < 1000 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")


def at_full_length(lines: Sequence[Line]) -> str:
    """Return the runs of 784 steps and two epochs."""
    runs = [line for line in lines if line["regime"] == "long" and "stride" not in named(line)]
    rows = []
    for line in sorted(runs, key=_mean_and_width):
        epochs = [f"{100 * float(row['validation_score']):.2f}" for row in line["log"]]
        largest = ", ".join(_norm(float(row["gradient_largest"])) for row in line["log"])
        rows.append((*_asked(line), epochs[0], epochs[1] if len(epochs) > 1 else "not run", largest))
    head = ("initial encoding", "half-width", "other keys", "after epoch 1", "after epoch 2")
    return table((*head, "largest gradient norm of each epoch"), rows)


def by_heart(lines: Sequence[Line]) -> str:
    """Return the runs of few images at 14x14."""
    runs = sorted((line for line in lines if line["regime"] == "heart"), key=_mean_and_width)
    best = max(line["judged_score"] for line in runs)
    rows = []
    for line in runs:
        right = f"{100 * line['judged_score']:.2f} %"
        right = f"**{right}**" if line["judged_score"] == best else right
        rows.append((*_asked(line), f"{100 * float(line['log'][-1]['train_score']):.1f} %", right))
    return table(("initial encoding", "half-width", "other keys", "right in training", "right of 20,000"), rows)


def recurrent_runs(lines: Sequence[Line]) -> str:
    """Return the short runs of recurrent networks and of one beside them."""
    rows = []
    for line in lines:
        settings = named(line)
        if "stride" not in settings:
            continue
        name = f"{settings['task'].upper()}, {'recurrent' if settings['recurrent'] == 'true' else 'feed-forward'}"
        epochs = [f"{100 * float(row['validation_score']):.2f} %" for row in line["log"]]
        largest = [
            f"{_norm(float(row['gradient_norm']))}, {_norm(float(row['gradient_largest']))}" for row in line["log"]
        ]
        rows.append((name, *epochs, *largest))
    head = ("network [64, 136, 136]", "after epoch 1", "after epoch 2")
    return table((*head, "median and largest gradient norm of epoch 1", "of epoch 2"), rows)


def _asked(line: Line) -> tuple[str, str, str]:
    settings = {key: value for key, value in named(line).items() if key not in _ASKED}
    mean, deviation = (settings.pop(key, "0.01") for key in ("te_mean", "te_std"))
    width = settings.pop("half_width", "0.2")
    keys = ", ".join(code(f"{key} = {value}") for key, value in settings.items())
    return f"N({mean}, {deviation})", width, keys


def _mean_and_width(line: Line) -> tuple[float, float, int]:
    settings = named(line)
    return float(settings.get("half_width", 0.2)), float(settings.get("te_mean", 0.01)), len(settings)

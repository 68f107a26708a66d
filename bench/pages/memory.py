"""The table of the adding and the copy memory problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .markdown import Line, named, table

_NEURONS = {"ce-lif": "CE-LIF, fixed point", "lstm": "LSTM", "alif": "ALIF, recurrent"}


def problems(lines: Sequence[Line]) -> str:
    """Return a row for each problem, length and budget, with a column for each neuron."""
    found: dict[tuple[str, int, int], dict[str, Line]] = {}
    for line in lines:
        settings = named(line)
        key = line["recipe"], int(settings["length"]), int(settings["epochs"])
        found.setdefault(key, {})[settings["neuron"]] = line
    rows = []
    for (problem, length, epochs), runs in sorted(found.items()):
        cells = {name: _worth(problem, line) for name, line in runs.items()}
        losses = {name: line["result"]["test_loss"] for name, line in runs.items() if not _guesses(problem, line)}
        baseline = next(iter(runs.values()))["result"]["baseline_loss"]
        if len(cells) > 1 and losses and min(losses.values()) < 0.98 * baseline:
            best = min(losses, key=losses.__getitem__)
            loss, comma, rest = cells[best].partition(",")
            cells[best] = f"**{loss}**{comma}{rest}"
        told = [cells.get(name, "not trained") for name in _NEURONS]
        rows.append((f"{problem}, T = {length}, {epochs} epochs", f"{baseline:.4f}", *told))
    return table(("problem, test loss", "remembering nothing", *_NEURONS.values()), rows)


def _guesses(problem: str, line: Line) -> bool:
    return problem == "copy" and not line["result"]["test_score"]


def _worth(problem: str, line: Line) -> str:
    result: dict[str, Any] = line["result"]
    if problem == "adding":
        return f"{result['test_loss']:.4f}"
    if _guesses(problem, line):  # the first epoch is kept, of equals
        return f"{line['curve']['loss'][-1]:.4f} in training, none"
    return f"{result['test_loss']:.4f}, {result['test_score']:.1%}".replace("%", " %")

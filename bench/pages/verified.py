"""Tables of what was compared of the networks in ``examples/pretrained``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .markdown import Line, code, table

PRETRAINED = Path(__file__).parents[2] / "examples" / "pretrained"
_CODES = {
    "etth1-day": "40 learned oscillators",
    "etth2-spike-rnn": "40 published oscillators",
    "digits-spike-rnn": "20 designed oscillators",
}
"""Networks with oscillators in `docs/cpg.md` -> which."""
_TASKS = {
    "etth1-day": "24 hours of ETTh1 from 48",
    "etth2-spike-rnn": "6 hours of ETTh2 from 24",
    "digits-spike-rnn": "digits pixel by pixel",
}


def classes(lines: Sequence[Line]) -> str:
    """Return a row for each network that names classes."""
    rows = []
    for line in lines:
        if "figures" in line:
            continue
        rows.append(
            (
                code(line["network"]),
                _percent(line["without_rounding"]),
                _percent(line["with_rounding"]),
                _count(line["same_class"]),
                *_compared(line),
            )
        )
    head = ("network", "right without rounding", "right with it", "samples of the same class")
    return table((*head, *_HEAD), rows)


def forecasts(lines: Sequence[Line]) -> str:
    """Return a row for each network that forecasts."""
    rows = []
    for line in lines:
        if "figures" in line:
            shown = (f"{line['figures'][name]:.4f}" for name in _FIGURES)
            rows.append(
                (code(line["network"]), f"{line['samples']:,}", *shown, f"{line['moved']:.3f}", *_compared(line))
            )
    return table(("network", "windows", *_FIGURES.values(), "moved by rounding", *_HEAD), rows)


def codes(lines: Sequence[Line]) -> str:
    """Return a row for each trained network with oscillators beside `etth1-spike-rnn`."""
    known = {line["network"]: line for line in lines}
    rows = []
    for network, oscillators in _CODES.items():
        line, result, recipe = known[network], _told(network, "result"), _told(network, "recipe")
        kept = f"{result['epoch']} of {recipe['epochs']}"
        lava = f"{line['lava'][1]} samples"
        rows.append(
            (
                f"{code(network)}: {_TASKS[network]}",
                oscillators,
                f"{result['parameters']:,}",
                kept,
                _worth(line),
                f"all {line['samples']:,} samples",
                lava,
            )
        )
    head = ("network", "code", "parameters", "kept epoch", "test part")
    return table((*head, "torch and engine equal", "torch and Lava equal"), rows)


def folded(lines: Sequence[Line]) -> str:
    """Return a row for each floating-point model whose record was verified."""
    rows = [
        (
            code(line["network"]),
            f"{line['r2_float']:.4f}",
            f"{line['r2_record']:.4f}",
            f"{line['moved']:.3f}",
            f"{line['samples']:,}",
            "{} of {}".format(*line["lava"]),
        )
        for line in lines
    ]
    head = ("model", "R² of the floating-point model", "of its record in 8 bits", "the forecasts move by")
    return table((*head, "windows on the engine", "equal on Lava"), rows)


_HEAD = (
    "spikes",
    "[raster](glossary.md#raster) entries equal in torch and engine",
    "register values equal",
    "equal on Lava",
)
_FIGURES = {
    "mean squared error": "mean squared error",
    "r2_code": "R², as the authors' code",
    "r2_mean": "R², mean of variables",
    "rse_code": "RSE, as the authors' code",
}


def _compared(line: Line) -> tuple[str, str, str, str]:
    registers = f"{line['registers']:,}, all" if line["registers"] else "not compared"
    return f"{line['spikes']:,}", f"{line['entries']:,}, all", registers, "{} of {}".format(*line["lava"])


def _worth(line: Line) -> str:
    if "figures" not in line:
        return _percent(line["with_rounding"])
    figures = line["figures"]
    return f"mean squared error {figures['mean squared error']:.3f}, R² of the authors' code {figures['r2_code']:.3f}"


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f} %"


def _count(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,}"


def _told(network: str, name: str) -> Line:
    return json.loads((PRETRAINED / network / f"{name}.json").read_text(encoding="utf-8"))

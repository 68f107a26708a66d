"""Answers that are numbers: what they are worth on every backend, and whether they are the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.net import Net
from .gaps import FloatGap

if TYPE_CHECKING:
    from .verdict import Verdict

Judge = Callable[[npt.NDArray[np.float64], npt.NDArray[np.int64]], Mapping[str, float]]
"""Figures, such as R², of outputs (samples, outputs) in SLAYER's units, given which of the samples they are of."""


class Forecasts(NamedTuple):
    """The numbers that a backend answered with."""

    samples: int
    """Samples that it ran."""
    same: int
    """Those for which every read-out register is that of the first backend."""
    figures: Mapping[str, float]
    """What the numbers are scores."""
    expected: Mapping[str, float]
    """What the first backend's numbers for the same samples are scores."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        more = {"figures": plain(self.figures), "expected": plain(self.expected)}
        return {"samples": self.samples, "same": self.same, **more}


def lines(found: Mapping[str, Forecasts], without: Mapping[str, float] | None = None) -> list[str]:
    """Return what `forecasts` found in words, and what the float twin's numbers are scores."""
    said = []
    for name, one in found.items():
        first = next(iter(found))
        same = "" if name == first else f"; {one.same:,} of {one.samples:,} equal {first}'s"
        said.append(f"forecasts of {name}, {one.samples:,} samples: {_words(one.figures)}{same}")
        if one.samples != found[first].samples:
            said.append(f"forecasts of {first}, the same {one.samples:,} samples: {_words(one.expected)}")
    if without is not None:
        said.append(f"forecasts without rounding: {_words(without)}")
    return said


def forecasts(verdict: Verdict, judge: Judge) -> dict[str, Forecasts]:
    """Return what every backend's answers are worth; the first backend ran every sample.

    Parameters
    ----------
    verdict : Verdict
        Of a network with a read-out whose register is read after the last step.
    judge : Judge
        What makes figures of numbers.

    Returns
    -------
    dict of backend to Forecasts
    """
    first = next(iter(verdict.answers.values()))
    found = {}
    for name, answers in verdict.answers.items():
        theirs = first.output[first.rows(answers.samples)]
        found[name] = Forecasts(
            samples=len(answers.samples),
            same=int((theirs == answers.output).all(-1).sum()),
            figures=judge(numbers(verdict.net, answers.output), answers.samples),
            expected=judge(numbers(verdict.net, theirs), answers.samples),
        )
    return found


def numbers(net: Net, registers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return what read-out registers after the last step mean in SLAYER's units; one that accumulates is averaged."""
    layer = net.readout
    assert layer is not None, "numbers come from a read-out"
    params: Any = layer.neuron
    return np.asarray(registers / ((layer.scale << params.a_shift) * _averaged(net)), dtype=np.float64)


def plain(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Return figures for JSON, which has no numbers that are not finite: R² of a single sample, say."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def without_rounding(verdict: Verdict, judge: Judge) -> tuple[Verdict, Mapping[str, float] | None]:
    """Return the verdict with a float gap that speaks of numbers, and what the float twin's numbers are scores.

    None, and the verdict as it was, if there is no float twin.
    """
    gap = verdict.float_gap
    if not isinstance(gap, FloatGap):
        return verdict, None
    first = next(iter(verdict.answers.values()))
    output, fixed = gap.output / _averaged(verdict.net), numbers(verdict.net, first.output[first.rows(gap.of)])
    moved = float(np.sqrt(np.square(output - fixed).mean()))
    return replace(verdict, float_gap=replace(gap, moved=moved)), judge(output, gap.of)


def _averaged(net: Net) -> int:
    assert net.readout is not None, "numbers come from a read-out"
    params: Any = net.readout.neuron
    return 1 if params.v_decay else net.steps


def _words(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())

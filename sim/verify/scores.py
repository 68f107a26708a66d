"""What the answers of a network are worth on its task: right classes, or figures of forecasts, backend by backend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import forecasts as of_numbers
from .gaps import FloatGap

if TYPE_CHECKING:
    from .forecasts import Forecasts, Judge
    from .verdict import Verdict


_95 = 1.959963984540054
"""Quantile of the normal distribution for an interval of 95 %."""


def interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score, which stays within 0 and 1 for few samples too.

    Parameters
    ----------
    right, total : int
        How many of how many, `total` at least 1.

    References
    ----------
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.
    """
    share, z = right / total, _95
    middle = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


class Right(NamedTuple):
    """How a backend did on the samples that it ran."""

    right: int
    """Samples classified right."""
    same: int
    """Samples classified as by the first backend."""
    total: int
    """Samples in all."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share that is right."""
        return interval(self.right, self.total)


class Scores(NamedTuple):
    """What the answers of a network are worth on its task; empty if the task was not told."""

    classes: npt.NDArray[np.int64] | None = None
    """True classes of all samples, where one class a sample is asked for."""
    right: Mapping[str, Right] = {}  # never changed
    """Backend -> how many of its classes are right."""
    right_float: Right | None = None
    """The same without rounding; None if there is no such twin."""
    forecasts: Mapping[str, Forecasts] = {}  # never changed
    """Backend -> the scores of its forecasts, where numbers are asked for."""
    forecasts_float: Mapping[str, float] | None = None
    """The same without rounding."""

    def lines(self) -> list[str]:
        """Return all that in words, a line each."""
        said = []
        if self.right_float is not None:
            said.append(f"right without rounding: {self.right_float.right}/{self.right_float.total}")
        if self.right:
            counts = ", ".join(f"{name} {found.right}/{found.total}" for name, found in self.right.items())
            said.append(f"right on these samples: {counts}")
        return said + of_numbers.lines(self.forecasts, self.forecasts_float)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        without = self.forecasts_float
        return {
            "right": {name: found._asdict() for name, found in self.right.items()},
            "right_float": self.right_float and self.right_float._asdict(),
            "forecasts": {name: found.as_dict() for name, found in self.forecasts.items()},
            "forecasts_float": without and of_numbers.plain(without),
        }


_NO_CLASSES = (
    "module(x) returns neither scores, of shape (samples, classes), nor a class of each sample, so none were counted."
)


def accuracies(verdict: Verdict, classes: npt.NDArray[np.int64]) -> dict[str, Right]:
    """Return for each backend how many of its samples it classified right, and how many as the first backend did.

    Where a module makes classes on the host, a backend whose answers did not go through the host counts only if the
    largest outputs are those classes for the first backend, sample by sample.
    """
    first = next(iter(verdict.answers.values()))
    plain = first.scores is None or np.array_equal(first.output.argmax(-1), first.predictions)
    found = {}
    for name, answers in verdict.answers.items():
        if answers.scores is None and not plain:
            continue
        same = first.predictions[first.rows(answers.samples)] == answers.predictions
        right = classes[answers.samples] == answers.predictions
        found[name] = Right(int(right.sum()), int(same.sum()), len(right))
    return found


def float_accuracy(verdict: Verdict, classes: npt.NDArray[np.int64]) -> Right | None:
    """Return how the float twin did on the samples that it ran; None if there is no twin."""
    gap = verdict.float_gap
    if not isinstance(gap, FloatGap) or gap.same_class is None:
        return None
    return Right(int((classes[gap.of] == gap.predictions).sum()), gap.same_class, len(gap.of))


def with_classes(verdict: Verdict, classes: npt.NDArray[np.int64]) -> Verdict:
    """Return a verdict that says how many classes are right, given the true ones of all samples.

    What the host makes of the network's answer and is neither scores nor classes is not counted, and a note says so.
    """
    made_on_host = verdict.host is not None and bool(verdict.host.after)
    if made_on_host and verdict.answers and next(iter(verdict.answers.values())).scores is None:
        return replace(verdict, notes=(*verdict.notes, _NO_CLASSES))
    scores = Scores(classes=classes)
    if verdict.answers:
        scores = scores._replace(right=accuracies(verdict, classes), right_float=float_accuracy(verdict, classes))
    return replace(verdict, scores=scores)


def with_numbers(verdict: Verdict, judge: Judge) -> Verdict:
    """Return a verdict that says what answers that are numbers are worth; its float gap then speaks of numbers too."""
    if not verdict.answers:
        return verdict
    found = of_numbers.forecasts(verdict, judge)
    verdict, without = of_numbers.without_rounding(verdict, judge)
    return replace(verdict, scores=Scores(forecasts=found, forecasts_float=without))

"""Differences of pairs: two runs that are alike but for one setting, the seed among what is alike."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scipy import stats


def differences(values: Mapping[tuple[Any, ...], float], ours: str, other: str) -> list[float]:
    """Return by how much values whose key ends with `ours` are larger than those alike that end with `other`."""
    return [
        value - values[(*alike, other)]
        for (*alike, last), value in values.items()
        if last == ours and (*alike, other) in values
    ]


class Comparison(NamedTuple):
    """Differences of pairs."""

    mean: float
    half: float
    """Half of the 95 % interval of the mean; NaN for a single pair."""
    wins: int
    losses: int
    pairs: int
    smallest: float
    largest: float

    def __str__(self) -> str:
        told = f"{self.mean:+.1f} ± {self.half:.1f}"
        if self.pairs < 3:  # an interval of two says nothing
            told = " and ".join(f"{each:+.1f}" for each in (self.smallest, self.largest)[: self.pairs])
        return f"{told}, {self.wins} : {self.losses}"


def compare(differences: Sequence[float]) -> Comparison:
    """Return what pairs differ by."""
    count = len(differences)
    half = math.nan
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    wins, losses = (sum(sign * difference > 0 for difference in differences) for sign in (1, -1))
    return Comparison(statistics.fmean(differences), half, wins, losses, count, min(differences), max(differences))

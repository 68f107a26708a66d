"""What one pass over the training part gave, and the log that has a line for each."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple

from ....export.files import replacing


class Epoch(NamedTuple):
    """What one pass over the training part gave."""

    epoch: int
    loss: float
    """Mean loss over the pass, as it was trained: with smoothed labels if they are."""
    train_score: float
    """Mean score on the training part, while training."""
    validation_score: float | None
    """Score on the held-out samples, after the pass; None if none are held out."""
    validation_loss: float | None
    """Loss on them, likewise."""
    gradient_norm: float
    """Norm of the gradient of all parameters before it is clipped, the median over the steps."""
    gradient_largest: float
    """The largest of these norms; infinite or no number if steps were left out."""
    skipped: int
    """Steps that were left out, since their gradient was not finite."""
    seconds: float
    """Time since training began, interruptions not counted."""


def append(path: Path, epoch: Epoch) -> None:
    """Write an epoch's line."""
    with open(path, "a", newline="") as file:
        csv.writer(file).writerow([_told(value) for value in epoch])


def _told(value: float | None) -> str | float:
    if value is None:
        return ""
    if isinstance(value, int) or not math.isfinite(value):
        return value
    return float(f"{value:.6g}") if abs(value) > 1 else round(value, 6)


def cut(path: Path, epochs: int) -> None:
    """Start the log, or keep the lines of the epochs that a resumed run has behind it."""
    lines = path.read_text().splitlines()[1 : epochs + 1] if epochs and path.is_file() else []
    with replacing(path) as temporary:  # a kill in between would take the lines that are kept
        temporary.write_text("\n".join([",".join(Epoch._fields), *lines]) + "\n")

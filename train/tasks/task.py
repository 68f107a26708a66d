"""What a task is."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from .images import Images
from .objectives import CLASSIFY, Objective

Normalise = Literal["train", "leaking"]
"""The rows that the training part sees, or all of them, test part included, as published results often have it."""


class Options(NamedTuple):
    """What a recipe asks of a task."""

    name: str
    validation: float = 0.0
    """Share of the training part that is held out."""
    seed: int = 0
    """Of what a task draws: a permutation, generated sequences."""
    length: int = 100
    """Of generated sequences."""
    window: int = 12
    """Steps of a time series that a forecast sees."""
    horizon: int = 6
    """Steps of a time series that a forecast is of, those after the window."""
    normalise: Normalise = "train"
    """Which rows of a time series its normalisation looks at."""
    stride: int = 1
    """Every how many-th sample of the training and of the validation part is kept, for small budgets."""
    shrink: int = 1
    """Side of the squares of pixels of an image, each of which becomes one pixel, their average."""


class Split(NamedTuple):
    """Samples and their labels."""

    x: npt.NDArray[Any]
    """Inputs, shape (samples, channels, steps): float32 in SLAYER's units; or int64 indices of words, in 1 channel."""
    y: npt.NDArray[Any]
    """Classes, int64 of shape (samples,) or (samples, steps); or numbers, float32 of shape (samples,) or
    (samples, outputs)."""

    def take(self, index: npt.NDArray[np.int64]) -> Split:
        """Return some of the samples."""
        return Split(self.x[index], self.y[index])


class Task(NamedTuple):
    """A task."""

    name: str
    outputs: int
    """Number of classes, or of numbers."""
    train: Split
    validation: Split | None
    """Held out of the training part; chooses the epoch that is kept. None if the last one is."""
    test: Split
    objective: Objective = CLASSIFY
    baseline: float | None = None
    """Loss of the best answer that looks at nothing, where papers compare with it."""
    unary: bool = False
    """Whether inputs are spikes, 0 or 1."""
    vocabulary: int = 0
    """Number of words, if inputs are their indices: 0 is padding, 1 an unknown word. 0 if inputs are numbers."""
    stored: dict[str, npt.NDArray[Any]] = {}  # noqa: RUF012  # never changed
    """What a run must keep so that it can be used later: a permutation, say."""
    images: Images | None = None
    """How its samples are images, if they are read pixel by pixel."""


_HELD_OUT_SEED = 20240523


def hold_out(split: Split, share: float) -> tuple[Split, Split | None]:
    """Return a training part without its held-out share, and that share; always the same samples.

    Raises
    ------
    InputError
        One of the two would be empty, though a share is asked for.
    """
    if not share:
        return split, None
    total = len(split.y)
    count = round(share * total)
    if not 0 < count < total:
        missing = "hold out" if not count else "train on"
        raise InputError(
            f"validation = {share:g} of {total:,} samples leaves none to {missing}. To fix it, take a share between "
            f"{1 / total:.2g} and {1 - 1 / total:.6g}: 0.1, say."
        )
    order = np.random.default_rng(_HELD_OUT_SEED).permutation(len(split.y))
    return split.take(np.sort(order[count:])), split.take(np.sort(order[:count]))

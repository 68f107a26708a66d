"""Tasks that recipes train on: real data as sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Split(NamedTuple):
    """Samples and their labels."""

    x: npt.NDArray[np.float32]
    """Inputs in SLAYER's units, shape (samples, channels, steps)."""
    y: npt.NDArray[np.int64]
    """Classes, shape (samples,)."""


class Task(NamedTuple):
    """A classification task."""

    name: str
    num_classes: int
    train: Split
    test: Split


def digits() -> Task:
    """Return scikit-learn's handwritten digits read pixel by pixel.

    1,797 images of 8x8 pixels, each a sequence of 64 analog values in 0..1, row by row. The test part is a quarter,
    drawn with fixed seed and equal shares of the classes: 450 samples.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    x = (data.data / 16).astype(np.float32)[:, None, :]
    x_train, x_test, y_train, y_test = train_test_split(
        x, data.target.astype(np.int64), test_size=0.25, stratify=data.target, random_state=0
    )
    return Task("digits", 10, Split(x_train, y_train), Split(x_test, y_test))


TASKS: dict[str, Callable[[], Task]] = {"digits": digits}
"""Task name -> its loader."""

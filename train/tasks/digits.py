"""Scikit-learn's handwritten digits, read pixel by pixel."""

from __future__ import annotations

import numpy as np

from .images import Images
from .task import Options, Split, Task, hold_out


def load(options: Options) -> Task:
    """Return the digits.

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
    train, test = Split(x_train, y_train), Split(x_test, y_test)
    return Task(options.name, 10, *hold_out(train, options.validation), test, images=Images(8, 8, np.arange(64)))

"""Colour images, read patch by patch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..data import DataFile
from .task import Options, Split, Task, hold_out

_FILE = DataFile("images/cifar10_6k.npz", "1bb3db1ed5111efddd63d079f53a44907eb10fab4ea89a814e3f4c1ccc649e6e")
PATCH = 4


def load(options: Options) -> Task:
    """Return a part of CIFAR-10: its first 5,000 training and first 1,000 test images, in ten classes.

    A sample is a sequence of 64 patches of 4x4 pixels, row by row; the 48 channels of a step are the patch's red
    values, row by row, then its green and its blue ones, in 0..1. Accuracies are lower than those of networks that saw
    all 50,000 training images.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    with np.load(_FILE.find(), allow_pickle=False) as file:
        delta, label, is_test = (file[name] for name in ("delta", "label", "is_test"))
    whole = Split(patches(_decoded(delta)), label.astype(np.int64))
    train, test = (whole.take(np.flatnonzero(part)) for part in (~is_test.astype(bool), is_test))
    return Task(options.name, 10, *hold_out(train, options.validation), test)


def patches(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return images (N, 3, height, width) as sequences of patches, float32 in 0..1 of shape (N, 48, patches)."""
    count, colours, height, width = images.shape
    tiles = images.reshape(count, colours, height // PATCH, PATCH, width // PATCH, PATCH)
    sequences = tiles.transpose(0, 1, 3, 5, 2, 4).reshape(count, colours * PATCH**2, -1)
    return np.ascontiguousarray(sequences) / np.float32(255)


def _decoded(delta: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Undo the file's code: differences along rows, along columns and from green, modulo 256."""
    images = delta.cumsum(-1, dtype=np.uint8).cumsum(-2, dtype=np.uint8)
    images[:, ::2] += images[:, 1:2]
    return images

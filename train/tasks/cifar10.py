"""Colour images, read patch by patch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from .data import DataFile
from .task import Options, Split, Task, hold_out

_FILE = DataFile("images/cifar10_6k.npz", "1bb3db1ed5111efddd63d079f53a44907eb10fab4ea89a814e3f4c1ccc649e6e")
_TRAIN, _TEST = [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"]
_RECORD = 1 + 3 * 32 * 32
PATCH = 4


def load(options: Options) -> Task:
    """Return colour images in ten classes: CIFAR-10, all of it or a part.

    ``cifar10`` is its first 5,000 training and first 1,000 test images. ``cifar10-full`` is all 50,000 and 10,000,
    where a user has the official binary version: ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin`` in
    ``cifar-10-batches-bin``.

    A sample is a sequence of 64 patches of 4x4 pixels, row by row; the 48 channels of a step are the patch's red
    values, row by row, then its green and its blue ones, in 0..1. Accuracies on a part are lower than those of networks
    that saw all training images.

    Raises
    ------
    InputError
        A binary file does not hold whole images.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    train, test = _whole() if options.name == "cifar10-full" else _part()
    return Task(options.name, 10, *hold_out(train, options.validation), test)


def _part() -> tuple[Split, Split]:
    with np.load(_FILE.find(), allow_pickle=False) as file:
        delta, label, is_test = (file[name] for name in ("delta", "label", "is_test"))
    whole = Split(patches(_decoded(delta)), label.astype(np.int64))
    train, test = (whole.take(np.flatnonzero(part)) for part in (~is_test.astype(bool), is_test))
    return train, test


def _whole() -> tuple[Split, Split]:
    batches = (np.concatenate([_records(name) for name in names]) for names in (_TRAIN, _TEST))
    train, test = (
        Split(patches(batch[:, 1:].reshape(-1, 3, 32, 32)), batch[:, 0].astype(np.int64)) for batch in batches
    )
    return train, test


def _records(name: str) -> npt.NDArray[np.uint8]:
    """Return a binary file's images, a row each: the class, then 32x32 red, green and blue values."""
    path = DataFile(f"cifar-10-batches-bin/{name}.bin").find()
    content = np.frombuffer(path.read_bytes(), np.uint8)
    if not content.size or content.size % _RECORD or (content[::_RECORD] > 9).any():
        raise InputError(f"{path}: not images of CIFAR-10 in its binary version. Fetch it again.")
    return content.reshape(-1, _RECORD)


def patches(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return images (N, 3, height, width) as sequences of patches, float32 in 0..1 of shape (N, 48, patches)."""
    count, colours, height, width = images.shape
    tiles = images.reshape(count, colours, height // PATCH, PATCH, width // PATCH, PATCH)
    sequences = tiles.transpose(0, 1, 3, 5, 2, 4).reshape(count, colours * PATCH**2, -1)
    return np.ascontiguousarray(sequences, np.float32) / np.float32(255)


def _decoded(delta: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Undo the file's code: differences along rows, along columns and from green, modulo 256."""
    images = delta.cumsum(-1, dtype=np.uint8).cumsum(-2, dtype=np.uint8)
    images[:, ::2] += images[:, 1:2]
    return images

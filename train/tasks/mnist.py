"""MNIST read pixel by pixel: S-MNIST row by row, PS-MNIST in a fixed random order."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from .data import DataFile
from .images import MNIST_SIDE, Images
from .task import Options, Split, Task, hold_out

_SOURCE = "https://ossci-datasets.s3.amazonaws.com/mnist/"  # the mirror that PyTorch keeps
_FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_MAGIC = {1: 2049, 3: 2051}
"""Number of dimensions -> what an IDX file of bytes starts with."""


def load(options: Options) -> Task:
    """Return S-MNIST or PS-MNIST: 60,000 and 10,000 sequences of 784 analog values in 0..1.

    Values are scaled to 0..1 and not normalised. PS-MNIST has its steps in an order drawn with the recipe's seed, the
    same for all samples. `shrink` averages pixels: 2 makes images of 14 x 14, 196 steps.

    References
    ----------
    Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998. arXiv 2308.15150 trains on both.
    """
    images = [
        _idx(DataFile(f"mnist/{name}", sha256, _SOURCE + name).find(), 3 if "images" in name else 1)
        for name, sha256 in _FILES.items()
    ]
    side = MNIST_SIDE // options.shrink
    order = np.arange(side**2)
    if options.name == "ps-mnist":
        order = np.random.default_rng(options.seed).permutation(side**2)
    train, test = (
        Split((_shrunk(x, options.shrink)[..., order] / np.float32(255)).astype(np.float32), y.astype(np.int64))
        for x, y in (images[:2], images[2:])
    )
    stored = {"permutation": order} if options.name == "ps-mnist" else {}
    images_of = Images(side, side, order)
    return Task(options.name, 10, *hold_out(train, options.validation), test, stored=stored, images=images_of)


def _shrunk(images: npt.NDArray[Any], by: int) -> npt.NDArray[Any]:
    """Return images as samples of one channel, (N, 1, pixels), of averages over squares of `by` x `by` pixels."""
    side = MNIST_SIDE // by
    squares = images.reshape(len(images), side, by, side, by)
    return (squares if by == 1 else squares.mean((2, 4), dtype=np.float32)).reshape(len(images), 1, -1)


def _idx(path: Path, dimensions: int) -> npt.NDArray[Any]:
    """Return the content of a gzipped IDX file: a big-endian magic number and sizes, then bytes."""
    content = gzip.decompress(path.read_bytes())
    header = np.frombuffer(content, ">u4", 1 + dimensions)
    if header[0] != _MAGIC[dimensions]:
        raise InputError(f"{path}: not an IDX file of {dimensions} dimensions.")
    return np.frombuffer(content, np.uint8, offset=header.nbytes).reshape(header[1:])

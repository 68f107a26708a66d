"""The adding problem."""

from __future__ import annotations

import numpy as np

from ...export.memory import allowed, refuse_more
from .objectives import REGRESS
from .task import Options, Split, Task, hold_out

_TRAIN, _TEST = 20_000, 1_000
_BYTES = 24
"""What a step of a sample takes while samples are drawn."""


def load(options: Options) -> Task:
    """Return sequences of numbers, two of which are marked; the answer after the last step is their sum.

    Channel 0 holds numbers drawn evenly from 0..1, channel 1 a 1 at two different places anywhere in the sequence and
    0 elsewhere. Always answering 1 has a mean squared error of 1/6.

    Raises
    ------
    InputError
        The machine has too little memory for so long sequences.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; the two places as S. Bai et al., arXiv 1803.01271.
    """
    what = f"{options.name}: {_TRAIN:,} sequences of length = {options.length:,}"
    refuse_more(_TRAIN * options.length * _BYTES, allowed(), what, "length")
    random = np.random.default_rng(options.seed)
    train, test = (_draw(random, count, options.length) for count in (_TRAIN, _TEST))
    return Task(options.name, 1, *hold_out(train, options.validation), test, REGRESS, 1 / 6)


def _draw(random: np.random.Generator, count: int, length: int) -> Split:
    x = np.zeros((count, 2, length), np.float32)
    x[:, 0] = random.random((count, length), dtype=np.float32)
    marked = random.random((count, length)).argsort(axis=1)[:, :2]
    np.put_along_axis(x[:, 1], marked, 1, axis=1)
    return Split(x, np.take_along_axis(x[:, 0], marked, axis=1).sum(1))

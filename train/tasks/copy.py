"""The copy memory problem."""

from __future__ import annotations

import math

import numpy as np

from ...export.memory import allowed, refuse_more
from .objectives import REPEAT
from .task import Options, Split, Task, hold_out

_TRAIN, _TEST = 20_000, 1_000
_BYTES = 61
"""What a step of a sample takes while samples are drawn."""
_SYMBOLS, _SHOWN, _ASK = 8, 10, 9


def load(options: Options) -> Task:
    """Return sequences of 10 symbols that are to be repeated `length` steps after they were shown.

    A sequence has ``length + 20`` steps: 10 symbols from 1..8, ``length - 1`` blanks (0), then 11 times the symbol 9,
    which asks for the answer; the answer is blank but for the last 10 steps. The input has a channel a symbol and
    none for the blank: unary spikes in 9 channels. Remembering nothing costs a mean cross-entropy of
    ``10 ln 8 / (length + 20)``.

    Raises
    ------
    InputError
        The machine has too little memory for so long sequences.

    References
    ----------
    M. Arjovsky et al., arXiv 1511.06464; the channels as in the authors' later code for arXiv 2308.15150.
    """
    what = f"{options.name}: {_TRAIN:,} sequences of length = {options.length:,}"
    refuse_more(_TRAIN * (options.length + 2 * _SHOWN) * _BYTES, allowed(), what, "length")
    random = np.random.default_rng(options.seed)
    train, test = (_draw(random, count, options.length) for count in (_TRAIN, _TEST))
    steps = options.length + 2 * _SHOWN
    baseline = _SHOWN * math.log(_SYMBOLS) / steps
    return Task(options.name, 10, *hold_out(train, options.validation), test, REPEAT, baseline, unary=True)


def _draw(random: np.random.Generator, count: int, length: int) -> Split:
    symbols = random.integers(1, _SYMBOLS + 1, (count, _SHOWN))
    shown = np.zeros((count, length + 2 * _SHOWN), np.int64)
    shown[:, :_SHOWN] = symbols
    shown[:, length + _SHOWN - 1 :] = _ASK
    x = (shown[:, None, :] == np.arange(1, _ASK + 1)[:, None]).astype(np.float32)
    y = np.zeros_like(shown)
    y[:, -_SHOWN:] = symbols
    return Split(x, y)

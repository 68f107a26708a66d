"""Spoken digits, as spectrograms over time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .data import DataFile
from .task import Options, Split, Task, hold_out

_FILE = DataFile("speech/fsdd.npz", "2430efaf02385f4f17d1e380946811136aba67be445c3d78ee4245f475a837c3")
_WINDOW, _HOP = 256, 128
"""Samples in a window and between the starts of two, at 8 kHz: 32 and 16 ms."""
_BANDS, _STEPS = 40, 64
_QUIET, _LOUD = 1.0, 9.0
"""Decimal logarithms of the powers that become 0 and 1: most of what the recordings hold lies between."""


def load(options: Options) -> Task:
    """Return the Free Spoken Digit Dataset: 2,700 and 300 recordings of ten digits by six speakers.

    A step is a window of 32 ms every 16 ms; its 40 channels are the logarithms of the power in bands of equal width
    on the mel scale, as analog values in 0..1. A sample has 64 steps (1.04 s): shorter recordings, nearly all, are
    followed by silence, longer ones are cut. The test part is the one that its authors name: the first five
    recordings of each digit by each speaker.

    References
    ----------
    Z. Jackson et al., Free Spoken Digit Dataset, v1.0.10, 2020.
    """
    with np.load(_FILE.find(), allow_pickle=False) as file:
        audio, ends, label, is_test = (file[name] for name in ("audio", "offsets", "label", "is_test"))
    x = np.stack([_spectrogram(audio[a:b]) for a, b in pairwise(ends)])
    whole = Split(x, label.astype(np.int64))
    train, test = (whole.take(np.flatnonzero(part)) for part in (~is_test, is_test))
    return Task(options.name, 10, *hold_out(train, options.validation), test)


def _spectrogram(audio: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    padded = np.zeros((_STEPS - 1) * _HOP + _WINDOW)
    kept = audio[: len(padded)]
    padded[: len(kept)] = kept
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 @ _filters().T
    scaled = (np.log10(power + 1) - _QUIET) / (_LOUD - _QUIET)
    return scaled.clip(0, 1).T.astype(np.float32)


def _filters() -> npt.NDArray[np.float64]:
    """Return triangular filters that overlap by half, equally wide on the mel scale, of shape (bands, frequencies)."""
    top = 2595 * np.log10(1 + 4000 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _BANDS + 2) / 2595) - 1)
    frequencies = np.linspace(0, 4000, _WINDOW // 2 + 1)
    low, middle, high = (edges[i : i + _BANDS, None] for i in range(3))
    return np.minimum((frequencies - low) / (middle - low), (high - frequencies) / (high - middle)).clip(0)

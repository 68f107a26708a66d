"""N-MNIST: handwritten digits seen by an event camera."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .data import DataFile
from .task import Options, Split, Task, hold_out

_FILE = DataFile("events/nmnist_small.npz", "6f283bf6f875c55aca0cddc9a4e403a0e656c8444af4d967667b8b8b5272ee82")
_SIDE, _STEPS = 34, 100
_STEP_US = 3_200
"""Microseconds of a step: 100 of them hold a recording's three saccades."""


def load(options: Options) -> Task:
    """Return the first 1,000 and 100 recordings of N-MNIST's two parts.

    34x34 pixels with a channel for brighter and one for darker: 2,312 channels of unary spikes, 1 where a pixel sent
    an event in the step's 3.2 ms; later events are left out. The test classes are uneven, so this is a check of a
    pipeline and no benchmark.

    References
    ----------
    G. Orchard et al., "Converting static image datasets to spiking neuromorphic datasets using saccades", 2015.
    """
    with np.load(_FILE.find(), allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    ends = held["offsets"]
    polarity = np.unpackbits(held["p"])[: ends[-1]].astype(np.int64)
    channel = (polarity * _SIDE + held["y"]) * _SIDE + held["x"]
    passed = held["dt_lo"] + 256 * held["dt_hi"].astype(np.int64)
    samples = [_raster(channel[a:b], passed[a:b]) for a, b in pairwise(ends)]
    whole = Split(np.stack(samples), held["label"].astype(np.int64))
    train, test = (whole.take(np.flatnonzero(part)) for part in (~held["is_test"], held["is_test"]))
    return Task(options.name, 10, *hold_out(train, options.validation), test, unary=True)


def _raster(channel: npt.NDArray[np.int64], passed: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    step = passed.cumsum() // _STEP_US
    seen = step < _STEPS
    raster = np.zeros((2 * _SIDE * _SIDE, _STEPS), np.float32)
    raster[channel[seen], step[seen]] = 1
    return raster

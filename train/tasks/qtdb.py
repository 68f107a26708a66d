"""QTDB: the waves of a heartbeat, labelled step by step."""

from __future__ import annotations

import numpy as np

from .data import DataFile
from .objectives import LABEL, UNLABELLED
from .task import Options, Split, Task, hold_out

_FILES = (
    DataFile("events/QTDB_train.mat", "72d1a10c96f1540880447e07256835d66da419c0b34f3dff495731a7928c5bc7"),
    DataFile("events/QTDB_test.mat", "916f11e21679a5b61988305bbb7cd1e6df8b34f1ed4a157a7a4e295d400ef232"),
)


def load(options: Options) -> Task:
    """Return 618 and 141 electrocardiograms of 1,301 steps, each step in one of six waves.

    The source's four spike channels; its first, which holds -1, 0 and 1, is split in two, so that all five are unary.
    The 8 and 10 % of the steps that have no class are left out of loss and score; the source counts them as class 0.

    References
    ----------
    B. Yin et al., arXiv 2103.12593, whose encoding of PhysioNet's QT Database this is.
    """
    from scipy.io import loadmat

    splits = []
    for file in _FILES:
        held = loadmat(file.find(), variable_names=("x", "y"))
        x = held["x"].transpose(0, 2, 1)
        channels = np.concatenate([x[:, :1] == 1, x[:, :1] == -1, x[:, 1:] == 1], axis=1)
        y = np.where(held["y"].any(-1), held["y"].argmax(-1), UNLABELLED).astype(np.int64)
        splits.append(Split(channels.astype(np.float32), y))
    train, test = splits
    return Task(options.name, 6, *hold_out(train, options.validation), test, LABEL, unary=True)

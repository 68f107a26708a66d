"""The rules of `spikeproof.contract.fixed` over the real numbers: no rounding, no register.

A step that is given this module instead of `fixed` computes the unquantised neuron in the same units, which is what
Lava's floating-point models run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .fixed import DECAY_ONE

RealArray = npt.NDArray[np.float64]


def shl(x: npt.ArrayLike, k: int) -> RealArray:
    """Return ``x * 2**k``."""
    return np.asarray(x, dtype=np.float64) * 2.0**k


def rtz(x: npt.ArrayLike, k: int) -> RealArray:
    """Return ``x / 2**k``; nothing is rounded."""
    return np.asarray(x, dtype=np.float64) / 2.0**k


def sat24(x: npt.ArrayLike) -> RealArray:
    """Return `x`; nothing saturates."""
    return np.asarray(x, dtype=np.float64)


def decay(x: npt.ArrayLike, lost: npt.ArrayLike) -> RealArray:
    """Return ``x * (4096 - lost) / 4096``."""
    kept: Any = DECAY_ONE - np.asarray(lost, dtype=np.float64)
    return np.asarray(np.asarray(x, dtype=np.float64) * kept / DECAY_ONE)

"""Temporal encodings that are made from CPG spikes instead of being stored row by row.

In step t the encoding of neuron n is ``te[t, n] = clip(sum_i M[n, i] * c_i[t], -128, 127)`` with the oscillators'
spikes ``c``. The memory is one byte a neuron and oscillator, whatever the length of the sample, and the encoding is
defined for any length.

Through ordinary synapses an 8-bit weight delivers even integers, so the sum travels as ``2 * M`` and `received` halves
and clips what arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import TE_MAX, TE_MIN, IntArray, as_integers, rtz
from ..record import Record
from . import Oscillators, raster
from .coupled import Coupled
from .phase import Phase


@dataclass(frozen=True, kw_only=True, eq=False)
class Driven(Record):
    """A temporal encoding driven by oscillators.

    Parameters
    ----------
    cpg : Phase or Coupled
        The oscillators, N channels; they start anew with every sample.
    matrix : array_like of int, shape (neurons, N)
        M, -128..127, kept as int8.

    Raises
    ------
    RecordError
        A value is out of range or the shapes do not fit.
    """

    cpg: Oscillators
    matrix: Any

    def __post_init__(self) -> None:
        if not isinstance(self.cpg, Phase | Coupled):
            raise RecordError(f"Driven cpg: expected Phase or Coupled oscillators, got {type(self.cpg).__name__}.")
        matrix = as_integers("Driven matrix", self.matrix, np.int8, TE_MIN, TE_MAX)
        if matrix.ndim != 2 or not matrix.size or matrix.shape[1] != self.cpg.num_neurons:
            raise RecordError(
                f"Driven matrix: shape {matrix.shape} is not (neurons, {self.cpg.num_neurons} oscillator channels)."
            )
        self._set(matrix=matrix)

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return int(self.matrix.shape[0])

    def rows(self, steps: int) -> npt.NDArray[Any]:
        """Return the encoding of a sample's first `steps` steps, int8 of shape (steps, neurons)."""
        return clipped(raster(self.cpg, steps) @ self.matrix.T.astype(np.int64)).astype(np.int8)


def clipped(total: npt.ArrayLike) -> IntArray:
    """Return the encoding that a sum stands for: clipped to 8 bits, -128..127."""
    return np.clip(np.asarray(total, dtype=np.int64), TE_MIN, TE_MAX)


def received(a: npt.ArrayLike) -> IntArray:
    """Return the encoding that arrives through synapses of weight ``2 * M``, whose sums `a` are even."""
    return clipped(rtz(a, 1))

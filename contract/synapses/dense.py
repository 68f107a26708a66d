"""Synapses: how the spikes that arrive become the dendritic sums of a layer's neurons.

Every kind of synapse has ``num_inputs`` and ``num_neurons``, ``sums``, which is its rule, and ``bound``, which says how
large a sum can get. Nothing else of a record depends on its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..fixed import IntArray
from ..record import Record
from .conv import Conv
from .weights import as_weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense(Record):
    """All-to-all synapses.

    Parameters
    ----------
    weight : array_like of int, shape (n_out, n_in)
        Even integers -256..254, kept as int16.
    """

    port_bits: ClassVar[int] = 32
    """Width at which Lava's process wraps a sum."""
    weight: Any

    def __post_init__(self) -> None:
        self._set(weight=as_weights("Dense weight", self.weight, ("outputs", "inputs")))

    @property
    def num_inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def num_neurons(self) -> int:
        """Number of neurons that are fed."""
        return int(self.weight.shape[0])

    def sums(self, x: npt.ArrayLike) -> IntArray:
        """Return the dendritic sums of what arrives.

        Parameters
        ----------
        x : array_like of int, shape (..., num_inputs)
            Spikes or payloads; ``bound`` of the largest must stay below 2**53.

        Returns
        -------
        ndarray of int64, shape (..., num_neurons)
        """
        # Whole numbers below 2**53: the float64 product is exact, and uses BLAS, which integers do not.
        total: IntArray = (np.asarray(x, np.float64) @ self.weight.T.astype(np.float64)).astype(np.int64)
        return total

    def bound(self, payload: int) -> int:
        """Return the largest magnitude of a sum of payloads of up to `payload`."""
        return int(np.abs(self.weight.astype(np.int64)).sum(axis=1).max()) * payload


Synapse = Dense | Conv
"""Any kind of synapse."""

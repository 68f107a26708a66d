"""Synapses: how the spikes that arrive become the dendritic sums of a layer's neurons.

Every kind of synapse has ``num_inputs`` and ``num_neurons``, ``sums``, which is its rule, and ``bound``, which says how
large a sum can get. Nothing else of a record depends on its kind.

All ways into a layer add up in one unit, that of the finest payload that arrives. Where payloads have another unit, as
unary spikes do beside analog input, a weight exponent shifts their sums to the left; a shift to the right would round,
and there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..fixed import WEIGHT_EXP_MAX, IntArray, as_whole, shl
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
    weight_exp : int
        Every sum is shifted left by so many bits, 0..7: a synapse is worth ``weight * 2**weight_exp``. 0 but where what
        arrives has a coarser unit than what arrives beside it at the same neurons.
    """

    port_bits: ClassVar[int] = 32
    """Width at which Lava's process wraps a sum."""
    weight: Any
    weight_exp: int = 0

    def __post_init__(self) -> None:
        self._set(
            weight=as_weights("Dense weight", self.weight, ("outputs", "inputs")),
            weight_exp=as_whole("Dense weight_exp", self.weight_exp, 0, WEIGHT_EXP_MAX),
        )

    @property
    def num_inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def num_neurons(self) -> int:
        """Number of neurons that are fed."""
        return int(self.weight.shape[0])

    @property
    def worth(self) -> IntArray:
        """What each synapse is worth in a sum, ``weight << weight_exp``, int64 of shape (n_out, n_in)."""
        return shl(self.weight, self.weight_exp)

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
        total: IntArray = (np.asarray(x, np.float64) @ self.worth.T.astype(np.float64)).astype(np.int64)
        return total

    def bound(self, payload: int) -> int:
        """Return the largest magnitude of a sum of payloads of up to `payload`."""
        return int(np.abs(self.worth).sum(axis=1).max()) * payload


Synapse = Dense | Conv
"""Any kind of synapse."""

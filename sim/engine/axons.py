"""Axons in the batch engine: spikes of a block of steps, and what of them and of earlier ones arrives in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.synapses.axon import Axon

Array = npt.NDArray[Any]


class Delays:
    """The delays of a layer's spikes, or none.

    Parameters
    ----------
    axon : Axon or None
        Delays of n neurons; with None everything arrives at once.
    """

    def __init__(self, axon: Axon | None) -> None:
        self.longest = 0 if axon is None else axon.longest
        """How many earlier steps a line must hold."""
        self._groups: list[tuple[int, Any]] = []
        if axon is not None and axon.shortest < axon.longest:
            self._groups = [(int(delay), np.flatnonzero(axon.delay == delay)) for delay in np.unique(axon.delay)]

    def arrive(self, spikes: Array, line: Array) -> Array:
        """Return what arrives in a block.

        Parameters
        ----------
        spikes : ndarray, shape (S, K, n)
            What is sent in the block.
        line : ndarray, shape (S, longest, n)
            What was sent in the steps before, the latest last; brought up to date.

        Returns
        -------
        ndarray, shape (S, K, n)
        """
        if not self.longest:
            return spikes
        steps = spikes.shape[1]
        sent = np.concatenate([line, spikes], axis=1)
        line[:] = sent[:, steps:]
        if not self._groups:
            return sent[:, :steps]
        arriving = np.empty_like(spikes)
        for delay, of in self._groups:
            first = self.longest - delay
            arriving[:, :, of] = sent[:, first : first + steps, of]
        return arriving

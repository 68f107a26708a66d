"""Synapses of the batch engine: dendritic sums of a block of steps, one class a kind.

Sums are computed in a floating-point type in which they, and every part of one, are exact (see `layers`), so in
any order of additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from . import kernels
from .conv import conv_events

Array = npt.NDArray[Any]


def prefers_events(density: float, num_outputs: int) -> bool:
    """Return whether adding up the weights of the inputs that are not 0 beats a matrix product.

    Measured on an AMD EPYC (AVX2) with OpenBLAS, float32, rows of 64 to 4096 inputs: an event costs 0.07 to 0.11 ns an
    output, a product 0.03 ns an input and output, and looking for the events 0.9 ns an input. They meet at a density
    of 0.2 with 88 outputs and of 0.3 with 256; with 10 outputs the product always wins.
    """
    return density < 0.3 - 8 / num_outputs


class DenseSums:
    """Sums of all-to-all synapses.

    Parameters
    ----------
    weight_t : ndarray of float32 or float64, shape (inputs, n)
        Weights.
    event_driven : bool or None
        Whether sums are added up event by event; None decides by each block's density.
    """

    def __init__(self, weight_t: Array, event_driven: bool | None) -> None:
        self.weight_t = weight_t
        self.event_driven = event_driven

    def __call__(self, rows: Array, num_events: int, start: Array, out: Array) -> None:
        """Write the sums of a block.

        Parameters
        ----------
        rows : ndarray of float32 or float64, shape (R, inputs)
            What arrives.
        num_events : int
            About how many entries of `rows` are not 0.
        start : ndarray, shape (K, n)
            What is added: to row r of the sums row ``r % K``.
        out : ndarray, shape (R, n)
            Where the sums go.
        """
        event_driven = self.event_driven
        if event_driven is None:
            event_driven = prefers_events(num_events / rows.size, out.shape[1])
        if event_driven:
            kernels.events(rows, self.weight_t, start, out)
            return
        with np.errstate(invalid="ignore"):  # of whole numbers; BLAS may compute on what stands beside them in memory
            np.matmul(rows.astype(self.weight_t.dtype, copy=False), self.weight_t, out=out)
        if start.any():
            whole = out.reshape(-1, *start.shape)
            whole += start


class ConvSums:
    """Sums of a convolution, event by event: an image is sparse, and a product would have to copy it for every tap.

    Parameters
    ----------
    synapse : Conv
        The synapses.
    dtype : dtype
        float32 or float64.
    """

    def __init__(self, synapse: Conv, dtype: np.dtype[Any]) -> None:
        groups, (outputs, of_group) = synapse.groups, synapse.weight.shape[:2]
        weight = synapse.weight.reshape(groups, outputs // groups, of_group, *synapse.kernel)
        # (input channel, row, column, output of its group): what one event adds to one pixel lies together.
        weight = weight.transpose(0, 2, 3, 4, 1).reshape(synapse.in_shape[0], *synapse.kernel, -1)
        self._weight = np.ascontiguousarray(weight, dtype)
        geometry = (synapse.in_shape, synapse.stride, synapse.padding, synapse.dilation, synapse.out_shape)
        self._geometry = tuple(np.array(numbers) for numbers in geometry)

    def __call__(self, rows: Array, num_events: int, start: Array, out: Array) -> None:
        """Write the sums of a block, see `DenseSums`; a convolution adds nothing, so `start` is 0."""
        in_shape, stride, padding, dilation, out_shape = self._geometry
        conv_events(rows, self._weight, in_shape, stride, padding, dilation, out_shape, out)


def sums_of(synapse: Synapse, num_inputs: int, dtype: np.dtype[Any], event_driven: bool | None) -> Any:
    """Return what computes the sums that a synapse's first `num_inputs` inputs make."""
    if isinstance(synapse, Conv):
        return ConvSums(synapse, dtype)
    return DenseSums(columns(synapse, dtype)[:num_inputs], event_driven)


def columns(synapse: Dense, dtype: np.dtype[Any]) -> Array:
    """Return what synapses are worth by input, shape (inputs, n); shifted weights cost no more than others."""
    return np.ascontiguousarray(synapse.worth.T, dtype)

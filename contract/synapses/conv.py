"""Convolutional synapses.

Images lie flat in torch's order, (channel, row, column), so a vector of inputs or neurons is ``image.reshape(-1)`` and
flattening an image is nothing. With a padding p, a stride s and a dilation d a neuron receives::

    sum[o, y, x] = sum_{c, i, j} weight[o, c, i, j] * image[c, y * s - p + i * d, x * s - p + j * d]

where pixels outside the image are 0 and c runs over the input channels of o's group. It is a correlation, as torch's
``conv2d`` is. Its sums are not shifted: Lava's fixed-point convolution does not look at its weight exponent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import IntArray, as_integers, as_whole
from ..record import Record
from .weights import as_weights

GEOMETRY_MAX = 127
"""Lava's process keeps kernel size, stride, padding and dilation in eight bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Record):
    """Convolutional synapses.

    Parameters
    ----------
    weight : array_like of int, shape (out_channels, in_channels / groups, kernel rows, kernel columns)
        Even integers -256..254, kept as int16.
    in_shape : (int, int, int)
        Channels, rows and columns of an input image.
    stride, padding, dilation : (int, int)
        Of rows and of columns.
    groups : int
        Into how many groups the channels are parted that see nothing of each other.

    Raises
    ------
    RecordError
        A value is out of range, or the shapes do not fit each other.
    """

    port_bits: ClassVar[int] = 24
    """Width at which Lava's process wraps a sum."""
    weight_exp: ClassVar[int] = 0
    """No sum is shifted, as those of `Dense` may be."""
    weight: Any
    in_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        weight = as_weights("Conv weight", self.weight, ("outputs", "inputs", "rows", "columns"))
        self._set(
            weight=weight,
            in_shape=_numbers("in_shape", self.in_shape, 3, 1, 2**31 - 1),
            stride=_numbers("stride", self.stride, 2, 1, GEOMETRY_MAX),
            padding=_numbers("padding", self.padding, 2, 0, GEOMETRY_MAX),
            dilation=_numbers("dilation", self.dilation, 2, 1, GEOMETRY_MAX),
            groups=as_whole("Conv groups", self.groups, 1, 2**31 - 1),
        )
        if max(self.kernel) > GEOMETRY_MAX:
            raise RecordError(f"Conv weight: a kernel of {self.kernel}; Lava holds up to {GEOMETRY_MAX} a side.")
        channels = self.in_shape[0]
        if channels % self.groups or len(weight) % self.groups or weight.shape[1] != channels // self.groups:
            raise RecordError(
                f"Conv weight: shape {weight.shape} does not fit {channels} input channels in {self.groups} groups."
            )
        if min(self.out_shape) < 1:
            raise RecordError(f"Conv weight: a kernel of {self.kernel} is larger than images of {self.in_shape[1:]}.")

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        return int(self.weight.shape[2]), int(self.weight.shape[3])

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the neurons."""
        rows, columns = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, padding, dilation, kernel, stride in zip(
                self.in_shape[1:], self.padding, self.dilation, self.kernel, self.stride, strict=True
            )
        )
        return len(self.weight), rows, columns

    @property
    def num_inputs(self) -> int:
        """Number of inputs."""
        return math.prod(self.in_shape)

    @property
    def num_neurons(self) -> int:
        """Number of neurons that are fed."""
        return math.prod(self.out_shape)

    @property
    def worth(self) -> IntArray:
        """What each weight is worth in a sum, as int64."""
        return np.asarray(self.weight, np.int64)

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
        images = np.asarray(x, np.float64)
        before = images.shape[:-1]
        channels, rows, columns = self.in_shape
        (top, left), groups = self.padding, self.groups
        images = images.reshape(-1, groups, channels // groups, rows, columns)
        padded = np.pad(images, [(0, 0)] * 3 + [(top, top), (left, left)])
        weight = self.weight.reshape(groups, -1, *self.weight.shape[1:]).astype(np.float64)
        _, height, width = self.out_shape
        total = np.zeros((len(images), groups, weight.shape[1], height, width))
        for i, j in np.ndindex(self.kernel):
            y, x0 = i * self.dilation[0], j * self.dilation[1]
            seen = padded[..., y : y + (height - 1) * self.stride[0] + 1 : self.stride[0], :]
            seen = seen[..., x0 : x0 + (width - 1) * self.stride[1] + 1 : self.stride[1]]
            # Whole numbers below 2**53: exact in float64, in any order of additions.
            total += np.einsum("goc,bgcyx->bgoyx", weight[..., i, j], seen, optimize=True)
        return total.reshape(*before, self.num_neurons).astype(np.int64)

    def bound(self, payload: int) -> int:
        """Return a magnitude that no sum of payloads of up to `payload` exceeds."""
        return int(np.abs(self.weight.astype(np.int64)).sum(axis=(1, 2, 3)).max()) * payload


def _numbers(name: str, value: Any, count: int, low: int, high: int) -> tuple[int, ...]:
    found = as_integers(f"Conv {name}", value, np.int64, low, high)
    if found.shape != (count,):
        raise RecordError(f"Conv {name}: expected {count} numbers, got an array of shape {found.shape}.")
    return tuple(int(number) for number in found)

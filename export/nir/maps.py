"""Linear maps over the real numbers, and what two of them in a row are: one map, made before anything is rounded.

A map takes what the neurons of a source send, in a row, and gives what arrives at the neurons of a target. Two
convolutions in a row, of which one may be a pooling, stay a convolution wherever that is the same map: where the second
pads with nothing, or where the windows of the first neither overlap nor leave out a pixel. Everything else becomes a
matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.synapses.conv import Conv

Array = npt.NDArray[np.float64]

_MOST = 2**25
"""Numbers of the largest matrix that is made of a convolution."""


@dataclass(frozen=True, eq=False)
class Diagonal:
    """Each neuron's own factor."""

    gain: Array

    @property
    def size(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return len(self.gain), len(self.gain)

    def apply(self, x: Array) -> Array:
        """Return the outputs of inputs of shape (..., inputs)."""
        return x * self.gain

    def matrix(self) -> Array:
        """Return the map as a matrix."""
        _refuse_large(self.size)
        return np.diag(self.gain)


@dataclass(frozen=True, eq=False)
class Matrix:
    """All-to-all weights, of shape (outputs, inputs)."""

    weight: Array

    @property
    def size(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.weight.shape[0], self.weight.shape[1]

    def apply(self, x: Array) -> Array:
        """Return the outputs of inputs of shape (..., inputs)."""
        return x @ self.weight.T

    def matrix(self) -> Array:
        """Return the map as a matrix."""
        return self.weight


@dataclass(frozen=True, eq=False)
class Kernel:
    """A convolution: its kernels, of shape (channels out, channels in of a group, rows, columns), and its geometry."""

    weight: Array
    in_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @cached_property
    def geometry(self) -> Conv:
        """The same convolution without weights, as records have it.

        Raises
        ------
        RecordError
            The numbers do not fit each other, or what Lava holds.
        """
        return Conv(
            weight=np.zeros(self.weight.shape, np.int64),
            in_shape=self.in_shape,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of what comes out."""
        return self.geometry.out_shape

    @property
    def size(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.geometry.num_neurons, self.geometry.num_inputs

    def apply(self, x: Array) -> Array:
        """Return the outputs of inputs of shape (..., inputs)."""
        (top, left), groups, (_, height, width) = self.padding, self.groups, self.out_shape
        images = x.reshape(-1, groups, self.in_shape[0] // groups, *self.in_shape[1:])
        images = np.pad(images, [(0, 0)] * 3 + [(top, top), (left, left)])
        weight = self.weight.reshape(groups, -1, *self.weight.shape[1:])
        total = np.zeros((len(images), groups, weight.shape[1], height, width))
        for i, j in np.ndindex(*self.weight.shape[2:]):
            y, x0 = i * self.dilation[0], j * self.dilation[1]
            seen = images[..., y : y + (height - 1) * self.stride[0] + 1 : self.stride[0], :]
            seen = seen[..., x0 : x0 + (width - 1) * self.stride[1] + 1 : self.stride[1]]
            total += np.einsum("goc,bgcyx->bgoyx", weight[..., i, j], seen, optimize=True)
        return total.reshape(*x.shape[:-1], -1)

    def matrix(self) -> Array:
        """Return the map as a matrix."""
        _refuse_large(self.size)
        return self.apply(np.eye(self.size[1])).T

    def full(self) -> Array:
        """Return the kernels of one group that does the same, dilated ones with the zeros between."""
        channels, of_group = self.in_shape[0], self.weight.shape[1]
        rows, columns = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.weight.shape[2:], strict=True))
        found = np.zeros((len(self.weight), channels, rows, columns))
        for o, kernel in enumerate(self.weight):
            first = o // (len(self.weight) // self.groups) * of_group
            found[o, first : first + of_group, :: self.dilation[0], :: self.dilation[1]] = kernel
        return found


Map = Diagonal | Matrix | Kernel


def compose(first: Map, second: Map) -> Map:
    """Return the map that does `first`, and then `second`.

    Raises
    ------
    UnsupportedError
        It is no convolution, and its matrix would be too large.
    """
    if isinstance(second, Diagonal):
        return scaled(first, second.gain)
    if isinstance(first, Diagonal):
        return _of_scaled(first.gain, second)
    if isinstance(first, Kernel) and isinstance(second, Kernel) and _is_convolution(first, second):
        return _convolved(first, second)
    _refuse_large((second.size[0], first.size[1]))
    return Matrix(second.apply(np.ascontiguousarray(first.matrix().T)).T)


def scaled(map_: Map, gain: Array) -> Map:
    """Return a map with each output multiplied by its gain."""
    if isinstance(map_, Diagonal):
        return Diagonal(map_.gain * gain)
    if isinstance(map_, Matrix):
        return Matrix(map_.weight * gain[:, None])
    of_channels = _one_a_channel(gain, map_.out_shape[0])
    if of_channels is None:
        return Matrix(map_.matrix() * gain[:, None])
    return replace(map_, weight=map_.weight * of_channels[:, None, None, None])


def _of_scaled(gain: Array, map_: Matrix | Kernel) -> Map:
    if isinstance(map_, Matrix):
        return Matrix(map_.weight * gain)
    of_channels = _one_a_channel(gain, map_.in_shape[0])
    if of_channels is None:
        return Matrix(map_.matrix() * gain)
    of_groups = np.repeat(of_channels.reshape(map_.groups, -1), len(map_.weight) // map_.groups, axis=0)
    return replace(map_, weight=map_.weight * of_groups[:, :, None, None])


def _one_a_channel(gain: Array, channels: int) -> Array | None:
    rows = gain.reshape(channels, -1)
    return rows[:, 0] if (rows == rows[:, :1]).all() else None


def _is_convolution(first: Kernel, second: Kernel) -> bool:
    """Whether a convolution of a convolution is one: what the second pads with must be what the first makes there."""
    for axis in (0, 1):
        reach = first.dilation[axis] * (first.weight.shape[2 + axis] - 1) + 1
        stride, size = first.stride[axis], first.in_shape[1 + axis]
        tiles = reach <= stride and not first.padding[axis] and first.out_shape[1 + axis] * stride >= size
        if second.padding[axis] and not tiles:
            return False
    return True


def _convolved(first: Kernel, second: Kernel) -> Kernel:
    ahead, behind = first.full(), second.full()
    step = first.stride
    rows, columns = (
        (behind.shape[2 + axis] - 1) * step[axis] + ahead.shape[2 + axis] for axis in (0, 1)
    )  # how far a pixel of the second sees through the first
    weight = np.zeros((len(behind), ahead.shape[1], rows, columns))
    for i, j in np.ndindex(*behind.shape[2:]):
        if behind[:, :, i, j].any():
            seen = np.einsum("om,mcyx->ocyx", behind[:, :, i, j], ahead)
            y, x = i * step[0], j * step[1]
            weight[:, :, y : y + ahead.shape[2], x : x + ahead.shape[3]] += seen
    return Kernel(
        weight=weight,
        in_shape=first.in_shape,
        stride=(step[0] * second.stride[0], step[1] * second.stride[1]),
        padding=(first.padding[0] + step[0] * second.padding[0], first.padding[1] + step[1] * second.padding[1]),
    )


def added(first: Map, second: Map) -> Map | None:
    """Return the sum of two maps of one kind; None of convolutions that differ in more than their weights."""
    if isinstance(first, Diagonal) and isinstance(second, Diagonal):
        return Diagonal(first.gain + second.gain)
    if isinstance(first, Matrix) and isinstance(second, Matrix):
        return Matrix(first.weight + second.weight)
    if isinstance(first, Kernel) and isinstance(second, Kernel):
        alike = first.weight.shape == second.weight.shape and _places(first) == _places(second)
        return replace(first, weight=first.weight + second.weight) if alike else None
    return None


def _places(kernel: Kernel) -> tuple[object, ...]:
    return kernel.in_shape, kernel.stride, kernel.padding, kernel.dilation, kernel.groups


def of_image(diagonal: Diagonal, shape: tuple[int, ...]) -> Map:
    """Return each neuron's own factor as synapses: of images, if a channel has one, a convolution of single pixels."""
    of_channels = _one_a_channel(diagonal.gain, shape[0]) if len(shape) == 3 else None
    if of_channels is None:
        return Matrix(diagonal.matrix())
    return Kernel(of_channels[:, None, None, None], (shape[0], shape[1], shape[2]), groups=shape[0])


def _refuse_large(size: tuple[int, int]) -> None:
    if math.prod(size) > _MOST or max(size) ** 2 > 4 * _MOST:
        raise UnsupportedError(
            f"linear nodes in a row would become a matrix of {size[0]} times {size[1]} weights. Put neurons between "
            "them, or use poolings that divide their images without a rest."
        )

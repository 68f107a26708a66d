"""Conv1d and Conv2d. A convolution of a row is one of images that are one pixel high."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....contract.errors import FileFormatError
from ....contract.synapses.conv import GEOMETRY_MAX
from ...members import reserve_neurons
from ...quoted import quoted
from ..maps import Array, Kernel
from .node import Node, Shape
from .operation import Linear

_GEOMETRY = {"weight", "bias", "input_shape", "stride", "padding", "dilation", "groups"}
FIELDS = {"Conv1d": _GEOMETRY, "Conv2d": _GEOMETRY}


def conv(node: Node, shape: Shape, dt: float) -> Linear:
    """Return what a Conv1d or Conv2d node does."""
    axes = 2 if node.kind == "Conv2d" else 1
    weight, shape = node.numbers("weight"), _without_ones(shape, 1 + axes)
    if weight.ndim != 2 + axes or not weight.size:
        what = "(outputs, inputs, rows, columns)" if axes == 2 else "(outputs, inputs, columns)"
        raise node.unsupported(f"weight has shape {weight.shape}; {what} can be imported.")
    what = "images" if axes == 2 else "rows"
    if len(shape) != 1 + axes:
        raise node.unsupported(f"a convolution of a shape {shape}; {what} can be convolved.")
    stated = node.fields.get("input_shape")
    if stated is not None and np.size(stated) and node.numbers("input_shape").reshape(-1).tolist() != [*shape[1:]]:
        raise node.unsupported(
            f"input_shape is {quoted(np.ravel(stated))}, but {what} of {quoted(shape[1:])} "
            "arrive. Fix input_shape, or the shape of the graph's input."
        )
    kernel = _kernel(node, weight, shape, axes)
    reserve_neurons(kernel.geometry.num_neurons, node.label)
    out = kernel.out_shape
    bias = None
    if "bias" in node.fields:
        of_channels = node.spread("bias", (len(weight),))
        bias = np.repeat(of_channels, out[1] * out[2]) if of_channels.any() else None
    return Linear(shape=out if axes == 2 else (out[0], out[2]), map=kernel, bias=bias)


def _kernel(node: Node, weight: Array, shape: Shape, axes: int) -> Kernel:
    (groups,) = node.whole("groups", 1, 1)
    stride, dilation = (_pair(node.whole(name, axes, 1), 1) for name in ("stride", "dilation"))
    weight = weight if axes == 2 else weight[:, :, None, :]
    if shape[0] % groups or len(weight) % groups or weight.shape[1] != shape[0] // groups:
        raise FileFormatError(
            f"{node.label}: weight has shape {node.numbers('weight').shape}, which does not fit {shape[0]} channels in "
            f"{groups} groups. Fix the weight, the groups, or the shape of the graph's input."
        )
    padding, asked = (0, 0), node.fields.get("padding")
    if isinstance(asked, str):
        if asked not in ("same", "valid"):
            raise node.unsupported(f"padding {quoted(asked)}; numbers, 'same' and 'valid' are known.")
        if asked == "same":
            weight, padding, dilation = _same(node, weight, stride, dilation)
    else:
        padding = _pair(node.whole("padding", axes, 0), 0)
    image = (shape[0], shape[1], shape[2]) if axes == 2 else (shape[0], 1, shape[1])
    return Kernel(weight, image, stride, padding, dilation, groups)


def _same(node: Node, weight: Array, stride: tuple[int, int], dilation: tuple[int, int]) -> Any:
    """Return kernels, padding and dilation that keep the size of an image, as torch does.

    Where the padding is odd, torch puts the smaller half first. A record pads both sides alike, so the kernel gets a
    row of zeros in front.
    """
    if stride != (1, 1):
        raise node.unsupported(f"padding 'same' with a stride of {stride} has no meaning. Give the padding in numbers.")
    if any(d * (k - 1) > GEOMETRY_MAX for d, k in zip(dilation, weight.shape[2:], strict=True)):
        raise node.unsupported(f"a kernel that reaches further than {GEOMETRY_MAX} pixels. Use a smaller one.")
    padding, step = [], list(dilation)
    for axis in (0, 1):
        total = dilation[axis] * (weight.shape[2 + axis] - 1)
        if total % 2:
            sizes = list(weight.shape)
            sizes[2 + axis] = total + 2
            wider = np.zeros(sizes)
            at = [slice(None)] * 4
            at[2 + axis] = slice(1, None, dilation[axis])
            wider[tuple(at)] = weight
            weight, step[axis] = wider, 1
        padding.append((total + 1) // 2)
    return weight, tuple(padding), tuple(step)


def _pair(values: tuple[int, ...], before: int) -> tuple[int, int]:
    """Return the numbers of both axes; `before` is that of the rows of a Conv1d."""
    return (values[0], values[1]) if len(values) == 2 else (before, values[0])


def _without_ones(shape: Shape, length: int) -> Shape:
    """Return a shape without the ones in front that count samples."""
    extra = len(shape) - length
    return shape[extra:] if extra > 0 and math.prod(shape[:extra]) == 1 else shape

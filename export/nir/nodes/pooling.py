"""SumPool2d and AvgPool2d: convolutions of each channel by itself, which the next layer's synapses take in."""

from __future__ import annotations

import numpy as np

from ....contract.synapses.conv import GEOMETRY_MAX
from ...members import reserve_neurons
from ..maps import Kernel
from .node import Node, Shape
from .operation import Linear

_GEOMETRY = {"kernel_size", "stride", "padding"}
FIELDS = {"SumPool2d": _GEOMETRY, "AvgPool2d": _GEOMETRY}


def pool(node: Node, shape: Shape, dt: float) -> Linear:
    """Return what a pooling does; padding counts as zeros, in an average too, as in torch."""
    if len(shape) != 3:
        raise node.unsupported(f"a pooling of a shape {shape}; images can be pooled.")
    rows, columns = node.whole("kernel_size", 2, 1, GEOMETRY_MAX)
    down, right = node.whole("stride", 2, 1, GEOMETRY_MAX)
    top, left = node.whole("padding", 2, 0, GEOMETRY_MAX)
    reserve_neurons(shape[0] * rows * columns, node.label)
    weight = np.full((shape[0], 1, rows, columns), 1 / (rows * columns) if node.kind == "AvgPool2d" else 1.0)
    kernel = Kernel(weight, (shape[0], shape[1], shape[2]), (down, right), (top, left), groups=shape[0])
    return Linear(shape=kernel.out_shape, map=kernel)

"""The nodes of NIR 1.0.8 that can be read, one file a family: what fields each has, and what it does.

A family is a function of a node, of the shape of what arrives and of the time step, and a table of the fields of its
types. A new type of node is a row of `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable

from . import conv, linear, neurons, passing, pooling
from .node import Node, Shape
from .operation import Operation

Family = Callable[[Node, Shape, float], Operation]

KINDS: dict[str, Family] = {
    "Input": passing.port,
    "Output": passing.port,
    "Linear": linear.linear,
    "Affine": linear.linear,
    "Scale": linear.scale,
    "Conv1d": conv.conv,
    "Conv2d": conv.conv,
    "SumPool2d": pooling.pool,
    "AvgPool2d": pooling.pool,
    "Flatten": passing.flatten,
    "Delay": passing.delay,
    **dict.fromkeys(neurons.FIELDS, neurons.neurons),
}
"""Type of node -> what makes its operation."""
FIELDS: dict[str, set[str]] = {
    **passing.FIELDS,
    **linear.FIELDS,
    **conv.FIELDS,
    **pooling.FIELDS,
    **neurons.FIELDS,
}
"""Type of node -> its fields."""

"""Linear, Affine and Scale: matrices, and factors of single channels."""

from __future__ import annotations

import math

from ....contract.errors import FileFormatError
from ..maps import Diagonal, Matrix
from .node import Node, Shape
from .operation import Linear

FIELDS = {"Linear": {"weight"}, "Affine": {"weight", "bias"}, "Scale": {"scale"}}


def linear(node: Node, shape: Shape, dt: float) -> Linear:
    """Return what a Linear or Affine node does."""
    weight = node.numbers("weight")
    if weight.ndim != 2 or not weight.size:
        raise node.unsupported(f"weight has shape {weight.shape}; (outputs, inputs) can be imported.")
    n = weight.shape[1]
    if math.prod(shape) != n:
        raise FileFormatError(
            f"{node.label}: weight takes {n} inputs, and what arrives has the shape {shape}. Fix the weight, or the "
            "shape of the graph's input."
        )
    if shape[-1] != n:
        raise FileFormatError(
            f"{node.label}: weight takes {n} inputs in a row, and images of shape {shape} arrive. Put a Flatten node "
            "before it."
        )
    bias = node.spread("bias", (len(weight),)) if node.kind == "Affine" else None
    return Linear(shape=(len(weight),), map=Matrix(weight), bias=bias)


def scale(node: Node, shape: Shape, dt: float) -> Linear:
    """Return what a Scale node does."""
    return Linear(shape=shape, map=Diagonal(node.spread("scale", shape)))

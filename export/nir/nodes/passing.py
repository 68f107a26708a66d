"""Flatten, Delay, Input and Output: nodes that hand on what arrives."""

from __future__ import annotations

import math

import numpy as np

from ....contract.errors import FileFormatError
from ....contract.synapses.delays import MAX_DELAY
from .node import Node, Shape
from .operation import Delay, Linear

FIELDS = {"Flatten": {"start_dim", "end_dim"}, "Delay": {"delay"}, "Input": {"shape"}, "Output": {"shape"}}


def flatten(node: Node, shape: Shape, dt: float) -> Linear:
    """Return what a Flatten node does: the channels of an image one after the other.

    A ``start_dim`` of 1 is torch's, which counts the samples as a dimension in front; a graph has none.
    """
    stated = node.fields.get("input_type")
    if isinstance(stated, np.ndarray) and stated.size and math.prod(node.shape("input_type")) != math.prod(shape):
        raise FileFormatError(
            f"{node.label}: input_type is {node.shape('input_type')}, and what arrives has the shape {shape}. Fix one "
            "of them."
        )
    start = node.whole("start_dim", 1, -len(shape))[0] if "start_dim" in node.fields else 1
    end = node.whole("end_dim", 1, -len(shape))[0] if "end_dim" in node.fields else -1
    start, end = (at + len(shape) if at < 0 else at for at in (start, end))
    if end < len(shape) - 1 or start > 1:
        raise node.unsupported(f"dimensions {start} to {end} of {len(shape)} are flattened; all can be.")
    return Linear(shape=(math.prod(shape),))


def delay(node: Node, shape: Shape, dt: float) -> Delay:
    """Return what a Delay node does."""
    steps = node.spread("delay", shape) / dt
    whole = np.round(steps)
    if (np.abs(steps - whole) > 1e-3).any() or whole.min() < 0 or whole.max() > MAX_DELAY:
        raise node.unsupported(
            f"delays of {steps.min():g} to {steps.max():g} steps of {dt:g} s; whole ones of 0 to {MAX_DELAY} can be "
            "imported. Give a time step that fits (--dt), or round the delays."
        )
    return Delay(shape=shape, steps=whole.astype(np.int64))


def port(node: Node, shape: Shape, dt: float) -> Linear:
    """Return what the Output of a graph does, or the Input of a graph inside another: nothing.

    Some tools count samples and steps in its shape, (1, 5, 12), so its last sizes are looked at alone.
    """
    stated = node.shape("shape") if "shape" in node.fields else shape
    n = math.prod(shape)
    if math.prod(stated) != n and (len(stated) < 2 or stated[-1] != n):
        raise FileFormatError(
            f"{node.label}: shape is {stated}, and what arrives has the shape {shape}. Fix one of them."
        )
    return Linear(shape=shape)

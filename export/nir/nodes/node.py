"""A node of a NIR graph as a file holds it, and its parameters as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ....contract.errors import FileFormatError, UnsupportedError
from ...quoted import quoted

Array = npt.NDArray[np.float64]
Shape = tuple[int, ...]
LARGEST = 2**31 - 1


class Node(NamedTuple):
    """A node: its name, behind those of the graphs that it is in, its type and its fields."""

    name: str
    kind: str
    fields: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"node {quoted(self.name)}"

    def numbers(self, field: str) -> Array:
        """Return a parameter as float64.

        Raises
        ------
        FileFormatError
            It is missing, or not finite numbers.
        """
        if field not in self.fields:
            raise FileFormatError(f"{self.label}: {field} is missing.")
        value = np.asarray(self.fields[field])
        if value.dtype.kind not in "iuf" or not np.isfinite(value).all():
            raise FileFormatError(f"{self.label}: {field} is not finite numbers.")
        return value.astype(np.float64)

    def spread(self, field: str, shape: Shape) -> Array:
        """Return a parameter of neurons, one value each, in a row.

        One value is that of all; one a channel has the shape (channels, 1, 1).

        Raises
        ------
        FileFormatError
            Its shape is not that of the neurons.
        """
        value = self.numbers(field)
        n = math.prod(shape)
        if value.size == n and without_ones(value.shape) == without_ones(shape):
            return value.reshape(-1)
        if value.size == 1 or (value.ndim == len(shape) and all(a in (1, b) for a, b in zip(value.shape, shape))):  # noqa: B905
            return np.broadcast_to(value.reshape(()) if value.size == 1 else value, shape).reshape(-1).copy()
        hint = ""
        if value.ndim == 1 and len(shape) == 3 and len(value) == shape[0]:
            hint = f" One a channel has the shape ({shape[0]}, 1, 1)."
        raise FileFormatError(
            f"{self.label}: {field} has {value.size} values of shape {value.shape} for {n} neurons of shape {shape}."
            f"{hint or ' Give one for each neuron, or one for all.'}"
        )

    def whole(self, field: str, count: int, low: int, high: int = LARGEST) -> tuple[int, ...]:
        """Return a parameter as so many whole numbers; one stands for all."""
        value = self.numbers(field)
        if value.size not in (1, count):
            raise FileFormatError(f"{self.label}: {field} has {value.size} values; {count} are expected.")
        if (value != np.round(value)).any() or value.min() < low or value.max() > high:
            raise FileFormatError(
                f"{self.label}: {field} is {quoted(np.ravel(self.fields[field]))}; whole numbers of {low} to {high} "
                "are expected."
            )
        return tuple(int(number) for number in np.broadcast_to(value.reshape(-1), (count,)))

    def shape(self, field: str) -> Shape:
        """Return a parameter that is a shape; an empty one is that of a single value."""
        value = self.numbers(field).reshape(-1)
        if (value != np.round(value)).any() or (value < 1).any() or (value > LARGEST).any():
            raise FileFormatError(
                f"{self.label}: {field} is {quoted(np.ravel(self.fields[field]))}, which is no shape."
            )
        return tuple(int(number) for number in value) or (1,)

    def unsupported(self, words: str) -> UnsupportedError:
        """Return the error that refuses the node."""
        return UnsupportedError(f"{self.label}: {words}")


def without_ones(shape: Shape) -> Shape:
    """Return a shape without its axes of length 1, which tools add and leave out."""
    return tuple(size for size in shape if size != 1)

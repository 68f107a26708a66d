"""Traces as named arrays, as `spikeproof simulate -o` writes them, and what differs between two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.names import is_name
from ..export.quoted import listed, plain, quoted
from .trace import VARIABLES, Trace

Array = npt.NDArray[Any]
_KNOWN = {variable for variables in VARIABLES.values() for variable in variables}


class Unequal(NamedTuple):
    """A variable of a layer that differs between two traces."""

    layer: str
    variable: str
    differ: int
    """Entries that differ."""
    compared: int
    sample: int
    step: int
    neuron: int
    """Where it differs first: the earliest sample and step."""
    a: float
    b: float
    """What the two have there."""


class Differences(NamedTuple):
    """What two traces have in common, and in what they differ."""

    compared: int
    """Entries that both have."""
    fired: int
    """Spikes of the first among them."""
    unequal: tuple[Unequal, ...]
    """In the order in which layers stand."""
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    """Variables that one of them has alone, ``layer.variable``."""

    @property
    def same(self) -> bool:
        """Whether both have the same variables, and every entry is equal."""
        return not (self.unequal or self.only_a or self.only_b)

    @property
    def first(self) -> Unequal | None:
        """The first variable of the first layer that differs: a spike or a register, whichever comes first in time."""
        of_layer = [one for one in self.unequal if one.layer == self.unequal[0].layer]
        return min(of_layer, key=lambda one: (one.sample, one.step, one.neuron), default=None)


def arrays(trace: Trace) -> dict[str, Array]:
    """Return a trace as arrays that are called ``layer.variable``."""
    return {f"{layer}.{name}": array for layer, of in trace.layers.items() for name, array in of.items()}


def trace_of(found: Mapping[str, Array], backend: str) -> Trace:
    """Return the trace in named arrays.

    Parameters
    ----------
    found : mapping of str to ndarray
        ``layer.variable`` or ``layer/variable``, each of shape (samples, neurons, steps).
    backend : str
        What the trace is called.

    Raises
    ------
    InputError
        A name or a shape is none of a trace, or the arrays are of different samples.
    """
    layers: dict[str, dict[str, Array]] = {}
    for name, array in found.items():
        layer, _, variable = name.replace("/", ".").rpartition(".")
        if not is_name(layer) or variable not in _KNOWN:
            raise InputError(
                f"{backend}: {plain(name)} is no variable of a trace. Arrays are called layer.variable, hidden.s or "
                "hidden.v say, as spikeproof simulate -o writes them."
            )
        if array.ndim != 3 or not array.size:
            raise InputError(
                f"{backend}: {plain(name)} has shape {quoted(array.shape)}; expected (samples, neurons, steps)."
            )
        if variable in layers.get(layer, ()):
            raise InputError(f"{backend}: {plain(layer)}.{variable} is there twice. Leave one of them out.")
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise InputError(
                f"{backend}: {plain(name)} holds what is no real number. Traces are of integers, or of finite numbers."
            )
        layers.setdefault(layer, {})[variable] = array
    if not layers:
        raise InputError(f"{backend}: it holds no arrays. Write a trace with spikeproof simulate -o.")
    if len({len(array) for of in layers.values() for array in of.values()}) > 1:
        raise InputError(f"{backend}: its arrays have different numbers of samples.")
    return Trace(backend=backend, layers=layers)


def differences(a: Trace, b: Trace) -> Differences:
    """Compare two traces in all variables that both have.

    Raises
    ------
    InputError
        They have none in common, or one that has another shape.
    """
    of_a, of_b = arrays(a), arrays(b)
    both = [name for name in of_a if name in of_b]
    if not both:
        raise InputError(
            f"{a.backend} and {b.backend} have no variable in common: {listed(of_a)} and {listed(of_b)}. Compare "
            "traces of the same network."
        )
    unequal, fired = [], 0
    for name in both:
        layer, _, variable = name.rpartition(".")
        left, right = of_a[name], of_b[name]
        if left.shape != right.shape:
            raise InputError(
                f"{name} has shape {left.shape} in {a.backend} and {right.shape} in {b.backend}. Compare traces of the "
                "same network and samples."
            )
        fired += int(np.count_nonzero(left)) if variable == "s" else 0
        other = left != right
        if other.any():
            sample, step, neuron = (int(i) for i in np.argwhere(other.transpose(0, 2, 1))[0])
            values = (of[sample, neuron, step].item() for of in (left, right))
            unequal.append(
                Unequal(layer, variable, int(np.count_nonzero(other)), other.size, sample, step, neuron, *values)
            )
    unequal.sort(key=lambda one: list(a.layers).index(one.layer))
    return Differences(
        compared=sum(of_a[name].size for name in both),
        fired=fired,
        unequal=tuple(unequal),
        only_a=tuple(name for name in of_a if name not in of_b),
        only_b=tuple(name for name in of_b if name not in of_a),
    )

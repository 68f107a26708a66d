"""What a chip or another simulator has recorded of a network: arrays or a table, checked against the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from ...contract.net import Net
from ...export.quoted import quoted
from ..trace import VARIABLES

INPUT, SKIPPED = "input", "-"
"""Columns of a table that are no variable."""
_OF_REGISTERS = "Registers are compared as the integers that they hold; multiply what another tool has divided."
"""What to do with a register that is no whole number."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded variable of a layer."""

    layer: str
    variable: str
    neurons: tuple[int, ...]
    """Which neuron each row is of."""
    steps: npt.NDArray[np.int64]
    """Which step each column is of, before a lag is taken off."""
    values: npt.NDArray[np.int64]
    """Shape (samples, neurons, steps), or (1, neurons, steps) of samples that follow each other."""
    streamed: bool
    """Whether its samples follow each other in one row of steps."""

    @property
    def name(self) -> str:
        """``layer/variable``."""
        return f"{self.layer}/{self.variable}"


def of_arrays(net: Net, arrays: Mapping[str, npt.NDArray[Any]]) -> list[Recording]:
    """Return the recordings in an archive.

    Parameters
    ----------
    net : Net
        The network.
    arrays : mapping of str to ndarray
        ``layer/variable`` (or ``layer.variable``) of shape (samples, neurons, steps), or (neurons, steps) where the
        samples follow each other. ``layer/neurons`` and ``layer/steps``, which may be absent, say which neurons the
        rows are of and which steps the columns; both count from 0. An array ``x`` is left to others.

    Raises
    ------
    InputError
        An array is none of these, or does not fit.
    """
    named: dict[tuple[str, str], npt.NDArray[Any]] = {}
    for name, array in arrays.items():
        if name != "x":
            _once(named, _split(net, name), name)
            named[_split(net, name)] = np.asarray(array)
    found = []
    for (layer, variable), array in named.items():
        if variable in ("neurons", "steps"):
            continue
        if array.ndim not in (2, 3):
            raise InputError(
                f"{layer}/{variable}: shape {array.shape}; expected (samples, neurons, steps), or (neurons, steps)."
            )
        neurons = named.get((layer, "neurons"), np.arange(net.layers[net.index(layer)].num_neurons))
        steps = named.get((layer, "steps"), np.arange(array.shape[-1]))
        found.append(_recording(net, layer, variable, array, neurons, steps))
    if not found:
        raise InputError("It holds no variable of the network. Call arrays by layer and variable, as in hidden/s.")
    return found


def of_columns(net: Net, names: Sequence[str], rows: npt.NDArray[Any]) -> list[Recording]:
    """Return the recordings in a table.

    Parameters
    ----------
    net : Net
        The network.
    names : sequence of str
        What each column is: ``layer/variable[neuron]``, of which the layer may be left out where there is one, and
        the neuron where it is 0; "input", or "-" for what is to be skipped.
    rows : ndarray, shape (steps, columns)
        One row a step, samples after each other.

    Raises
    ------
    InputError
        A column has no name, or one that the network does not have.
    """
    if len(names) != rows.shape[1]:
        raise InputError(
            f"There are {rows.shape[1]} columns and {len(names)} names. Name each: layer/variable[neuron], input, or -."
        )
    columns: dict[tuple[str, str], dict[int, npt.NDArray[Any]]] = {}
    for name, column in zip(names, rows.T, strict=True):
        if name in (INPUT, SKIPPED):
            continue
        bare, neuron = re.fullmatch(r"(.*?)(?:\[(\d{1,9})\])?", name, re.S).groups()  # type: ignore[union-attr]
        if len(net.layers) == 1 and not re.search(r"[/.]", bare):
            bare = f"{net.layers[0].name}/{bare}"
        of = columns.setdefault(_split(net, bare), {})
        _once(of, int(neuron or 0), name)
        of[int(neuron or 0)] = column
    if not columns:
        raise InputError("No column is a variable of the network. Name one layer/variable[neuron], as in hidden/v[3].")
    return [
        _recording(net, layer, variable, np.array(list(of.values())), np.array(list(of)), np.arange(len(rows)))
        for (layer, variable), of in columns.items()
    ]


def _once(known: Mapping[Any, Any], key: Any, name: str) -> None:
    if key in known:
        raise InputError(f"{quoted(name)} is recorded twice. Leave one of them out.")


def _split(net: Net, name: str) -> tuple[str, str]:
    """Return the layer and the variable that a name means."""
    for layer in net.layers:
        known = (*VARIABLES[type(layer.neuron)], "neurons", "steps")
        for variable in known:
            if name in (f"{layer.name}/{variable}", f"{layer.name}.{variable}"):
                return layer.name, variable
    there = ", ".join(f"{layer.name}/{'|'.join(VARIABLES[type(layer.neuron)])}" for layer in net.layers)
    raise InputError(f"{quoted(name)} is no variable of the network, which has {there}.")


def _recording(
    net: Net, layer: str, variable: str, array: npt.NDArray[Any], neurons: npt.NDArray[Any], steps: npt.NDArray[Any]
) -> Recording:
    name, size = f"{layer}/{variable}", net.layers[net.index(layer)].num_neurons
    rows, columns = array.shape[-2:]
    if not array.size:
        raise InputError(f"{name} has shape {array.shape}: nothing was recorded. Leave it out.")
    if neurons.shape != (rows,) or steps.shape != (columns,):
        raise InputError(
            f"{name}: {rows} rows and {columns} columns, but {neurons.size} neurons and {steps.size} steps. Say with "
            f"arrays {layer}/neurons and {layer}/steps which neurons and steps were recorded."
        )
    which = _whole(f"{layer}/neurons", neurons, "They count the neurons, from 0.")
    when = _whole(f"{layer}/steps", steps, "They count the time steps, from 0.")
    if which.min() < 0 or which.max() >= size or len(set(which.tolist())) < rows:
        raise InputError(f"{layer}/neurons: must be different numbers from 0 to {size - 1}.")
    if len(set(when.tolist())) < columns:
        raise InputError(f"{layer}/steps: a step is there twice. Give each step once.")
    values = _whole(name, array)
    return Recording(
        layer=layer,
        variable=variable,
        neurons=tuple(which.tolist()),
        steps=when,
        values=values if array.ndim == 3 else values[None],
        streamed=array.ndim == 2,
    )


def _whole(name: str, array: npt.NDArray[Any], hint: str = _OF_REGISTERS) -> npt.NDArray[np.int64]:
    """Return whole numbers, which may come as floating-point ones."""
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: its numbers are of type {array.dtype}. Give whole numbers of 64 bits at most.")
    fine = np.isfinite(array) & (np.abs(array) < 2**53) & (np.mod(array, 1) == 0)
    if not fine.all():
        at = tuple(int(i) for i in np.argwhere(~fine)[0])
        raise InputError(f"{name}: {array[at]} at {at} is no whole number. {hint}")
    return array.astype(np.int64)

"""Other tools' NIR graphs -> network records, quantised to the contract.

A graph is read in four steps, each a module of its own: its nodes and edges, laid flat (`tree`); what arrives at each
node (`signals`); layers over the real numbers, in the order of a record (`wiring`); and their integers (`quantise`).
What each type of node does is in `nodes`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...contract.errors import FileFormatError, InputError, UnsupportedError
from ...contract.net import DEFAULT_STEPS, Edge, Input, Layer, Net
from ..quoted import listed, quoted
from . import signals as arriving
from .nodes.neurons import SMALL_STEP, means_sums
from .quantise import quantised, record_name
from .real import RealLayer
from .rounding import Rounding
from .tree import Flat, flat
from .wiring import Wired, wired

Tree = Mapping[str, Any]

DT = 1e-4
"""Seconds of a time step where nothing says it, as other exporters assume. NIR is written for continuous time."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of another tool's graph.

    Parameters
    ----------
    net : Net
        The record.
    layers : tuple of RealLayer
        The graph in discrete time before rounding.
    dt : float
        Seconds of a time step.
    rounding : tuple of Rounding
        What rounding did to each layer.
    notes : tuple of str
        The same in words, and what else to mind.
    """

    net: Net
    layers: tuple[RealLayer, ...]
    dt: float
    rounding: tuple[Rounding, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what reading did to the graph, as plain values for JSON."""
        return {"dt": self.dt, "rounding": [each.as_dict() for each in self.rounding], "notes": list(self.notes)}


def quantise(tree: Tree, *, dt: float | None = None, steps: int = DEFAULT_STEPS) -> Imported:
    """Turn the tree of a NIR file into a record.

    Parameters
    ----------
    tree : dict
        The file's group ``node``.
    dt : float, optional
        Seconds of a time step; default what the graph's metadata say, or 1e-4.
    steps : int
        Sample period.

    Raises
    ------
    InputError
        `dt` is no time.
    UnsupportedError
        A node cannot be run exactly; it is named, with the fix.
    FileFormatError
        A node lacks a parameter or its shapes do not fit.
    """
    graph = flat(tree)
    dt, note = time_step(tree, dt)
    if note.startswith("NIR"):
        _refuse_sums(graph, dt)
    with np.errstate(all="ignore"):  # what leaves the range of float64 is refused by name when it is rounded
        try:
            made = wired(arriving.of(graph, dt))
        except RecursionError:
            raise UnsupportedError(
                "too many linear nodes stand in a row. Merge them, or put neurons between."
            ) from None
        net, rounding = _rounded(made, dt, steps)
    warnings = [words for each in rounding for words in each.warnings]
    notes = (note, *_resets(graph), *map(str, rounding), *made.notes, *warnings)
    return Imported(net=net, layers=made.layers, dt=dt, rounding=tuple(rounding), notes=notes)


def _rounded(made: Wired, dt: float, steps: int) -> tuple[Net, list[Rounding]]:
    """Return the record of layers over the real numbers, and what rounding did to each."""
    taken: set[str] = set()
    single = len(made.inputs) == 1
    inputs = tuple(
        Input(num_channels=n, name=record_name("input" if single else name, taken)) for name, n in made.inputs
    )
    names = [record_name(layer.name, taken) for layer in made.layers]
    layers: list[Layer] = []
    edges: list[Edge] = []
    rounding: list[Rounding] = []
    for layer, name in zip(made.layers, names, strict=True):
        record, ways, moved = quantised(layer, name, [*names, *(each.name for each in reversed(inputs))], dt)
        layers.append(record)
        edges += ways
        rounding.append(moved)
    net = Net(
        inputs=inputs,
        layers=tuple(layers),
        edges=tuple(edges),
        outputs=tuple(names[at] for at in made.outputs),
        steps=steps,
    )
    return net, rounding


def time_step(tree: Tree, dt: float | None) -> tuple[float, str]:
    """Return the time step of a graph in seconds, and what to say of it.

    Raises
    ------
    InputError
        The time step that was given is no time.
    FileFormatError
        None was given, and that of the graph's metadata is no time.
    """
    metadata = tree.get("metadata")
    stated = metadata.get("dt") if isinstance(metadata, dict) else None
    own = _seconds(stated)
    if dt is not None:
        check_time_step(dt)
        if own is not None and not math.isclose(own, dt):
            return dt, f"the graph's metadata say a time step of {own:g} s, and it was read with dt = {dt:g} s"
        return dt, f"it was read with dt = {dt:g} s"
    if stated is None:
        return DT, f"NIR leaves the time step open; it was read with dt = {DT:g} s"
    if own is None:
        raise FileFormatError(
            f"metadata/dt is {quoted(stated)}, which is no time in seconds. Give the time step (--dt), or fix it."
        )
    return own, f"it was read with dt = {own:g} s, as the graph's metadata say"


def check_time_step(dt: float) -> None:
    """Refuse a time step that is no time."""
    if not (isinstance(dt, int | float | np.number) and math.isfinite(dt) and dt > 0):
        raise InputError(f"a time step (--dt) of {dt}: give seconds above 0, 1e-4 say.")


def _seconds(stated: Any) -> float | None:
    value = np.asarray(stated)
    if value.dtype.kind not in "iuf" or value.size != 1:
        return None
    seconds = float(value.reshape(-1)[0])
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _refuse_sums(graph: Flat, dt: float) -> None:
    """Refuse neurons that would hardly move in a step that nobody asked for, and most likely are meant to add."""
    found = [node for node in graph.nodes.values() if means_sums(node)]
    if found and dt < SMALL_STEP:
        names = listed(quoted(node.name) for node in found)
        raise UnsupportedError(
            f"node{'s' * (len(found) > 1)} {names}: {found[0].kind} neurons with r = 1 add what arrives times the time "
            f"step, {dt:g} if none is given. sinabs, norse and snnTorch write 'v += input' like this: if that is "
            f"meant, read the graph with a time step of 1 (--dt 1); for NIR's own meaning, say so (--dt {dt:g})."
        )


def _resets(graph: Flat) -> list[str]:
    """Return a warning of neurons that do not say to what they are reset."""
    unsaid = [
        name for name, node in graph.nodes.items() if "v_threshold" in node.fields and "v_reset" not in node.fields
    ]
    if not unsaid:
        return []
    return [
        f"node{'s' * (len(unsaid) > 1)} {listed(map(quoted, unsaid))}: no v_reset, so they are reset to 0. snnTorch, "
        "sinabs and norse write neurons that subtract their threshold in the same form, and lose that here"
    ]

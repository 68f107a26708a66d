"""What arrives at each node of a graph: sums of what neurons and inputs send, by way of linear nodes and delays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import FileFormatError, UnsupportedError
from ..members import reserve_neurons
from ..quoted import listed, quoted
from .maps import Array, Diagonal, Map, added, compose
from .nodes import KINDS
from .nodes.node import Node, Shape, without_ones
from .nodes.operation import Delay, Linear, Neurons, Operation
from .tree import Flat

_MOST_TERMS = 256
"""Ways by which spikes reach a place at most."""


@dataclass(frozen=True, eq=False)
class Term:
    """What a source sends, mapped and delayed.

    Parameters
    ----------
    source : str
        The node of neurons or of an input that sends.
    map : Map
        From the source's neurons to what it arrives at.
    sent, late : ndarray of int
        Steps of delay, one for all or one a sender, and one for all or one a place where it arrives.
    node : str
        The last linear node on the way, or the source.
    """

    source: str
    map: Map
    sent: npt.NDArray[Any]
    late: npt.NDArray[Any]
    node: str

    @property
    def is_direct(self) -> bool:
        """Whether each neuron's own spikes arrive as they are, but for a delay."""
        return isinstance(self.map, Diagonal) and bool((self.map.gain == 1).all())


@dataclass(frozen=True, eq=False)
class Signal:
    """A sum of terms and of a constant, one value a place."""

    terms: tuple[Term, ...]
    constant: Array


@dataclass(frozen=True, eq=False)
class Signals:
    """What arrives at the nodes of a graph; see `of`.

    Parameters
    ----------
    graph : Flat
        The graph.
    operations : dict of str to Operation
        What each node but the inputs does.
    shapes : dict of str to tuple of int
        The shape of what each node puts out.
    notes : list of str
        What to mind.
    """

    graph: Flat
    operations: dict[str, Operation]
    shapes: dict[str, Shape]
    notes: list[str]
    _out: dict[str, Signal | None] = field(default_factory=dict)

    def arriving(self, name: str) -> Signal:
        """Return what arrives at a node."""
        return _added(self.graph.nodes[name], [self._sent(each) for each in self.graph.before[name]])

    def _sent(self, name: str) -> Signal:
        """Return what a node puts out."""
        if name in self._out:
            found = self._out[name]
            if found is None:
                raise UnsupportedError(
                    f"node {quoted(name)} leads back to itself without neurons on the way, so it would have to know "
                    "its own output. Put neurons or take an edge out."
                )
            return found
        operation = self.operations.get(name)
        if operation is None or isinstance(operation, Neurons):
            n = int(np.prod(self.shapes[name]))
            term = Term(name, Diagonal(np.ones(n)), np.int64(0), np.int64(0), name)  # type: ignore[arg-type]
            return Signal((term,), np.zeros(n))
        self._out[name] = None
        arriving = self.arriving(name)
        node = self.graph.nodes[name]
        found = (
            _delayed(node, arriving, operation) if isinstance(operation, Delay) else _mapped(node, arriving, operation)
        )
        self._out[name] = found
        return found


def of(graph: Flat, dt: float) -> Signals:
    """Return what arrives at the nodes of a graph, whose shapes must fit.

    Parameters
    ----------
    graph : Flat
        The graph.
    dt : float
        Seconds of a time step.

    Raises
    ------
    UnsupportedError
        A node cannot be run exactly; it is named, with the fix.
    FileFormatError
        A node lacks a parameter, or its shape contradicts what arrives.
    """
    shapes: dict[str, Shape] = {}
    operations: dict[str, Operation] = {}
    notes: list[str] = []
    for name in graph.inputs:
        shapes[name], note = _input_shape(graph, graph.nodes[name])
        notes += [note] if note else []
        reserve_neurons(int(np.prod(shapes[name], dtype=object)), graph.nodes[name].label)
    todo = list(graph.inputs)
    while todo:
        source = todo.pop(0)
        for name in graph.after[source]:
            if name not in shapes:
                node = graph.nodes[name]
                operations[name] = KINDS[node.kind](node, shapes[source], dt)
                shapes[name] = operations[name].shape
                todo.append(name)
    for name, operation in operations.items():
        _check_agreement(graph, shapes, name)
        if isinstance(operation, Neurons):
            notes += operation.notes
    return Signals(graph, operations, shapes, notes)


def _input_shape(graph: Flat, node: Node) -> tuple[Shape, str]:
    """Return the shape of an input without the samples and steps that some tools count in it, and what to say of it."""
    shape = node.shape("shape")
    takes = [graph.nodes[name] for name in graph.after[node.name]]
    rows = all(each.kind in ("Linear", "Affine") for each in takes)
    if len(shape) > 1 and rows and all(each.numbers("weight").shape[1:] == shape[-1:] for each in takes):
        if np.prod(shape[:-1]) == 1:
            return shape[-1:], ""
        return shape[-1:], (
            f"{node.label}: the last size of its shape {shape} counts channels, which is what "
            f"{listed(each.name for each in takes)} takes; the others are taken for samples and steps"
        )
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    return shape, ""


def _check_agreement(graph: Flat, shapes: dict[str, Shape], name: str) -> None:
    """Refuse a node at which signals of different shapes arrive."""
    first, *others = graph.before[name]
    for other in others:
        if without_ones(shapes[other]) != without_ones(shapes[first]):
            raise FileFormatError(
                f"node {quoted(name)}: {quoted(first)} brings it the shape {shapes[first]} and {quoted(other)} "
                f"{shapes[other]}, which cannot be added. Fix one of them."
            )


def _added(node: Node, signals: list[Signal]) -> Signal:
    constant = np.sum([each.constant for each in signals], axis=0)
    return Signal(_merged(node, (term for each in signals for term in each.terms)), constant)


def _merged(node: Node, terms: Iterable[Term]) -> tuple[Term, ...]:
    """Return terms with the maps of those of one source and one delay added: fewer synapses, rounded once."""
    found: list[Term] = []
    for term in terms:
        for at, other in enumerate(found):
            alike = term.source == other.source and np.array_equal(term.sent, other.sent)
            both = added(other.map, term.map) if alike and np.array_equal(term.late, other.late) else None
            if both is not None:
                found[at] = replace(other, map=both)
                break
        else:
            found.append(term)
        if len(found) > _MOST_TERMS:
            raise node.unsupported(
                f"what arrives comes by more than {_MOST_TERMS} different ways. Merge what comes from one layer."
            )
    return tuple(found)


def _mapped(node: Node, signal: Signal, operation: Linear) -> Signal:
    """Return what a linear node makes of a signal."""
    bias = 0 if operation.bias is None else operation.bias
    if operation.map is None:
        return Signal(signal.terms, signal.constant + bias)
    terms: list[Term] = []
    for term in signal.terms:
        for at, part in _by_lateness(node, term, keeps=isinstance(operation.map, Diagonal)):
            terms.append(replace(term, map=compose(part, operation.map), late=at, node=node.name))
    return Signal(_merged(node, terms), operation.map.apply(signal.constant) + bias)


def _by_lateness(node: Node, term: Term, *, keeps: bool) -> list[tuple[Any, Map]]:
    """Return a term's map in parts that are each late by one number of steps: a map after it mixes places."""
    if keeps or np.ndim(term.late) == 0:
        return [(term.late, term.map)]
    values = np.unique(term.late)
    if len(values) > _MOST_TERMS:
        raise node.unsupported(f"what arrives is delayed by {len(values)} different times; up to {_MOST_TERMS} can be.")
    return [(value, compose(term.map, Diagonal((term.late == value).astype(np.float64)))) for value in values]


def _delayed(node: Node, signal: Signal, operation: Delay) -> Signal:
    """Return a signal that a Delay node holds back."""
    steps = operation.steps if np.ptp(operation.steps) else operation.steps[0]
    if np.any(steps) and signal.constant.any():
        raise node.unsupported(
            "a Delay behind a bias holds the bias back too, and the contract adds biases from the first step on. Put "
            "the Delay before the node with the bias."
        )
    terms = []
    for term in signal.terms:
        if isinstance(term.map, Diagonal):
            terms.append(replace(term, sent=term.sent + steps))
        else:
            terms.append(replace(term, late=term.late + steps))
    return Signal(tuple(terms), signal.constant)

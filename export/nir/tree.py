"""The nodes and edges of a NIR file, with the graphs inside other graphs laid flat, after a look at every name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...contract.errors import FileFormatError, UnsupportedError
from ..quoted import listed, plain, quoted
from .nodes import FIELDS, KINDS
from .nodes.node import Node

Tree = Mapping[str, Any]

_ANYWHERE = {"type", "metadata", "input_type", "output_type"}
_GRAPH = {"nodes", "edges", "version"}
_SUBTRACTS = "reset"


@dataclass(frozen=True, eq=False)
class Flat:
    """A graph whose nodes are no graphs.

    Parameters
    ----------
    nodes : dict of str to Node
        In the order of the file.
    before, after : dict of str to tuple of str
        What leads to a node, and what it leads to, by its name.
    inputs, outputs : tuple of str
        The Input and Output nodes of the graph itself; those of graphs inside it hand on what arrives.
    """

    nodes: Mapping[str, Node]
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def flat(tree: Tree) -> Flat:
    """Return the nodes and edges of the tree of a file's group ``node``.

    Raises
    ------
    UnsupportedError
        A node or a field is not known, or leads nowhere.
    FileFormatError
        It is no graph, or its edges do not name its nodes.
    """
    nodes, edges = _laid_flat(tree, "", "the graph")
    before: dict[str, list[str]] = {name: [] for name in nodes}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in edges:
        if target in after[source]:
            raise FileFormatError(f"the edge from {quoted(source)} to {quoted(target)} stands twice. Remove one.")
        after[source].append(target)
        before[target].append(source)
    inputs = tuple(name for name, node in nodes.items() if node.kind == "Input" and not before[name])
    outputs = tuple(name for name, node in nodes.items() if node.kind == "Output" and not after[name])
    if not inputs or not outputs:
        missing = "Input" if not inputs else "Output"
        raise UnsupportedError(f"the graph has no {missing} node. Add one, and an edge that joins it to the others.")
    _refuse_loose(nodes, before, inputs, "leads from the graph's input to it", after)
    _refuse_loose(nodes, after, outputs, "leads from it to the graph's output", before)
    return Flat(
        nodes,
        {name: tuple(found) for name, found in before.items()},
        {name: tuple(found) for name, found in after.items()},
        inputs,
        outputs,
    )


def _laid_flat(tree: Tree, prefix: str, where: str) -> tuple[dict[str, Node], list[tuple[str, str]]]:
    """Return the nodes of a graph and of those in it, under their whole names, and all edges between them."""
    edges = _edges(tree, where)
    nodes: dict[str, Node] = {}
    ends: dict[str, tuple[str, str]] = {}
    inner: list[tuple[str, str]] = []
    for name, fields in tree["nodes"].items():
        whole = prefix + name
        if isinstance(fields, dict) and fields.get("type") == "NIRGraph":
            found, more = _laid_flat(fields, f"{whole}.", f"node {quoted(whole)}")
            ends[name] = _ports(found, more, f"{whole}.", whole)
            nodes |= found
            inner += more
        else:
            nodes[whole], ends[name] = _node(whole, fields), (whole, whole)
    for source, target in edges:
        for end in (source, target):
            if end not in ends:
                raise FileFormatError(_no_such_node(end, (source, target), edges, list(ends), where))
    return nodes, [*inner, *((ends[source][1], ends[target][0]) for source, target in edges)]


def _no_such_node(end: str, edge: tuple[str, str], edges: list[tuple[str, str]], nodes: list[str], where: str) -> str:
    named = {name for each in edges for name in each}
    unnamed = [name for name in nodes if name not in named]
    fix = f"No edge names {quoted(unnamed[0])}: if that is meant, write" if len(unnamed) == 1 else "Write"
    return (
        f"{where}: an edge leads from {quoted(edge[0])} to {quoted(edge[1])}, and {quoted(end)} is no node; the nodes "
        f"are {listed(nodes)}. {fix} the name of a node in the edges."
    )


def _ports(nodes: Mapping[str, Node], edges: list[tuple[str, str]], prefix: str, name: str) -> tuple[str, str]:
    """Return the input and the output of a graph inside another."""
    reached, left = {target for _, target in edges}, {source for source, _ in edges}
    ports = [
        [
            each
            for each, node in nodes.items()
            if node.kind == kind and each not in used and "." not in each[len(prefix) :]
        ]
        for kind, used in (("Input", reached), ("Output", left))
    ]
    if [len(found) for found in ports] != [1, 1]:
        raise UnsupportedError(
            f"node {quoted(name)} is a graph with {len(ports[0])} inputs and {len(ports[1])} outputs; those with one "
            "of each can be imported. Put its nodes into the graph around it."
        )
    return ports[0][0], ports[1][0]


def _edges(tree: Tree, where: str) -> list[tuple[str, str]]:
    """Return a graph's edges, (source, target), after a look at the graph's own members."""
    missing = [name for name in ("type", "nodes", "edges") if name not in tree]
    if missing or tree["type"] != "NIRGraph" or not isinstance(tree["nodes"], dict):
        hint = f"it has no {missing[0]}" if missing else "its type is another"
        raise FileFormatError(
            f"{'node' if where == 'the graph' else where} is no NIRGraph with nodes and edges: {hint}. The tool that "
            "wrote it may have stopped on the way: export the network again."
        )
    unknown = sorted(set(tree) - _GRAPH - _ANYWHERE)
    if unknown:
        raise UnsupportedError(f"{plain(unknown[0])} is no field of a graph; known are {', '.join(sorted(_GRAPH))}.")
    edges = tree["edges"]
    if np.size(edges) == 0:
        raise FileFormatError(
            f"{where} has no edges, so nothing leads from its input to its output. Give every node its edges, or "
            "export the network again."
        )
    if not isinstance(edges, list) or not all(
        isinstance(edge, list) and len(edge) == 2 and all(isinstance(end, str) for end in edge) for edge in edges
    ):
        raise FileFormatError("edges are no pairs of names of nodes.")
    return [(edge[0], edge[1]) for edge in edges]


def _node(name: str, fields: Any) -> Node:
    """Return a node whose type and fields are known."""
    if not isinstance(fields, dict):
        raise FileFormatError(f"node {quoted(name)} is no group of fields.")
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise FileFormatError(f"node {quoted(name)}: type is missing, or no text.")
    node = Node(name, kind, fields)
    if kind not in KINDS:
        raise node.unsupported(f"{plain(kind)} cannot be imported; known are {', '.join(KINDS)}.")
    unknown = sorted(set(fields) - FIELDS[kind] - _ANYWHERE)
    if not unknown:
        return node
    if _SUBTRACTS in unknown[0]:
        raise node.unsupported(
            f"{plain(unknown[0])} is no field of {kind} nodes, which are reset to v_reset. A reset by subtraction "
            "keeps what is left above the threshold, and the contract's neurons, like Loihi's, lose it: up to the "
            "whole input of a step at each spike. Train with a reset to zero; or remove the field, which resets to "
            "zero, and compare the spikes with the tool's."
        )
    raise node.unsupported(
        f"{plain(unknown[0])} is no field of {kind} nodes, so what it asks for is not known; known are "
        f"{', '.join(sorted(FIELDS[kind]))}. Remove it if it means nothing."
    )


def _refuse_loose(
    nodes: Mapping[str, Node],
    back: Mapping[str, list[str]],
    starts: tuple[str, ...],
    what: str,
    onward: Mapping[str, list[str]],
) -> None:
    """Refuse nodes that cannot be reached from `starts`."""
    reached, todo = set(starts), list(starts)
    while todo:
        for name in onward[todo.pop()]:
            if name not in reached:
                reached.add(name)
                todo.append(name)
    for name, node in nodes.items():
        if name not in reached:
            raise node.unsupported(f"nothing {what}, so it would be left out. Add the edge, or remove the node.")

"""Other tools' NIR graphs -> network records: chains of synapses and neurons, quantised to the contract.

NIR is written for continuous time. With steps of ``dt`` and forward Euler, as the tools that write it run it::

    u = (1 - dt / tau_syn) u + (dt / tau_syn) w_in x        v = (1 - dt / tau) v + (dt / tau) (v_leak + r u)

which is the contract's CUBA neuron with the two factors drawn into the weights; `nir_quantise` rounds what comes out. A
linear node at the end becomes a read-out, which sums its output over a sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...contract.errors import FileFormatError, UnsupportedError
from ...contract.net import DEFAULT_STEPS, Input, Net
from ...contract.synapses.axon import MAX_DELAY
from ...contract.synapses.conv import Conv
from ..members import reserve_neurons
from ..quoted import plain, quoted
from .graph import DT
from .quantise import Array, RealLayer, quantised, record_name

Tree = Mapping[str, Any]

_LINEAR = {
    "Linear": {"weight"},
    "Affine": {"weight", "bias"},
    "Conv2d": {"weight", "bias", "input_shape", "stride", "padding", "dilation", "groups"},
}
_FIRES = {"r", "v_threshold", "v_reset"}
_NEURONS = {
    "LIF": {"tau", "v_leak", *_FIRES},
    "CubaLIF": {"tau_syn", "tau_mem", "v_leak", "w_in", *_FIRES},
    "IF": _FIRES,
}
_PASSING = {"Flatten": {"start_dim", "end_dim"}}
KNOWN = {"Input": {"shape"}, "Output": {"shape"}, "Delay": {"delay"}, **_LINEAR, **_NEURONS, **_PASSING}
"""Node types that can be imported -> the fields of each."""
_ANYWHERE = {"type", "metadata", "input_type", "output_type"}
_GRAPH = {"nodes", "edges", "version"}


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
    notes : tuple of str
        What rounding did to each layer, and what else to mind.
    """

    net: Net
    layers: tuple[RealLayer, ...]
    dt: float
    notes: tuple[str, ...]


class _Node(NamedTuple):
    name: str
    kind: str
    fields: Tree

    def numbers(self, field: str, n: int | None = None) -> Array:
        """Return a parameter as float64; spread over n neurons if n is given."""
        if field not in self.fields:
            raise FileFormatError(f"node {quoted(self.name)}: {field} is missing.")
        value = np.asarray(self.fields[field])
        if value.dtype.kind not in "iuf" or not np.isfinite(value).all():
            raise FileFormatError(f"node {quoted(self.name)}: {field} is not finite numbers.")
        value = value.astype(np.float64)
        if n is None:
            return value
        if value.size not in (1, n):
            raise FileFormatError(f"node {quoted(self.name)}: {field} has {value.size} values for {n} neurons.")
        return np.broadcast_to(value.reshape(-1), (n,)).copy()


def quantise(tree: Tree, *, dt: float | None = None, steps: int = DEFAULT_STEPS) -> Imported:
    """Turn the tree of a NIR file into a record.

    Parameters
    ----------
    tree : dict
        The file's group ``node``.
    dt : float, optional
        Seconds of a time step; default 1e-4.
    steps : int
        Sample period.

    Raises
    ------
    UnsupportedError
        A node cannot be run exactly, or nodes do not form a chain; it is named, with the fix.
    FileFormatError
        A node lacks a parameter or its shapes do not fit.
    """
    dt = DT if dt is None else dt
    real = _layers(_chain(tree), dt)
    records, notes = [], [f"NIR leaves the time step open; it was read with dt = {dt:g} s"]
    names: set[str] = set()
    for layer in real:
        record, note = quantised(layer, record_name(layer.name, names))
        records.append(record)
        notes.append(note)
    if not real[-1].fires:
        notes.append(
            f"node {quoted(real[-1].name)} ends the graph without neurons: a read-out sums its output over a sample"
        )
    net = Net(inputs=(Input(num_channels=records[0].num_inputs),), layers=tuple(records), steps=steps)
    return Imported(net=net, layers=tuple(real), dt=dt, notes=tuple(notes))


def _chain(tree: Tree) -> list[_Node]:
    """Return the nodes in order, from the input to the last before the output."""
    edges = _edges(tree)
    nodes = {name: _node(name, fields) for name, fields in tree["nodes"].items()}
    for node in nodes.values():
        if node.kind == "NIRGraph":
            raise UnsupportedError(
                f"node {quoted(node.name)} is a graph of its own, as recurrent layers are; only chains can be imported."
            )
        if node.kind not in KNOWN:
            raise UnsupportedError(
                f"node {quoted(node.name)}: {plain(node.kind)} cannot be imported; known are {', '.join(KNOWN)}."
            )
        unknown = sorted(set(node.fields) - KNOWN[node.kind] - _ANYWHERE)
        if unknown:
            raise UnsupportedError(
                f"node {quoted(node.name)}: {plain(unknown[0])} is no field of {node.kind} nodes, so what it asks for "
                f"is not known; known are {', '.join(sorted(KNOWN[node.kind]))}. Remove it if it means nothing."
            )
    after: dict[str, str] = {}
    reached: set[str] = set()
    for source, target in edges:
        if source not in nodes or target not in nodes:
            raise FileFormatError(
                f"an edge leads from {quoted(source)} to {quoted(target)}, and one of them is no node."
            )
        if source in after or target in reached:
            twice = source if source in after else target
            raise UnsupportedError(f"node {quoted(twice)} has several connections; only chains can be imported.")
        after[source] = target
        reached.add(target)
    inputs = [name for name, node in nodes.items() if node.kind == "Input"]
    if len(inputs) != 1:
        raise UnsupportedError(f"the graph has {len(inputs)} inputs; only chains from one input can be imported.")
    order: list[_Node] = []
    name = inputs[0]
    while name in after and len(order) <= len(nodes):
        name = after[name]
        order.append(nodes[name])
    if not order or order[-1].kind != "Output" or len(order) != len(nodes) - 1:
        raise UnsupportedError("the graph is no chain from its input to its output; only chains can be imported.")
    return [nodes[inputs[0]], *order[:-1]]


def _edges(tree: Tree) -> list[tuple[str, str]]:
    """Return a graph's edges, (source, target), after a look at the graph's own members."""
    if tree.get("type") != "NIRGraph" or not isinstance(tree.get("nodes"), dict) or "edges" not in tree:
        raise FileFormatError("node is no NIRGraph with nodes and edges.")
    unknown = sorted(set(tree) - _GRAPH - _ANYWHERE)
    if unknown:
        raise UnsupportedError(f"{plain(unknown[0])} is no field of a graph; known are {', '.join(sorted(_GRAPH))}.")
    edges = tree["edges"]
    if np.size(edges) == 0:
        raise FileFormatError("the graph has no edges, so nothing leads from its input to its output.")
    if not isinstance(edges, list) or not all(
        isinstance(edge, list) and len(edge) == 2 and all(isinstance(end, str) for end in edge) for edge in edges
    ):
        raise FileFormatError("edges are no pairs of names of nodes.")
    return [(edge[0], edge[1]) for edge in edges]


def _node(name: str, fields: Any) -> _Node:
    if not isinstance(fields, dict):
        raise FileFormatError(f"node {quoted(name)} is no group of fields.")
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise FileFormatError(f"node {quoted(name)}: type is missing, or no text.")
    return _Node(name, kind, fields)


def _layers(chain: list[_Node], dt: float) -> list[RealLayer]:
    found: list[RealLayer] = []
    linear: _Synapses | None = None
    shape = tuple(int(size) for size in np.ravel(chain[0].fields.get("shape", ())))
    for node in chain[1:]:
        if node.kind in _PASSING:
            shape = (math.prod(shape),)
        elif node.kind in _LINEAR:
            if linear is not None:
                raise UnsupportedError(
                    f"node {quoted(node.name)} follows {quoted(linear.node.name)} without neurons between; merge them."
                )
            linear = _synapses(node, shape)
            shape = (len(linear.bias),) if linear.conv is None else linear.conv.out_shape
        elif node.kind == "Delay":
            if linear is not None or not found:
                raise UnsupportedError(f"node {quoted(node.name)}: a Delay is exact behind neurons only.")
            found[-1] = _delayed(found[-1], node, dt)
        else:
            if linear is None:
                raise UnsupportedError(f"node {quoted(node.name)}: neurons without a linear node before them. Add one.")
            found.append(_neurons(linear, node, dt))
            linear = None
    if linear is not None:
        zeros = np.zeros(len(linear.bias))
        found.append(
            RealLayer(
                name=linear.node.name,
                weight=linear.weight,
                lost_u=zeros + 1,
                lost_v=zeros,
                bias=linear.bias,
                threshold=zeros,
                fires=False,
                conv=linear.conv,
            )
        )
    if not found:
        raise UnsupportedError("the graph has no linear node, so there is nothing to import.")
    return found


class _Synapses(NamedTuple):
    node: _Node
    weight: Array
    bias: Array
    """One a neuron."""
    conv: Conv | None

    def scaled(self, gain: Array) -> _Synapses:
        """Return the synapses with each neuron's multiplied by its gain."""
        rows = gain.reshape(len(self.weight), -1)
        if np.ptp(rows, axis=1).any():
            raise UnsupportedError(
                f"node {quoted(self.node.name)}: neurons of one channel differ, and they share weights."
            )
        factor = rows[:, 0].reshape(-1, *[1] * (self.weight.ndim - 1))
        return self._replace(weight=self.weight * factor)


def _synapses(node: _Node, shape: tuple[int, ...]) -> _Synapses:
    weight, conv = node.numbers("weight"), None
    if weight.ndim != (4 if node.kind == "Conv2d" else 2) or not weight.size:
        what = "(outputs, inputs, rows, columns)" if node.kind == "Conv2d" else "(outputs, inputs)"
        raise UnsupportedError(f"node {quoted(node.name)}: weight has shape {weight.shape}; {what} can be imported.")
    n = len(weight)
    if node.kind == "Conv2d":
        if len(shape) != 3:
            raise UnsupportedError(
                f"node {quoted(node.name)}: a convolution of a shape {shape}; images can be convolved."
            )
        if "input_shape" in node.fields and np.ravel(node.numbers("input_shape")).tolist() != [*shape[1:]]:
            raise UnsupportedError(
                f"node {quoted(node.name)}: input_shape is {quoted(np.ravel(node.fields['input_shape']))}, but images "
                f"of {quoted(shape[1:])} arrive. Fix input_shape, or the shape of the graph's input."
            )
        pairs = {name: _pair(node, name) for name in ("stride", "padding", "dilation")}
        groups = int(node.numbers("groups"))
        conv = Conv(weight=np.zeros(weight.shape, np.int64), in_shape=(*shape,), groups=groups, **pairs)
        n = conv.num_neurons
        reserve_neurons(n, f"node {quoted(node.name)}")
    if node.kind == "Linear" or "bias" not in node.fields:
        return _Synapses(node, weight, np.zeros(n), conv)
    bias = np.repeat(node.numbers("bias", len(weight)), n // len(weight))
    return _Synapses(node, weight, bias, conv)


def _pair(node: _Node, field: str) -> tuple[int, int]:
    value = node.fields.get(field)
    if isinstance(value, str):
        if value != "valid":
            raise UnsupportedError(f"node {quoted(node.name)}: {field} {quoted(value)}; give it in numbers.")
        return 0, 0
    rows, columns = (int(number) for number in node.numbers(field, 2))
    return rows, columns


def _neurons(linear: _Synapses, node: _Node, dt: float) -> RealLayer:
    n, bias = len(linear.bias), linear.bias
    if "v_reset" in node.fields and node.numbers("v_reset", n).any():
        raise UnsupportedError(f"node {quoted(node.name)}: v_reset is not 0, and the contract resets to 0.")
    r, threshold = node.numbers("r", n), node.numbers("v_threshold", n)
    ones = np.ones(n)
    if node.kind == "IF":
        lost_u, lost_v, gain, leak = ones, np.zeros(n), dt * r, np.zeros(n)
    else:
        lost_v = _lost(node, "tau" if node.kind == "LIF" else "tau_mem", n, dt)
        lost_u = _lost(node, "tau_syn", n, dt) if node.kind == "CubaLIF" else ones
        gain, leak = lost_v * r, lost_v * node.numbers("v_leak", n)
    bias = gain * bias + leak
    if node.kind == "CubaLIF":
        if linear.bias.any():
            raise UnsupportedError(
                f"node {quoted(linear.node.name)}: a bias into CubaLIF neurons is filtered by their current, and the "
                "contract adds biases to the membrane. Train the layer without bias."
            )
        gain = gain * lost_u * node.numbers("w_in", n)
    if (threshold <= 0).any():
        raise UnsupportedError(
            f"node {quoted(node.name)}: a threshold of {threshold.min():g}; positive ones can be kept."
        )
    if np.ptp(threshold):  # A record keeps one: each membrane in units of its own threshold spikes alike.
        gain, bias, threshold = gain / threshold, bias / threshold, ones
    return RealLayer(
        name=node.name,
        weight=linear.scaled(gain).weight,
        lost_u=lost_u,
        lost_v=lost_v,
        bias=bias,
        threshold=threshold,
        conv=linear.conv,
    )


def _lost(node: _Node, field: str, n: int, dt: float) -> Array:
    tau = node.numbers(field, n)
    if (tau <= 0).any() or (dt / tau > 1 + 1e-6).any():
        raise UnsupportedError(
            f"node {quoted(node.name)}: {field} = {tau.min():g} s is shorter than a time step of {dt:g} s. Give the "
            "time step that the network was trained with (dt)."
        )
    return np.minimum(dt / tau, 1.0)


def _delayed(layer: RealLayer, node: _Node, dt: float) -> RealLayer:
    delay = node.numbers("delay", len(layer.threshold)) / dt
    whole = np.round(delay)
    if (np.abs(delay - whole) > 1e-3).any() or whole.min() < 0 or whole.max() > MAX_DELAY:
        raise UnsupportedError(
            f"node {quoted(node.name)}: delays of {delay.min():g} to {delay.max():g} steps; whole ones of 0 to "
            f"{MAX_DELAY} can be imported."
        )
    return RealLayer(**{**vars(layer), "delay": whole.astype(np.int64)})

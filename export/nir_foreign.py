"""Other tools' NIR graphs -> network records: chains of synapses and neurons, quantised to the contract.

NIR is written for continuous time. With steps of ``dt`` and forward Euler, as the tools that write it run it::

    u = (1 - dt / tau_syn) u + (dt / tau_syn) w_in x        v = (1 - dt / tau) v + (dt / tau) (v_leak + r u)

which is the contract's CUBA neuron with the two factors drawn into the weights. Decays become multiples of 1/4096, and
weights even 8-bit integers at the largest scale, a power of two, at which weights, threshold and bias fit. A linear
node at the end becomes a read-out, which sums its output over a sample.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.axon import MAX_DELAY, Axon
from ..contract.cuba import CUBA
from ..contract.errors import FileFormatError, UnsupportedError
from ..contract.fixed import (
    BIAS_MANT_MAX,
    DECAY_ONE,
    THRESHOLD_MANT_MAX,
    WEIGHT_MAX,
    WEIGHT_MIN,
    WEIGHT_STEP,
)
from ..contract.net import Input, Layer, Net
from ..contract.readout import Readout
from ..contract.synapse import Dense
from .nir_graph import DT

Array = npt.NDArray[np.float64]
Tree = Mapping[str, Any]

_LINEAR = ("Linear", "Affine")
_NEURONS = ("LIF", "CubaLIF", "IF")
_PASSING = ("Flatten",)
KNOWN = ("Input", "Output", "Delay", *_LINEAR, *_NEURONS, *_PASSING)
"""Node types that can be imported."""
_SCALE_MAX = 2**20


@dataclass(frozen=True, kw_only=True)
class RealLayer:
    """A layer of another tool's graph in discrete time, before anything is rounded.

    Parameters
    ----------
    name : str
        Of the node of the neurons, or of the last linear node.
    weight : ndarray of float64, shape (n_out, n_in)
        What a spike adds to the membrane, or to the read-out.
    lost_u, lost_v : ndarray of float64, shape (n_out,)
        Fraction of current and membrane lost a step, 0..1.
    bias, threshold : ndarray of float64, shape (n_out,)
        Added to the membrane each step; what the membrane must pass.
    fires : bool
        False for a read-out.
    delay : ndarray of int, shape (n_out,)
        Steps until a spike arrives.
    """

    name: str
    weight: Array
    lost_u: Array
    lost_v: Array
    bias: Array
    threshold: Array
    fires: bool = True
    delay: Any = None


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
            raise FileFormatError(f"node {self.name!r}: {field} is missing.")
        value = np.asarray(self.fields[field])
        if value.dtype.kind not in "iuf" or not np.isfinite(value).all():
            raise FileFormatError(f"node {self.name!r}: {field} is not finite numbers.")
        value = value.astype(np.float64)
        if n is None:
            return value
        if value.size not in (1, n):
            raise FileFormatError(f"node {self.name!r}: {field} has {value.size} values for {n} neurons.")
        return np.broadcast_to(value.reshape(-1), (n,)).copy()


def quantise(tree: Tree, *, dt: float | None = None, steps: int = 100) -> Imported:
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
        A node cannot be run exactly, or nodes do not form a chain; it is named, with the mend.
    FileFormatError
        A node lacks a parameter or its shapes do not fit.
    """
    dt = DT if dt is None else dt
    chain = _chain(tree)
    real = _layers(chain, dt)
    records, notes = [], [f"NIR leaves the time step open; it was read with dt = {dt:g} s"]
    names: set[str] = set()
    for layer in real:
        record, note = _quantised(layer, _record_name(layer.name, names))
        records.append(record)
        notes.append(note)
    if not real[-1].fires:
        notes.append(f"node {real[-1].name!r} ends the graph without neurons: a read-out sums its output over a sample")
    net = Net(input=Input(num_channels=real[0].weight.shape[1]), layers=tuple(records), steps=steps)
    return Imported(net=net, layers=tuple(real), dt=dt, notes=tuple(notes))


def _chain(tree: Tree) -> list[_Node]:
    """Return the nodes from the input to the output in order."""
    if tree.get("type") != "NIRGraph" or not isinstance(tree.get("nodes"), dict) or not tree.get("edges"):
        raise FileFormatError("node is no NIRGraph with nodes and edges.")
    nodes = {name: _Node(name, str(fields.get("type")), fields) for name, fields in tree["nodes"].items()}
    for node in nodes.values():
        if node.kind == "NIRGraph":
            raise UnsupportedError(
                f"node {node.name!r} is a graph of its own, as recurrent layers are; only chains can be imported."
            )
        if node.kind not in KNOWN:
            raise UnsupportedError(f"node {node.name!r}: {node.kind} cannot be imported; known are {', '.join(KNOWN)}.")
    after: dict[str, str] = {}
    for edge in tree["edges"]:
        source, target = (str(end) for end in edge)
        if source not in nodes or target not in nodes:
            raise FileFormatError(f"an edge leads from {source!r} to {target!r}, and one of them is no node.")
        if source in after or target in after.values():
            raise UnsupportedError(
                f"node {source if source in after else target!r} has several connections; only chains can be imported."
            )
        after[source] = target
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
    return order[:-1]


def _layers(chain: list[_Node], dt: float) -> list[RealLayer]:
    found: list[RealLayer] = []
    linear: _Node | None = None
    for node in chain:
        if node.kind in _PASSING:
            continue
        if node.kind in _LINEAR:
            if linear is not None:
                raise UnsupportedError(
                    f"node {node.name!r} follows {linear.name!r} without neurons between; merge them."
                )
            linear = node
        elif node.kind == "Delay":
            if linear is not None or not found:
                raise UnsupportedError(f"node {node.name!r}: a Delay is exact behind neurons only.")
            found[-1] = _delayed(found[-1], node, dt)
        else:
            if linear is None:
                raise UnsupportedError(f"node {node.name!r}: neurons without a linear node before them. Add one.")
            found.append(_neurons(linear, node, dt))
            linear = None
    if linear is not None:
        weight = _weight(linear)
        zeros = np.zeros(len(weight))
        found.append(
            RealLayer(
                name=linear.name,
                weight=weight,
                lost_u=zeros + 1,
                lost_v=zeros,
                bias=_bias(linear, len(weight)),
                threshold=zeros,
                fires=False,
            )
        )
    if not found:
        raise UnsupportedError("the graph has no linear node, so there is nothing to import.")
    return found


def _weight(node: _Node) -> Array:
    weight = node.numbers("weight")
    if weight.ndim != 2 or not weight.size:
        raise UnsupportedError(
            f"node {node.name!r}: weight has shape {weight.shape}; (outputs, inputs) can be imported."
        )
    return weight


def _bias(node: _Node, n: int) -> Array:
    return node.numbers("bias", n) if node.kind == "Affine" else np.zeros(n)


def _neurons(linear: _Node, node: _Node, dt: float) -> RealLayer:
    weight = _weight(linear)
    n = len(weight)
    bias = _bias(linear, n)
    if "v_reset" in node.fields and node.numbers("v_reset", n).any():
        raise UnsupportedError(f"node {node.name!r}: v_reset is not 0, and the contract resets to 0.")
    r, threshold = node.numbers("r", n), node.numbers("v_threshold", n)
    ones = np.ones(n)
    if node.kind == "IF":
        lost_u, lost_v, gain, leak = ones, np.zeros(n), dt * r, np.zeros(n)
    else:
        lost_v = _lost(node, "tau" if node.kind == "LIF" else "tau_mem", n, dt)
        lost_u = _lost(node, "tau_syn", n, dt) if node.kind == "CubaLIF" else ones
        gain, leak = lost_v * r, lost_v * node.numbers("v_leak", n)
    if node.kind == "CubaLIF":
        if bias.any():
            raise UnsupportedError(
                f"node {linear.name!r}: a bias into CubaLIF neurons is filtered by their current, and the contract "
                "adds biases to the membrane. Train the layer without bias."
            )
        weight = weight * (lost_u * node.numbers("w_in", n))[:, None]
    if (threshold <= 0).any():
        raise UnsupportedError(f"node {node.name!r}: a threshold of {threshold.min():g}; positive ones can be kept.")
    bias = gain * bias + leak
    if np.ptp(threshold):  # A record keeps one: each membrane in units of its own threshold spikes alike.
        gain, bias, threshold = gain / threshold, bias / threshold, ones
    return RealLayer(
        name=node.name,
        weight=weight * gain[:, None],
        lost_u=lost_u,
        lost_v=lost_v,
        bias=bias,
        threshold=threshold,
    )


def _lost(node: _Node, field: str, n: int, dt: float) -> Array:
    tau = node.numbers(field, n)
    if (tau <= 0).any() or (dt / tau > 1 + 1e-6).any():
        raise UnsupportedError(
            f"node {node.name!r}: {field} = {tau.min():g} s is shorter than a time step of {dt:g} s. Give the time "
            "step that the network was trained with (dt)."
        )
    return np.minimum(dt / tau, 1.0)


def _delayed(layer: RealLayer, node: _Node, dt: float) -> RealLayer:
    delay = node.numbers("delay", len(layer.threshold)) / dt
    whole = np.round(delay)
    if (np.abs(delay - whole) > 1e-3).any() or whole.min() < 0 or whole.max() > MAX_DELAY:
        raise UnsupportedError(
            f"node {node.name!r}: delays of {delay.min():g} to {delay.max():g} steps; whole ones of 0 to {MAX_DELAY} "
            "can be imported."
        )
    return RealLayer(**{**vars(layer), "delay": whole.astype(np.int64)})


def _quantised(layer: RealLayer, name: str) -> tuple[Layer, str]:
    """Return the record of a layer, and what rounding did to it."""
    scale = _scale(layer)
    half = np.round(layer.weight * scale / WEIGHT_STEP)
    weight = WEIGHT_STEP * np.clip(half, WEIGHT_MIN // WEIGHT_STEP, WEIGHT_MAX // WEIGHT_STEP).astype(np.int64)
    bias = np.round(layer.bias * scale).astype(np.int64)
    decays: dict[str, Any] = {
        key: np.round(DECAY_ONE * lost) for key, lost in (("u_decay", layer.lost_u), ("v_decay", layer.lost_v))
    }
    n = len(layer.threshold)
    neuron: Any
    if layer.fires:
        v_th_mant = int(np.round(layer.threshold[0] * scale))
        neuron = CUBA(num_neurons=n, v_th_mant=v_th_mant, bias_mant=bias, **decays)
    else:
        neuron = Readout(num_neurons=n, bias_mant=bias)
    axon = None if layer.delay is None or not layer.delay.any() else Axon(delay=layer.delay)
    record = Layer(name=name, synapse=Dense(weight=weight), neuron=neuron, scale=scale, axon=axon)
    off = {
        "weights": np.abs(weight / scale - layer.weight).max(),
        "biases": np.abs(bias / scale - layer.bias).max(),
        "decays": max(
            np.abs(decays["u_decay"] / DECAY_ONE - layer.lost_u).max(),
            np.abs(decays["v_decay"] / DECAY_ONE - layer.lost_v).max(),
        ),
    }
    words = ", ".join(f"{key} by up to {value:.2g}" for key, value in off.items())
    return record, f"node {layer.name!r}: scale {scale}; rounding moves {words}"


def _scale(layer: RealLayer) -> int:
    """Return the largest power of two at which weights, threshold and bias fit."""
    # Half the register is left above the threshold.
    limits = [
        (float(np.abs(layer.weight).max()), float(WEIGHT_MAX)),
        (float(np.abs(layer.bias).max()), float(BIAS_MANT_MAX)),
        (float(np.abs(layer.threshold).max()), THRESHOLD_MANT_MAX / 2),
    ]
    most = min((limit / value for value, limit in limits if value), default=1.0)
    if most < 1:
        raise UnsupportedError(
            f"node {layer.name!r}: weights up to {limits[0][0]:g}, biases up to {limits[1][0]:g} or thresholds up to "
            f"{limits[2][0]:g} do not fit 8, 13 and 17 bits. Scale weights, biases and threshold down together."
        )
    return int(min(2 ** math.floor(math.log2(most)), _SCALE_MAX))


def _record_name(name: str, taken: set[str]) -> str:
    """Return a layer's name made of a node's."""
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:56]
    stem = stem if re.match(r"[A-Za-z_]", stem) else f"n{stem}"
    found, number = stem, 1
    while found in taken:
        number += 1
        found = f"{stem}_{number}"
    taken.add(found)
    return found

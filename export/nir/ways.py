"""The ways by which spikes reach a layer of a record, as NIR nodes: a delay, synapses, and what makes shapes fit.

A delay of each synapse is written as one Delay and one Linear node for each number of steps that occurs. NIR has no
node that makes an image of a row, so what would need one is a node of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.fixed import ACCUMULATOR_SHIFT
from ...contract.net import Layer
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..packing import KIND, pack
from .foreign import DT

OURS = "spikeproof"
"""Namespace of our node types, and key of our metadata."""
_MOST_PARTS = 16
"""With synapses of more different delays than this, a node of ours holds them: each part repeats the matrix."""


@dataclass(frozen=True)
class Nodes:
    """The nodes and edges of a graph that is made."""

    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, node: Any, *sources: str) -> str:
        """Add a node and the edges to it; return its name."""
        self.nodes[name] = node
        self.edges.extend((source, name) for source in sources)
        return name


class Way(NamedTuple):
    """One way, and where it begins."""

    name: str
    synapse: Synapse
    delay: npt.NDArray[Any] | np.integer[Any]
    sender: str
    shape: tuple[int, ...]
    """Of what the sender puts out."""
    exp: int
    """The power of two that a payload of 1 means."""


def carries_bias(layer: Layer, shape: tuple[int, ...], images: bool = True) -> bool:
    """Whether a layer's own synapses are a standard node that can carry its bias; they receive what has this `shape`.

    That of a convolution carries one a channel, if `images` may carry a bias at all.
    """
    if isinstance(layer.synapse, Dense):
        return not _is_scattered(layer.delay)
    bias = np.asarray(getattr(layer.neuron, "bias_mant", 0))
    rows = np.broadcast_to(bias, layer.num_neurons).reshape(layer.shape[0], -1)
    return images and layer.synapse.in_shape == shape and bool((rows == rows[:, :1]).all())


def add_way(nir: ModuleType, made: Nodes, layer: Layer, way: Way, bias: Any, gain: float) -> list[str]:
    """Add the nodes of a way, its weights times `gain`; return those that the layer's neurons listen to."""
    images = len(layer.shape) == 3
    reshapes = (isinstance(way.synapse, Conv) and way.synapse.in_shape != way.shape) or (
        isinstance(way.synapse, Dense) and images
    )
    unit = (
        2.0 ** (getattr(layer.neuron, "a_shift", ACCUMULATOR_SHIFT) - ACCUMULATOR_SHIFT - way.exp) / layer.scale * gain
    )
    if type(way.synapse) not in (Dense, Conv) or reshapes or _is_scattered(way.delay):
        fields = pack(way.synapse) | ({"delay": pack(np.asarray(way.delay))} if np.any(way.delay) else {})
        sums = layer.shape if way.synapse.num_neurons == layer.num_neurons else (way.synapse.num_neurons,)
        return [made.add(way.name, ours(nir, fields, way.shape, sums), way.sender)]
    sender, shape = way.sender, way.shape
    if isinstance(way.synapse, Dense) and len(shape) > 1:
        flatten = nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
        sender, shape = (
            made.add(f"{way.name.removesuffix(':synapse')}:flatten", flatten, sender),
            (int(np.prod(shape)),),
        )
    if np.ndim(way.delay) == 2:
        return _parts(nir, made, way, sender, unit, bias)
    if np.any(way.delay):
        steps = np.broadcast_to(way.delay, int(np.prod(shape))).reshape(shape)
        sender = made.add(f"{way.name}:delay", nir.Delay(delay=steps * DT), sender)
    if isinstance(way.synapse, Dense):
        return [made.add(way.name, _linear(nir, way.synapse.worth * unit, bias), sender)]
    found = made.add(way.name, _conv(nir, way.synapse, unit, bias), sender)
    if images:
        return [found]
    flatten = nir.Flatten(input_type={"input": np.array(way.synapse.out_shape)}, start_dim=0, end_dim=-1)
    return [made.add(f"{way.name}:flatten", flatten, found)]


def _parts(nir: ModuleType, made: Nodes, way: Way, sender: str, unit: float, bias: Any) -> list[str]:
    """Add a Delay and a Linear node for each delay of synapses, the bias to the first."""
    assert isinstance(way.synapse, Dense)
    found: list[str] = []
    for d in np.unique(way.delay):
        weight = np.where(way.delay == d, way.synapse.worth, 0)
        after = sender
        if d:
            steps = np.full(way.synapse.num_inputs, d * DT)
            after = made.add(f"{way.name}:delay{d}", nir.Delay(delay=steps), sender)
        found.append(made.add(f"{way.name}{d}", _linear(nir, weight * unit, None if found else bias), after))
    return found


def _is_scattered(delay: Any) -> bool:
    return bool(np.ndim(delay) == 2 and len(np.unique(delay)) > _MOST_PARTS)


def _linear(nir: ModuleType, weight: Any, bias: Any) -> Any:
    return nir.Linear(weight=weight) if bias is None else nir.Affine(weight=weight, bias=bias)


def _conv(nir: ModuleType, synapse: Conv, unit: float, bias: Any) -> Any:
    return nir.Conv2d(
        input_shape=synapse.in_shape[1:],
        weight=synapse.weight * unit,
        stride=synapse.stride,
        padding=synapse.padding,
        dilation=synapse.dilation,
        groups=synapse.groups,
        bias=np.zeros(len(synapse.weight)) if bias is None else bias,
    )


def ours(nir: ModuleType, fields: dict[str, Any], input_shape: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Return a node of a type of ours."""

    class Node(nir.NIRNode):  # type: ignore[name-defined,misc]
        """A node that other readers refuse."""

        def __init__(self) -> None:
            self.input_type = {"input": np.array(input_shape)}
            self.output_type = {"output": np.array(shape)}
            self.metadata: dict[str, Any] = {}

        def to_dict(self) -> dict[str, Any]:
            return {"type": f"{OURS}.{fields[KIND]}"} | {key: value for key, value in fields.items() if key != KIND}

    return Node()

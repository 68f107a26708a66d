"""Network records as NIR graphs, for the tools that read the Neuromorphic Intermediate Representation.

What NIR has a node for is written as that node, in SLAYER's units and for forward Euler's rule with steps of `DT`:
Dense synapses are Linear, convolutions Conv2d, CUBA neurons CubaLIF, LIF or IF, delays of spikes Delay. Everything
else is a node of a type of ours, ``spikeproof.CELIF`` say, which other readers do not know and refuse; it holds the
record's integers. The graph's metadata hold the whole record too, so that a file gives back the identical one.

References
----------
J. E. Pedersen et al., Neuromorphic intermediate representation, Nature Communications 15 (2024); the package nir 1.0.8.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ... import __version__
from ...contract.errors import MissingDependencyError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ...contract.net import SCHEMA_VERSION, Layer, Net
from ...contract.neurons.cuba import CUBA
from ...contract.sources.driven import Driven
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense
from ..files import replacing
from ..packing import KIND, pack
from .foreign import DT

OURS = "spikeproof"
"""Namespace of our node types, and key of our metadata."""
ENCODING = ":te"


def library() -> ModuleType:
    """Return the package nir.

    Raises
    ------
    MissingDependencyError
        It is not installed.
    """
    try:
        import nir
    except ImportError:
        raise MissingDependencyError(
            "NIR files need the package nir, which is not installed. Install it: pip install nir"
        ) from None
    module: ModuleType = nir
    return module


def write(net: Net, path: str | os.PathLike[str]) -> None:
    """Write a network record as a NIR file; the file appears whole or not at all.

    Parameters
    ----------
    net : Net
        The record.
    path : path-like
        Where to; an existing file is replaced.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written to.
    MissingDependencyError
        The package nir is not installed.
    """
    nir = library()
    made = graph(net)
    with replacing(path) as temporary:
        nir.write(temporary, made)


def graph(net: Net) -> Any:
    """Return a network record as a `nir.NIRGraph`."""
    net.require_chain("The NIR writer")
    nir = library()
    first = net.layers[0].synapse
    shape: tuple[int, ...] = first.in_shape if isinstance(first, Conv) else (net.input.num_channels,)
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array(shape)})}
    edges: list[tuple[str, str]] = []

    def follow(name: str, node: Any, *sources: str) -> str:
        nodes[name] = node
        edges.extend((source, name) for source in sources)
        return name

    if isinstance(net.te, Driven):
        follow(ENCODING, _ours(nir, pack(net.te), (0,), (net.te.num_neurons,)))
    elif net.te is not None:
        follow(ENCODING, _ours(nir, {KIND: "TemporalEncoding", "te": net.te}, (0,), net.te.shape[1:]))
    source = "input"
    for i, layer in enumerate(net.layers):
        name, neuron = layer.name, _neuron(nir, layer)
        if len(shape) > 1 and not isinstance(layer.synapse, Conv):
            flatten = nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
            source = follow(f"{name}:flatten", flatten, source)
        inputs = [follow(f"{name}:synapse", _synapse(nir, net, i, slice(0, layer.num_inputs), shape, neuron), source)]
        if layer.cpg is not None:
            oscillators = _ours(nir, pack(layer.cpg), (0,), (layer.cpg.num_neurons,))
            cpg = follow(f"{name}:cpg", oscillators)
            inputs.append(
                follow(f"{name}:cpg_synapse", _synapse(nir, net, i, slice(layer.num_inputs, None), shape, neuron), cpg)
            )
        if layer.neuron.takes_te:
            inputs.append(ENCODING)
        if layer.feedback is not None:
            unit = 2.0 ** (getattr(layer.neuron, "a_shift", ACCUMULATOR_SHIFT) - ACCUMULATOR_SHIFT) / layer.scale
            node = nir.Linear(weight=layer.feedback.weight * unit)
            inputs.append(follow(f"{name}:feedback", node, node_name(layer)))
        source, shape = follow(node_name(layer), neuron, *inputs), layer.shape
        if layer.axon is not None:
            source = follow(f"{name}:delay", nir.Delay(delay=(layer.axon.delay * DT).reshape(shape)), source)
    follow("output", nir.Output(output_type={"output": np.array(shape)}), source)
    metadata = {OURS: {"schema": SCHEMA_VERSION, "version": __version__, "dt": DT, "net": pack(net)}}
    checked = all(_is_checked(nir, node) for node in nodes.values())
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata, type_check=checked)


def _is_checked(nir: ModuleType, node: Any) -> bool:
    """Whether nir's own check of shapes is right about a node, and knows its type."""
    if isinstance(node, nir.Conv2d):  # it counts no groups, and takes every kernel to be as wide as it is high
        return bool(node.groups == 1 and node.weight.shape[2] == node.weight.shape[3])
    return not is_ours(node)


def node_name(layer: Layer) -> str:
    """Return what the node of a layer's neurons is called."""
    return f"{layer.name}:neuron" if layer.name in ("input", "output") else layer.name


def is_ours(node: Any) -> bool:
    """Return whether a node is of a type that only spikeproof knows."""
    return str(node.to_dict()["type"]).startswith(f"{OURS}.")


def _synapse(nir: ModuleType, net: Net, index: int, columns: slice, shape: tuple[int, ...], neuron: Any) -> Any:
    layer = net.layers[index]
    # NIR has no node that makes an image of a vector.
    reshapes = isinstance(layer.synapse, Conv) and layer.synapse.in_shape != shape
    if type(layer.synapse) not in _SYNAPSES or reshapes:
        return _ours(nir, pack(layer.synapse), (layer.synapse.num_inputs,), (layer.synapse.num_neurons,))
    # What a payload of 1 does to the membrane, in SLAYER's units.
    unit = 2.0 ** (getattr(layer.neuron, "a_shift", ACCUMULATOR_SHIFT) - ACCUMULATOR_SHIFT) / layer.scale
    unit *= 2.0 ** -net.payload_exp(index)
    node, params = _SYNAPSES[type(layer.synapse)](nir, layer.synapse, columns, unit), layer.neuron
    # Before neurons without a current the linear node carries their bias, which most readers expect there.
    if columns.start or not isinstance(node, nir.Linear) or not isinstance(neuron, nir.LIF | nir.IF):
        return node
    assert isinstance(params, CUBA)
    return nir.Affine(weight=node.weight, bias=params.bias_mant / layer.scale) if params.bias_mant.any() else node


def _dense(nir: ModuleType, synapse: Dense, columns: slice, unit: float) -> Any:
    return nir.Linear(weight=synapse.weight[:, columns] * unit)


def _conv(nir: ModuleType, synapse: Conv, columns: slice, unit: float) -> Any:
    return nir.Conv2d(
        input_shape=synapse.in_shape[1:],
        weight=synapse.weight * unit,
        stride=synapse.stride,
        padding=synapse.padding,
        dilation=synapse.dilation,
        groups=synapse.groups,
        bias=np.zeros(len(synapse.weight)),
    )


_SYNAPSES: dict[type[Any], Callable[[ModuleType, Any, slice, float], Any]] = {Dense: _dense, Conv: _conv}
"""Kind of synapse -> (nir, synapse, columns, unit of a weight) -> standard node."""


def _neuron(nir: ModuleType, layer: Layer) -> Any:
    standard = _NEURONS.get(type(layer.neuron), _nothing)(nir, layer)
    if standard is None:
        return _ours(nir, pack(layer.neuron), (layer.num_sums,), layer.shape)
    return standard


def _nothing(nir: ModuleType, layer: Layer) -> Any:
    return None


def _cuba(nir: ModuleType, layer: Layer) -> Any:
    """Return the standard node of CUBA neurons, or None where NIR cannot say what they do."""
    neuron: Any = layer.neuron
    if not neuron.stock:  # NIR's nodes neither send nor take graded spikes
        return None
    lost_u, lost_v = (lost.reshape(layer.shape) / DECAY_ONE for lost in (neuron.u_decay, neuron.v_decay))
    ones, bias = np.ones(layer.shape), neuron.bias_mant.reshape(layer.shape) / layer.scale
    common = {"v_threshold": ones * (neuron.v_th_mant / layer.scale), "v_reset": 0 * ones}
    at_once, conv = bool((lost_u == 1).all()), isinstance(layer.synapse, Conv)
    if at_once and not lost_v.any() and not (conv and bias.any()):
        return nir.IF(r=ones / DT, **common)
    # A decay of 0 is an infinite time constant.
    if not lost_v.all() or not lost_u.all():
        return None
    if at_once:
        # Behind a Linear node the bias is its own; a convolution's is one a channel, and a neuron's may be its own.
        leak = bias / lost_v if conv else 0 * ones
        return nir.LIF(tau=DT / lost_v, r=1 / lost_v, v_leak=leak, **common)
    leak = bias / lost_v
    return nir.CubaLIF(tau_syn=DT / lost_u, tau_mem=DT / lost_v, w_in=1 / lost_u, r=1 / lost_v, v_leak=leak, **common)


_NEURONS: dict[type[Any], Callable[[ModuleType, Layer], Any]] = {CUBA: _cuba}
"""Kind of neuron -> (nir, layer) -> standard node, or None where NIR cannot say it."""


def _ours(nir: ModuleType, fields: dict[str, Any], input_shape: tuple[int, ...], shape: tuple[int, ...]) -> Any:
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

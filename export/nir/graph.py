"""Network records as NIR graphs, for the tools that read the Neuromorphic Intermediate Representation.

What NIR has a node for is written as that node, in SLAYER's units and for forward Euler's rule with steps of `DT`:
Dense synapses are Linear, convolutions Conv2d, CUBA neurons CubaLIF, LIF or IF, delays of spikes Delay; every way by
which spikes reach a layer has nodes of its own, and what they bring is added at the neurons. Everything else is a node
of a type of ours, ``spikeproof.CELIF`` say, which other readers do not know and refuse; it holds the record's integers.
The graph's metadata hold the whole record too, so that a file gives back the identical one.

References
----------
J. E. Pedersen et al., Neuromorphic intermediate representation, Nature Communications 15 (2024); the package nir 1.0.8.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from ... import __version__
from ...contract.errors import MissingDependencyError
from ...contract.fixed import DECAY_ONE
from ...contract.net import SCHEMA_VERSION, Layer, Net
from ...contract.neurons.cuba import CUBA
from ...contract.sources.driven import Driven
from ...contract.synapses.conv import Conv
from ..files import replacing
from ..packing import KIND, pack
from .foreign import DT
from .ways import OURS, Nodes, Way, add_way, carries_bias, ours

ENCODING, FEEDBACK = ":te", ":feedback"

FORM = 2
"""How standard nodes are written. In form 1, neurons without current had their gain ``r`` and not their synapses."""
_NEVER_LEAKS = 2**27
"""Time constant in steps of a neuron that does not leak: in float32, what is left of its membrane is all of it."""


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


def graph(net: Net, form: int = FORM) -> Any:
    """Return a network record as a `nir.NIRGraph`, in the `form` of today or of an older file."""
    nir, made = library(), Nodes()
    shapes = _input_shapes(net)
    ends = {-1 - k: "input" if len(net.inputs) == 1 else source.name for k, source in enumerate(net.inputs)}
    for place, name in ends.items():
        made.add(name, nir.Input(input_type={"input": np.array(shapes[place])}))
    taken = {*ends.values(), "output"}
    names = {i: node_name(layer, taken) for i, layer in enumerate(net.layers)}
    for i, layer in enumerate(net.layers):
        shapes[i], ends[i] = layer.shape, f"{layer.name}:delay" if layer.axon is not None else names[i]
    if isinstance(net.te, Driven):
        made.add(ENCODING, ours(nir, pack(net.te), (0,), (net.te.num_neurons,)))
    elif net.te is not None:
        made.add(ENCODING, ours(nir, {KIND: "TemporalEncoding", "te": net.te}, (0,), net.te.shape[1:]))
    for i, layer in enumerate(net.layers):
        carries = carries_bias(layer, shapes[net.incoming(i)[0].source], images=form >= FORM)
        neuron, gain = _neuron(nir, layer, form, carries), _gain(layer, form, carries)
        inputs: list[str] = []
        for at, way in enumerate(net.incoming(i)):
            name, delay = _named(net, i, at)
            sender = names[i] if name.endswith(FEEDBACK) else ends[way.source]
            written = Way(name, way.synapse, delay, sender, shapes[way.source], net.sent_exp(way.source))
            inputs += add_way(
                nir, made, layer, written, None if at or not carries else _carried(nir, layer, neuron, gain), gain
            )
            if not at and layer.cpg is not None:
                inputs += _oscillators(nir, made, net, i, gain)
            if not at and layer.neuron.takes_te:
                inputs.append(ENCODING)
        made.add(names[i], neuron, *inputs)
        if layer.axon is not None:
            made.add(ends[i], nir.Delay(delay=(layer.axon.delay * DT).reshape(layer.shape)), names[i])
    for k, answer in enumerate(net.answers):
        i = net.index(answer)
        made.add("output" if not k else f"output:{k}", nir.Output(output_type={"output": np.array(shapes[i])}), ends[i])
    own = {"schema": SCHEMA_VERSION, "version": __version__, "dt": DT, "net": pack(net), "form": form}
    metadata = {OURS: own, "dt": DT}
    # Told to check, the package nir would add an output behind every layer that leads nowhere.
    found = nir.NIRGraph(nodes=made.nodes, edges=made.edges, metadata=metadata, type_check=False)
    if all(_is_checked(nir, node) for node in made.nodes.values()):
        found.check_types()
    return found


def _oscillators(nir: ModuleType, made: Nodes, net: Net, index: int, gain: float) -> list[str]:
    """Add a layer's oscillators and their synapses; return the synapses."""
    layer: Any = net.layers[index]
    name, shape = f"{layer.name}:cpg", (layer.cpg.num_neurons,)
    made.add(name, ours(nir, pack(layer.cpg), (0,), shape))
    synapse = replace(layer.synapse, weight=layer.synapse.weight[:, layer.num_inputs :])
    way = Way(f"{name}_synapse", synapse, np.int64(0), name, shape, net.payload_exp(index))
    return add_way(nir, made, layer, way, None, gain)


def _input_shapes(net: Net) -> dict[int, tuple[int, ...]]:
    """Return the shape of each input: that of images where a convolution takes it."""
    found: dict[int, tuple[int, ...]] = {-1 - k: (source.num_channels,) for k, source in enumerate(net.inputs)}
    for i in range(len(net.layers)):
        for way in net.incoming(i):
            if way.source < 0 and isinstance(way.synapse, Conv) and len(found[way.source]) == 1:
                found[way.source] = way.synapse.in_shape
    return found


def _named(net: Net, index: int, at: int) -> tuple[str, Any]:
    """Return what the nodes of a layer's way are called, and its delay beyond that of the sender's axon."""
    layer = net.layers[index]
    if not at:
        return f"{layer.name}:synapse", layer.delay
    if at == 1 and layer.feedback is not None:
        return f"{layer.name}{FEEDBACK}", np.int64(0)
    edges = [edge for edge in net.edges if edge.target == layer.name]
    at -= 1 + (layer.feedback is not None)
    return f"{layer.name}:edge{at}", edges[at].delay


def _carried(nir: ModuleType, layer: Layer, neuron: Any, gain: float) -> Any:
    """Return the bias of a layer's own Linear or Conv2d node, as most readers expect where neurons have no current."""
    params = layer.neuron
    if not isinstance(neuron, nir.LIF | nir.IF):
        return None
    assert isinstance(params, CUBA)
    bias = params.bias_mant.reshape(len(layer.synapse.weight), -1)[:, 0] if len(layer.shape) > 1 else params.bias_mant
    return bias / layer.scale * gain if params.bias_mant.any() else None


def _is_checked(nir: ModuleType, node: Any) -> bool:
    """Whether nir's own check of shapes is right about a node, and knows its type."""
    if isinstance(node, nir.Conv2d):  # it counts no groups, and takes every kernel to be as wide as it is high
        return bool(node.groups == 1 and node.weight.shape[2] == node.weight.shape[3])
    return not is_ours(node)


def node_name(layer: Layer, taken: Collection[str] = ("input", "output")) -> str:
    """Return what the node of a layer's neurons is called."""
    return f"{layer.name}:neuron" if layer.name in taken else layer.name


def is_ours(node: Any) -> bool:
    """Return whether a node is of a type that only spikeproof knows."""
    return str(node.to_dict()["type"]).startswith(f"{OURS}.")


def _neuron(nir: ModuleType, layer: Layer, form: int, carries: bool) -> Any:
    standard = _NEURONS.get(type(layer.neuron), _nothing)(nir, layer, form, carries)
    if standard is None:
        return ours(nir, pack(layer.neuron), (layer.num_sums,), layer.shape)
    return standard


def _nothing(nir: ModuleType, layer: Layer, form: int, carries: bool) -> Any:
    return None


def _gain(layer: Layer, form: int, carries: bool) -> float:
    """Return by what the weights and biases into a layer are multiplied, so that its neurons need no gain.

    A LIF node multiplies what arrives by ``r * dt / tau``. snnTorch and SpikingJelly do so, norse reads no ``r``, and
    snnTorch takes no IF node with another ``r`` than 1. With ``r`` = 1 and the rest in the weights all three agree.
    """
    if form < FORM or not isinstance(layer.neuron, CUBA) or not layer.neuron.stock:
        return 1.0
    lost_u, lost_v = layer.neuron.u_decay, layer.neuron.v_decay
    if (lost_u != DECAY_ONE).any() or (lost_v != lost_v[0]).any():
        return 1.0
    if not lost_v.any():
        return float(_NEVER_LEAKS) if carries or not layer.neuron.bias_mant.any() else 1.0
    return float(DECAY_ONE / lost_v[0])


def _cuba(nir: ModuleType, layer: Layer, form: int, carries: bool) -> Any:
    """Return the standard node of CUBA neurons, or None where NIR cannot say what they do."""
    neuron: Any = layer.neuron
    if not neuron.stock:  # NIR's nodes neither send nor take graded spikes
        return None
    lost_u, lost_v = (lost.reshape(layer.shape) / DECAY_ONE for lost in (neuron.u_decay, neuron.v_decay))
    ones, bias = np.ones(layer.shape), neuron.bias_mant.reshape(layer.shape) / layer.scale
    common = {"v_threshold": ones * (neuron.v_th_mant / layer.scale), "v_reset": 0 * ones}
    at_once, gain = bool((lost_u == 1).all()), _gain(layer, form, carries)
    if at_once and not lost_v.any() and (carries or not bias.any()):
        if form < FORM:
            return nir.IF(r=ones / DT, **common)
        return nir.LIF(tau=DT * gain * ones, r=ones, v_leak=0 * ones, **common)
    # A decay of 0 is an infinite time constant.
    if not lost_v.all() or not lost_u.all():
        return None
    if at_once:
        leak = 0 * ones if carries else bias / lost_v
        r = ones if gain != 1 else 1 / lost_v
        return nir.LIF(tau=DT / lost_v, r=r, v_leak=leak, **common)
    leak = bias / lost_v
    return nir.CubaLIF(tau_syn=DT / lost_u, tau_mem=DT / lost_v, w_in=1 / lost_u, r=1 / lost_v, v_leak=leak, **common)


_NEURONS: dict[type[Any], Callable[[ModuleType, Layer, int, bool], Any]] = {CUBA: _cuba}
"""Kind of neuron -> (nir, layer, form, whether synapses carry the bias) -> standard node, or None if there is none."""

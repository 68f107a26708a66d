"""What a network record is, in words and numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ..contract.net import Layer, Net
from ..contract.neurons.sigma_delta import SigmaDelta
from ..contract.sources.driven import Driven
from ..contract.synapses.conv import Conv

_IN_UNITS = {"v_th_mant": "threshold", "v_th_step": "threshold_step"}


def describe(net: Net) -> dict[str, Any]:
    """Return a description of plain values, ready for JSON.

    Parameters
    ----------
    net : Net
        The record.

    Returns
    -------
    dict
        ``inputs`` and ``layers`` (a dict each), ``edges``, ``outputs``, ``order``: which layers run one after the
        other, those that feed each other in circles in one list; ``totals``, ``steps``, ``te``, and ``host``: notes of
        what the trained module does around the network. Each layer has its ``ways``: its own synapses, its feedback
        and its edges. ``input`` is the first input. What to mind, `spikeproof.lint` says.
    """
    layers = [_layer(net, i) for i in range(len(net.layers))]
    inputs = [_input(net, k) for k in range(len(net.inputs))]
    ways = [way for layer in layers for way in layer["ways"]]
    return {
        "input": {key: inputs[0][key] for key in ("channels", "shape", "kind")},
        "inputs": inputs,
        "steps": net.steps,
        "layers": layers,
        "edges": [way for way in ways if way["kind"] == "edge"],
        "outputs": list(net.answers),
        "order": [[net.layers[i].name for i in group] for group in net.groups],
        "chain": net.is_chain,
        "totals": {
            "neurons": sum(layer["neurons"] for layer in layers),
            "weights": sum(layer["weights"] for layer in layers)
            + sum(way["weights"] for way in ways if way["kind"] != "own"),
            "edges": len(net.edges),
        },
        "te": _encoding(net),
        "host": {"before": net.host_before, "after": net.host_after},
    }


def _input(net: Net, index: int) -> dict[str, Any]:
    source = net.inputs[index]
    graded = f"graded, {source.bits} bits, unit 2**{source.exp}" if source.bits else "unary spikes"
    return {"name": source.name, "channels": source.num_channels, "shape": _image(net, index), "kind": graded}


def _image(net: Net, index: int) -> list[int]:
    """Return the shape of the images that enter: what the convolutions that they reach say, or the channels alone."""
    ways = [each for i in range(len(net.layers)) for each in net.incoming(i) if each.source == -1 - index]
    shapes = {each.synapse.in_shape for each in ways if isinstance(each.synapse, Conv)}
    return list(shapes.pop()) if len(shapes) == 1 else [net.inputs[index].num_channels]


def _layer(net: Net, index: int) -> dict[str, Any]:
    layer = net.layers[index]
    return {
        "name": layer.name,
        "neuron": type(layer.neuron).__name__,
        "inputs": layer.num_inputs,
        "cpg": layer.cpg.num_neurons if layer.cpg else 0,
        "neurons": layer.num_neurons,
        "shape": list(layer.shape),
        "answer": layer.name in net.answers,
        "weights": layer.synapse.weight.size,
        "zero_weights": int((layer.synapse.weight == 0).sum()),
        "latency": net.latency(index),
        "scale": layer.scale,
        "delays": None if layer.axon is None else [layer.axon.shortest, layer.axon.longest],
        "parameters": _parameters(layer),
        "ways": ways(net, index),
    }


def ways(net: Net, index: int) -> list[dict[str, Any]]:
    """Return every way into a layer as plain values.

    Parameters
    ----------
    net : Net
        The record.
    index : int
        Which layer.

    Returns
    -------
    list of dict
        ``kind`` (own, feedback or edge), ``source``, ``target``, ``synapse``, ``shape`` of the weights, ``weights``,
        ``delays`` (the shortest and the longest, the sender's axon among them) and ``delays_are``: one for all, one a
        sender or one a synapse; ``weight_exp`` is by how many bits its sums are shifted to the left.
    """
    layer, found = net.layers[index], []
    for place, each in enumerate(net.incoming(index)):
        kind = "own" if place == 0 else "feedback" if place == 1 and layer.feedback is not None else "edge"
        source = net.layers[each.source].name if each.source >= 0 else net.inputs[-1 - each.source].name
        found.append(
            {
                "kind": kind,
                "source": source,
                "target": layer.name,
                "synapse": type(each.synapse).__name__,
                "shape": list(each.synapse.weight.shape),
                "weights": each.synapse.weight.size,
                "weight_exp": each.synapse.weight_exp,
                "delays": [each.shortest, each.longest],
                "delays_are": ("one for all", "one a sender", "one a synapse")[each.delay.ndim],
            }
        )
    return found


def _encoding(net: Net) -> dict[str, Any] | None:
    if net.te is None:
        return None
    if isinstance(net.te, Driven):
        neurons, channels = net.te.matrix.shape
        return {
            "kind": f"{channels} CPG channels",
            "neurons": neurons,
            "bytes_a_neuron": channels,
            "steps": "any",
        }
    steps, neurons = net.te.shape
    return {"kind": "table", "neurons": neurons, "bytes_a_neuron": steps, "steps": steps}


def _parameters(layer: Layer) -> dict[str, Any]:
    neuron = layer.neuron
    found: dict[str, Any] = {}
    for field in dataclasses.fields(neuron):
        value = getattr(neuron, field.name)
        if field.name.endswith("_decay"):
            decays = np.unique(value) / DECAY_ONE
            found[field.name] = float(decays[0]) if len(decays) == 1 else [float(decays[0]), float(decays[-1])]
        elif field.name in _IN_UNITS:
            found[_IN_UNITS[field.name]] = value / layer.scale
        elif field.name == "te_exp" or (field.name == "graded" and value):
            found[field.name] = value
    if isinstance(neuron, SigmaDelta):
        payload = 2.0**neuron.state_exp * 2**ACCUMULATOR_SHIFT * layer.scale
        found["threshold"] = float(neuron.v_th.max()) / payload
    found["bias"] = bool(np.any(getattr(neuron, "bias_mant", getattr(neuron, "bias", 0))))
    return found

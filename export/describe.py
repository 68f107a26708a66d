"""What a network record is, in words and numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ..contract.net import Layer, Net
from ..contract.neurons.sigma_delta import SigmaDelta
from ..contract.sources.driven import Driven

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
        ``input``, ``steps``, ``layers`` (a dict each), ``te``, and ``host``: notes of what the trained module does
        around the network. What to mind, `spikeproof.lint` says.
    """
    graded = f"graded, {net.input.bits} bits, unit 2**{net.input.exp}" if net.input.bits else "unary spikes"
    return {
        "input": {"channels": net.input.num_channels, "kind": graded},
        "steps": net.steps,
        "layers": [_layer(net, i) for i in range(len(net.layers))],
        "te": _encoding(net),
        "host": {"before": net.host_before, "after": net.host_after},
    }


def _layer(net: Net, index: int) -> dict[str, Any]:
    layer = net.layers[index]
    return {
        "name": layer.name,
        "neuron": type(layer.neuron).__name__,
        "inputs": layer.num_inputs,
        "cpg": layer.cpg.num_neurons if layer.cpg else 0,
        "neurons": layer.num_neurons,
        "weights": layer.synapse.weight.size,
        "zero_weights": int((layer.synapse.weight == 0).sum()),
        "latency": net.latency(index),
        "scale": layer.scale,
        "delays": None if layer.axon is None else [layer.axon.shortest, layer.axon.longest],
        "parameters": _parameters(layer),
    }


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

"""Parameters from a record: a trained network again, from its exported file alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...contract.errors import FileFormatError
from ...contract.net import Layer, Net
from ...contract.record import differences
from ...contract.sources.driven import Driven
from ...contract.sources.phase import Phase
from ...export.slayer import blocks, record
from ..blocks.delays import AxonDelays, Delays
from ..cpg import Learned
from .models import Classifier


def restore(module: Classifier, net: Net) -> Classifier:
    """Give a network the parameters whose record is `net`.

    They are the integers in SLAYER's units: the ones that training kept below their rounding are not in a record, so
    the network computes what the trained one did, but is not where its optimiser left it.

    Parameters
    ----------
    module : Classifier
        A network of the record's shape; changed.
    net : Net
        The record.

    Returns
    -------
    Classifier
        `module`, in evaluation mode.

    Raises
    ------
    FileFormatError
        The record is of a network of another shape, or of other constants.
    """
    listed = [block.module for block in blocks(module.blocks)]
    pairs: list[tuple[torch.nn.Parameter, Any]] = []
    if len(listed) != len(net.layers):
        raise FileFormatError(f"The file has {len(net.layers)} layers, and the recipe's network has {len(listed)}.")
    for block, layer in zip(listed, net.layers, strict=True):
        synapse, neuron = block.synapse, layer.neuron
        pairs.append((synapse.weight, layer.synapse.weight / layer.scale))
        if synapse.bias is not None:
            unit = 2.0 ** (synapse.bias_exp - synapse.state_shift) / layer.scale
            mantissa = getattr(neuron, "bias_mant", None)
            if mantissa is None:
                raise FileFormatError(
                    f"The file's {layer.name} has {type(neuron).__name__} neurons, whose bias is not that of the "
                    "recipe's network."
                )
            pairs.append((synapse.bias, mantissa * unit))
        hears = getattr(block, "feedback", None) is not None
        if hears != (layer.feedback is not None):
            there, here = ("no", "some") if hears else ("some", "none")
            raise FileFormatError(f"The file's {layer.name} has {there} feedback, and the recipe's network {here}.")
        if layer.feedback is not None:
            pairs.append((block.feedback.weight, layer.feedback.weight / layer.scale))
            if block.feedback.bias is not None:  # a record holds the sum of both biases
                pairs.append((block.feedback.bias, np.zeros(block.feedback.bias.shape)))
        if getattr(block, "delays", None) is not None:
            pairs.append((block.delays.delay, _delay(block.delays, layer)))
    if (net.te is None) != (module.encoding is None):
        here, there = ("no", "one") if net.te is None else ("a", "none")
        raise FileFormatError(f"The file has {here} temporal encoding, and the recipe's network has {there}.")
    if module.encoding is not None:
        te = net.te.matrix if isinstance(net.te, Driven) else np.asarray(net.te).T
        pairs.append((module.encoding.weight, te * 2.0**-module.encoding.te_exp))
    with torch.no_grad():
        for parameter, values in pairs:
            if parameter.shape != np.shape(values):
                raise FileFormatError(
                    f"The file's network has an array of {np.shape(values)} where the recipe's has "
                    f"{tuple(parameter.shape)}."
                )
            parameter.copy_(torch.as_tensor(np.asarray(values)))
    _tune(module, net.layers[0].cpg)
    plain = replace(net, host_before="", host_after="")  # notes are no numbers
    found = differences(replace(record(module.blocks, steps=net.steps), host_before="", host_after=""), plain)
    if found:
        path, ours, theirs = found[0]
        raise FileFormatError(f"The recipe's network has {path} = {ours}, and the file {theirs}.")
    return module.eval()


def _tune(module: Classifier, cpg: Any) -> None:
    """Give oscillators that learn the frequencies, phases and windows of a record's."""
    for part in module.modules():
        if isinstance(part, Learned):
            if not isinstance(cpg, Phase) or cpg.num_neurons != part.num_neurons:
                there = "none" if cpg is None else f"{cpg.num_neurons} of kind {type(cpg).__name__}"
                raise FileFormatError(
                    f"The recipe's network has {part.num_neurons} oscillators that learn, and the file {there}."
                )
            part.load(cpg)


def _delay(delays: Delays, layer: Layer) -> Any:
    """Return a layer's delays, in the shape of those that learn."""
    of_axon: Any = 0 if layer.axon is None else layer.axon.delay
    return np.array(np.broadcast_to(of_axon if isinstance(delays, AxonDelays) else layer.delay, delays.delay.shape))

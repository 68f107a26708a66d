"""Index maps between two layers -> the synapses of the second."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from ...contract.errors import RecordError, UnsupportedError
from ...contract.fixed import WEIGHT_MAX, WEIGHT_MIN
from ...contract.net import Layer
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense
from ..capture.edges import Edge

_MOST_WEIGHTS = 2**22


def into_synapses(layer: Layer, edge: Edge, sources: int) -> Layer:
    """Return a layer that takes what another one puts out itself, in place of what a map makes of it.

    Parameters
    ----------
    layer : Layer
        The layer, behind the map.
    edge : Edge
        The map.
    sources : int
        Number of elements that are put out.

    Raises
    ------
    UnsupportedError
        A weight would leave its 8 bits, a convolution is too large for all-to-all synapses, or a spike would arrive at
        a neuron with two delays.
    """
    synapse = _folded(dense(layer), edge, sources, layer.name)
    delay = _delays(layer, edge, sources) if layer.delay.ndim else layer.delay
    return dataclasses.replace(layer, synapse=synapse, delay=delay)


def dense(layer: Layer) -> Dense:
    """Return a layer's synapses as all-to-all ones."""
    synapse = layer.synapse
    if isinstance(synapse, Dense):
        return synapse
    if isinstance(synapse, Conv):
        count = synapse.num_inputs * synapse.num_neurons
        if count > _MOST_WEIGHTS:
            raise UnsupportedError(
                f"layer {layer.name!r}: in front of a convolution elements are moved, which makes {count} all-to-all "
                "weights of it. Move them behind it, or keep the images as they are."
            )
        return Dense(weight=synapse.sums(np.eye(synapse.num_inputs, dtype=np.int64)).T)
    raise UnsupportedError(
        f"layer {layer.name!r}: in front of {type(synapse).__name__} synapses elements are moved. Leave them as they "
        "are."
    )


def _folded(synapse: Dense, edge: Edge, sources: int, name: str) -> Dense:
    inputs = edge.elements.shape[1]
    weight = np.zeros((synapse.num_neurons, sources + synapse.num_inputs - inputs), np.int64)
    weight[:, sources:] = synapse.weight[:, inputs:]  # those of oscillators or a constant
    of_inputs = synapse.weight[:, :inputs].astype(np.int64)
    for elements, factors in zip(edge.elements, edge.factors, strict=True):
        some = elements >= 0
        np.add.at(weight.T, elements[some], (of_inputs * factors).T[some])
    if weight.size and (weight.max() > WEIGHT_MAX or weight.min() < WEIGHT_MIN):
        beyond = int(weight.max() if weight.max() > WEIGHT_MAX else weight.min())
        raise UnsupportedError(
            f"layer {name!r}: with what stands in front of it, a weight becomes {beyond}, and 8 bits hold "
            f"{WEIGHT_MIN}..{WEIGHT_MAX}. Use smaller weights, or add fewer spikes before the layer."
        )
    try:
        return Dense(weight=weight)
    except RecordError as error:
        raise UnsupportedError(f"layer {name!r}: {error}") from None


def _delays(layer: Layer, edge: Edge, sources: int) -> npt.NDArray[np.int64]:
    """Return the delays of the synapses of what is put out, shape (sums, sources)."""
    of_inputs = np.broadcast_to(layer.delay, (layer.num_sums, edge.elements.shape[1]))
    found = np.full((layer.num_sums, sources), -1, np.int64)
    for elements in edge.elements:
        for element, delay in zip(elements, of_inputs.T, strict=True):
            if element < 0:
                continue
            if ((found[:, element] >= 0) & (found[:, element] != delay)).any():
                raise UnsupportedError(
                    f"layer {layer.name!r}: element {element} of what the layer before puts out arrives there more "
                    "than once, with delays that differ. Give every input of the block an element of its own."
                )
            found[:, element] = delay
    return found.clip(0)

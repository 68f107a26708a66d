"""Index maps between two layers -> the synapses of the second."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from ...contract.errors import RecordError, UnsupportedError
from ...contract.fixed import WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP
from ...contract.net import Layer
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..capture.edges import Edge

_MOST_WEIGHTS = 2**22


def folded(layer: Layer, edge: Edge, shape: tuple[int, ...], *, with_oscillators: bool, where: str = "") -> Synapse:
    """Return synapses that take what a source puts out itself, in place of what a map makes of it.

    Parameters
    ----------
    layer : Layer
        The layer behind the map.
    edge : Edge
        The map.
    shape : tuple of int
        Of what the source puts out.
    with_oscillators : bool
        Whether the columns of the layer's oscillators stay.
    where : str
        Between which blocks the map stands, for messages: `` between 'a' and 'b'``.

    Raises
    ------
    UnsupportedError
        A weight would leave its 8 bits, or a convolution is too large for all-to-all synapses.
    """
    sources, synapse = math.prod(shape), layer.synapse
    if not edge.elements.size or (edge.is_identity and edge.elements.shape[1] == sources):
        if isinstance(synapse, Conv):
            return dense(layer) if len(shape) == 3 and shape != synapse.in_shape else synapse
        if with_oscillators or layer.cpg is None:
            return synapse
        return dataclasses.replace(synapse, weight=synapse.weight[:, : layer.num_inputs])
    if isinstance(synapse, Conv):
        of_channels = _channels(synapse, edge, shape)
        if of_channels is not None:
            return of_channels
    return _folded(dense(layer), edge, sources, where or f" in front of layer {layer.name!r}", with_oscillators)


def _channels(synapse: Conv, edge: Edge, shape: tuple[int, ...]) -> Conv | None:
    """Return the convolution of images whose channels a map chooses, moves or leaves out; None if it does more."""
    channels, rows, columns = synapse.in_shape
    if len(shape) != 3 or shape[1:] != (rows, columns) or synapse.groups != 1 or len(edge.elements) != 1:
        return None
    pixels = rows * columns
    elements, factors = (each[0].reshape(channels, pixels) for each in (edge.elements, edge.factors))
    weight = np.zeros((len(synapse.weight), shape[0], *synapse.kernel), np.int64)
    for channel, (of, factor) in enumerate(zip(elements, factors, strict=True)):
        if (of < 0).all():
            continue
        source, first = divmod(int(of[0]), pixels)
        if first or not np.array_equal(of, of[0] + np.arange(pixels)) or (factor != np.round(factor[0])).any():
            return None
        weight[:, source] += synapse.weight[:, channel].astype(np.int64) * int(factor[0])
    if weight.max() > WEIGHT_MAX or weight.min() < WEIGHT_MIN:
        return None
    return dataclasses.replace(synapse, weight=weight, in_shape=shape)


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


def _folded(synapse: Dense, edge: Edge, sources: int, where: str, with_oscillators: bool) -> Dense:
    inputs = edge.elements.shape[1]
    beside = synapse.weight[:, inputs:] if with_oscillators else synapse.weight[:, :0]  # of oscillators or a constant
    weight = np.zeros((synapse.num_neurons, sources + beside.shape[1]))
    weight[:, sources:] = beside
    for elements, factors in zip(edge.elements, edge.factors, strict=True):
        some = elements >= 0
        np.add.at(weight.T, elements[some], (synapse.weight[:, :inputs] * factors).T[some])
    broken = weight % WEIGHT_STEP != 0
    if broken.any():
        factor = next(iter(edge.factors[edge.factors != np.round(edge.factors)]), 1.0)
        raise UnsupportedError(
            f"spikes arrive times {factor:g}{where}. Put the factor into the weights of the second before training: "
            f"{np.count_nonzero(broken)} of its weights times that are no even integers, {weight[broken][0]:g} for one."
        )
    if weight.size and (weight.max() > WEIGHT_MAX or weight.min() < WEIGHT_MIN):
        beyond = int(weight.max() if weight.max() > WEIGHT_MAX else weight.min())
        raise UnsupportedError(
            f"a weight becomes {beyond} with what stands{where}, and 8 bits hold "
            f"{WEIGHT_MIN}..{WEIGHT_MAX}. Use smaller weights, or add fewer spikes before the layer."
        )
    try:
        return dataclasses.replace(synapse, weight=weight)
    except RecordError as error:
        raise UnsupportedError(f"what stands{where}: {error}") from None


def delays(layer: Layer, edge: Edge, sources: int) -> npt.NDArray[np.int64]:
    """Return the delays of a layer's synapses for what a source puts out itself, shape (sums, sources).

    Raises
    ------
    UnsupportedError
        An element would arrive at a neuron with two delays.
    """
    of_inputs = np.broadcast_to(layer.delay, (layer.num_sums, edge.elements.shape[1]))
    found = np.full((layer.num_sums, sources), -1, np.int64)
    for elements in edge.elements:
        for element, delay in zip(elements, of_inputs.T, strict=True):
            if element < 0:
                continue
            if ((found[:, element] >= 0) & (found[:, element] != delay)).any():
                raise UnsupportedError(
                    f"layer {layer.name!r}: element {element} of what arrives there does so more than once, with "
                    "delays that differ. Give every input of the block an element of its own."
                )
            found[:, element] = delay
    return found.clip(0)

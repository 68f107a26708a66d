"""What one neuron of a trained CE-LIF network does while it reads a sample, from a trace of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.net import Net
from ...contract.neurons.celif import CELIF

Array = npt.NDArray[np.float64]
BURST = 3
"""Steps in a row: so many spikes are a burst if so many silent steps came before."""


class Reading(NamedTuple):
    """A sample, a neuron and the answer, step by step; registers in 1.0 of the weights."""

    layer: str
    neuron: int
    values: Array
    """What the network reads, the mean over its channels, (steps,)."""
    membrane: Array
    """Of the neuron, before its reset, (steps,)."""
    threshold: Array
    encoding: Array
    """What its threshold adaptation adds of the membrane, (steps,)."""
    spikes: npt.NDArray[np.bool_]
    """Of the whole layer, (neurons, steps)."""
    scores: Array
    """Mean of what the read-out got so far, (outputs, steps)."""


def bursts(spikes: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return how many bursts each neuron has, for spikes of shape (neurons, steps)."""
    fired = np.asarray(spikes, bool)
    steps = fired.shape[1] - 2 * BURST + 1
    if steps <= 0:
        return np.zeros(len(fired), np.int64)
    silent = [~fired[:, k : k + steps] for k in range(BURST)]
    spiking = [fired[:, k : k + steps] for k in range(BURST, 2 * BURST)]
    found: npt.NDArray[np.int64] = np.logical_and.reduce(silent + spiking).sum(1)
    return found


def reading(net: Net, trace: Mapping[str, Mapping[str, npt.NDArray[np.int32]]], x: npt.ArrayLike) -> Reading | None:
    """Return what the neuron with the most bursts of the last CE-LIF layer does.

    Parameters
    ----------
    net : Net
        The record.
    trace : mapping
        Layer -> register -> int32 of shape (1, neurons, steps), of one sample.
    x : array_like, shape (channels, steps)
        The sample.

    Returns
    -------
    Reading or None
        None if the network has no CE-LIF layer, or answers with no read-out.
    """
    layers = [layer for layer in net.layers if isinstance(layer.neuron, CELIF)]
    answer = net.layers[net.index(net.answers[0])]
    if not layers or answer.neuron.fires:
        return None
    layer, of = layers[-1], trace[layers[-1].name]
    spikes = of["s"][0].astype(bool)
    # Most bursts, and of neurons that have as many, most spikes.
    best = int(np.lexsort((spikes.sum(1), bursts(spikes)))[-1])
    steps, table = spikes.shape[1], net.encoding(spikes.shape[1])
    assert table is not None  # a network of CE-LIF neurons has one
    neuron: Any = layer.neuron
    readout: Any = answer.neuron
    unit = 1 / (layer.scale << 6)
    taken = np.arange(1, steps + 1)
    return Reading(
        layer=layer.name,
        neuron=best,
        values=np.asarray(x, float).mean(0),
        membrane=of["v"][0, best] * unit,
        threshold=of["theta"][0, best] * unit,
        encoding=table[:, best] / 2.0**neuron.te_exp,
        spikes=spikes,
        scores=trace[answer.name]["v"][0] / (answer.scale << readout.a_shift) / taken,
    )

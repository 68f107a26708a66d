"""What quantisation does to another tool's NIR graph: the graph over the real numbers beside the integers.

The real side is the graph in discrete time, by forward Euler, in float64 and without rounding. What the tool itself
computes may differ from that again: NIR leaves the time step open, and tools differ in when they reset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.synapses.delays import delayed
from ...export.nir.foreign import Imported
from ...export.nir.real import RealLayer, RealWay
from ..trace import SPIKES, Trace
from .gaps import FloatGap, LayerGap

Sent = Mapping[int, npt.NDArray[Any]]
"""What each layer sends, by its index, and what enters, input k as -1 - k; of shape (samples, senders, steps)."""
MEANING = "float: the NIR graph in discrete time by forward Euler, in float64 and without rounding"


def real_spikes(imported: Imported, x: npt.ArrayLike) -> tuple[dict[str, npt.NDArray[np.int8]], npt.NDArray[Any]]:
    """Run a graph over the real numbers.

    Parameters
    ----------
    imported : Imported
        The graph.
    x : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps)
        Input spikes.

    Returns
    -------
    spikes : dict of layer name to ndarray of int8, shape (samples, neurons, steps)
        Under the record's names.
    output : ndarray of float64, shape (samples, outputs)
        The read-out summed over time, or spike counts.
    """
    given: npt.NDArray[Any] = np.asarray(x)
    if given.ndim == 5:  # images, which a record's layers take flattened
        given = given.reshape(len(given), -1, given.shape[-1])
    net = imported.net
    sent = {-1 - k: given[:, net.channels(k)].astype(np.float64) for k in range(len(net.inputs))}
    held: dict[int, npt.NDArray[Any]] = {}
    for group in net.groups:
        _run(imported.layers, group, sent, held)
    spikes = {net.layers[i].name: sent[i].astype(np.int8) for i, layer in enumerate(imported.layers) if layer.fires}
    return spikes, _answer(imported, net.index(net.answers[0]), sent, held)


def _answer(imported: Imported, index: int, sent: Sent, held: Sent) -> npt.NDArray[Any]:
    """Return what the layer of the main answer does in a sample, as `spikeproof.sim.trace.Trace.output`."""
    layer = imported.layers[index]
    if not layer.fires:
        return held[index]
    spikes = sent[index]
    return np.asarray((spikes if layer.delay is None else delayed(spikes, layer.delay)).sum(axis=-1))


def _run(layers: Sequence[RealLayer], group: Sequence[int], sent: dict[int, npt.NDArray[Any]], held: Any) -> None:
    """Run layers that feed each other, or one alone; add what they send, and what their membranes hold at the end."""
    samples, _, steps = sent[-1].shape
    drive = {i: _from_outside(layers, i, group, sent, (steps, samples)) for i in group}
    inner = {i: [way for way in layers[i].ways if way.source in group] for i in group}
    u = {i: np.zeros((samples, layers[i].num_neurons)) for i in group}
    v = {i: np.zeros((samples, layers[i].num_neurons)) for i in group}
    sent |= {i: np.zeros((samples, layers[i].num_neurons, steps)) for i in group}
    for t in range(steps):
        for i in group:
            layer = layers[i]
            x = drive[i][t] + sum(_delivered(layers, way, sent, t) for way in inner[i])
            u[i] = (1 - layer.lost_u) * u[i] + x
            v[i] = (1 - layer.lost_v) * v[i] + u[i] + layer.bias
            if layer.fires:
                fires = v[i] > layer.threshold
                v[i][fires] = 0
                sent[i][..., t] = fires
    held |= v


def _from_outside(
    layers: Sequence[RealLayer], index: int, group: Sequence[int], sent: Sent, shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Return what layers outside a group and inputs add to the currents of one in it, shape (steps, samples, n)."""
    total = np.zeros((*shape, layers[index].num_neurons))
    for way in layers[index].ways:
        if way.source not in group:
            total += _parts(layers, way, sent)
    return total


def _parts(layers: Sequence[RealLayer], way: RealWay, sent: Sent) -> npt.NDArray[np.float64]:
    """Return the currents of all steps that one way makes."""
    delay, spikes = _delay(layers, way), sent[way.source]
    if delay.ndim < 2:
        return way.map.apply(delayed(spikes, delay).transpose(2, 0, 1))
    found = np.zeros((spikes.shape[-1], len(spikes), way.map.size[0]))
    for d in np.unique(delay):
        weight = np.where(delay == d, way.map.weight, 0)
        found += delayed(spikes, d).transpose(2, 0, 1) @ weight.T
    return found


def _delivered(layers: Sequence[RealLayer], way: RealWay, sent: Sent, t: int) -> npt.NDArray[np.float64]:
    """Return the currents of step `t` that one way makes, of what was sent until then."""
    delay, spikes = _delay(layers, way), sent[way.source]
    if delay.ndim < 2:
        at = t - np.broadcast_to(delay, spikes.shape[1:2])
        return way.map.apply(np.where(at >= 0, spikes[:, np.arange(len(at)), np.maximum(at, 0)], 0.0))
    found = np.zeros((len(spikes), way.map.size[0]))
    for d in np.unique(delay[delay <= t]):
        found += spikes[..., t - d] @ np.where(delay == d, way.map.weight, 0).T
    return found


def _delay(layers: Sequence[RealLayer], way: RealWay) -> npt.NDArray[Any]:
    axon = layers[way.source].delay if way.source >= 0 and not way.feedback else None
    return way.delay if axon is None else way.delay + axon


def gap(imported: Imported, x: npt.ArrayLike, fixed: Trace) -> FloatGap:
    """Return what quantisation costs on given samples.

    Parameters
    ----------
    imported : Imported
        The graph.
    x : array_like, shape (samples, channels, steps)
        Input spikes.
    fixed : Trace
        What its record made of them.
    """
    spikes, output = real_spikes(imported, x)
    same = output.argmax(-1) == fixed.predictions(imported.net)
    return FloatGap(output=output, same_class=int(same.sum()), layers=between(spikes, fixed), meaning=MEANING)


def between(spikes: Mapping[str, npt.NDArray[Any]], fixed: Trace) -> tuple[LayerGap, ...]:
    """Return how rasters differ from those of the integers: the real numbers', say, or the other tool's own.

    Parameters
    ----------
    spikes : mapping of layer name to ndarray, shape (samples, neurons, steps)
        Rasters under the record's names.
    fixed : Trace
        What the record made of the same samples.
    """
    found = []
    for name, raster in spikes.items():
        integers = fixed.layers[name][SPIKES]
        found.append(
            LayerGap(
                name=name,
                spikes_float=int(raster.sum()),
                spikes_fixed=int(integers.sum()),
                differ=int(np.count_nonzero(raster != integers)),
                entries=integers.size,
            )
        )
    return tuple(found)

"""What quantisation does to another tool's NIR graph: the graph over the real numbers beside the integers.

The real side is the graph in discrete time, by forward Euler, in float64 and without rounding. What the tool itself
computes may differ from that again: NIR leaves the time step open, and tools differ in when they reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.synapses.axon import Axon, arrivals
from ...export.nir.foreign import Imported
from ...export.nir.quantise import RealLayer
from ..trace import SPIKES, Trace
from .gaps import FloatGap, LayerGap

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
    arriving: npt.NDArray[Any] = np.asarray(x)
    if arriving.ndim == 5:  # images, which a record's layers take flattened
        arriving = arriving.reshape(len(arriving), -1, arriving.shape[-1])
    spikes: dict[str, npt.NDArray[np.int8]] = {}
    output = np.zeros((len(arriving), 0))
    for record, layer in zip(imported.net.layers, imported.layers, strict=True):
        drive = _drive(layer, arriving.astype(np.float64))
        if not layer.fires:
            return spikes, np.asarray((drive + layer.bias).sum(axis=0))
        fired = _run(layer, drive)
        spikes[record.name] = fired
        delayed = layer.delay is not None and layer.delay.any()
        arriving = arrivals(Axon(delay=layer.delay) if delayed else None, fired)
        output = arriving.sum(axis=-1, dtype=np.float64)
    return spikes, output


def _drive(layer: RealLayer, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what arrives at the neurons, shape (steps, samples, neurons); see `spikeproof.contract.synapses.conv`."""
    conv = layer.conv
    if conv is None:
        return np.asarray(np.einsum("oi,bit->tbo", layer.weight, x, optimize=True))
    samples, _, steps = x.shape
    (top, left), groups, (_, height, width) = conv.padding, conv.groups, conv.out_shape
    images = x.transpose(2, 0, 1).reshape(steps * samples, groups, -1, *conv.in_shape[1:])
    images = np.pad(images, [(0, 0)] * 3 + [(top, top), (left, left)])
    weight = layer.weight.reshape(groups, -1, *layer.weight.shape[1:])
    total = np.zeros((steps * samples, groups, weight.shape[1], height, width))
    for i, j in np.ndindex(conv.kernel):
        rows = slice(i * conv.dilation[0], i * conv.dilation[0] + (height - 1) * conv.stride[0] + 1, conv.stride[0])
        columns = slice(j * conv.dilation[1], j * conv.dilation[1] + (width - 1) * conv.stride[1] + 1, conv.stride[1])
        total += np.einsum("goc,bgcyx->bgoyx", weight[..., i, j], images[..., rows, columns], optimize=True)
    return total.reshape(steps, samples, -1)


def _run(layer: RealLayer, drive: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    steps, samples, n = drive.shape
    u, v = np.zeros((samples, n)), np.zeros((samples, n))
    fired = np.zeros((samples, n, steps), np.int8)
    for t in range(steps):
        u = (1 - layer.lost_u) * u + drive[t]
        v = (1 - layer.lost_v) * v + u + layer.bias
        fires = v > layer.threshold
        v[fires] = 0
        fired[..., t] = fires
    return fired


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

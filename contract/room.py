"""The room that a layer's registers leave, by its own weights alone: for every input, and without a run of the network.

What arrives at a layer is taken to be anything that its senders could ever send, in every step. So these bounds are
wider than those of `spikeproof.bounds`, which follows all layers through a sample; where these fit, those do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .fixed import FLOAT32_WHOLE, WEIGHT_STEP
from .interval import Interval, same
from .net import Incoming, Net
from .neurons import Neuron
from .synapses.conv import Conv

FLOAT32_SUM = FLOAT32_WHOLE * WEIGHT_STEP
"""Sums of whole multiples of a weight's step are exact in float32 up to here, in any order of additions."""

_HALVINGS = 12


def sum_limit(net: Net, index: int) -> int:
    """Return the magnitude of a sum from which on a port of the layer wraps it, or float32 rounds it."""
    limits: list[int] = [2 ** (each.synapse.port_bits - 1) for each in net.incoming(index)]
    return min(FLOAT32_SUM, *limits)


def worst_sums(net: Net, index: int) -> Interval:
    """Return what the dendritic sums of a layer can be, whatever is sent; 0, which nothing sent is, lies within."""
    total = Interval(*(np.zeros(net.layers[index].num_sums, np.int64) for _ in range(2)))
    for each in net.incoming(index):
        total = total.plus(_worst(net, each))
    layer = net.layers[index]
    if layer.cpg is not None:
        beside = layer.synapse.worth[:, layer.num_inputs :] * net.cpg_payload(index)
        total = total.plus(Interval(np.minimum(beside, 0).sum(1), np.maximum(beside, 0).sum(1)))
    return total


def _worst(net: Net, way: Incoming) -> Interval:
    most = net.max_payload(way.source)
    signed = most > 1 or (way.source < 0 and bool(net.inputs[-1 - way.source].bits))
    weight = way.synapse.worth
    axes = tuple(range(1, weight.ndim))
    up, down = np.maximum(weight, 0).sum(axes) * most, np.minimum(weight, 0).sum(axes) * most
    found = Interval(down - up, up - down) if signed else Interval(down, up)
    if isinstance(way.synapse, Conv):  # each place of a channel's image has its weights
        found = Interval(*(np.repeat(end, way.synapse.num_neurons // len(weight)) for end in found))
    return found


def used(neuron: Neuron, x: Interval, steps: int, te: npt.NDArray[Any] | None) -> npt.NDArray[np.float64] | None:
    """Return the part of its range that any register of each neuron can take; 1 and more if it can leave it.

    Parameters
    ----------
    neuron : Neuron
        The neurons.
    x : Interval of shape (sums,)
        What their sums can be in every step.
    steps : int
        Of a sample.
    te : ndarray of int8, shape (steps, n), or None
        Temporal encoding of the sample.

    Returns
    -------
    ndarray of float64, shape (n,), or None
        None if nobody has written bounds for the kind.
    """
    state, found = neuron.bounded_reset(), np.zeros(neuron.num_neurons)
    for t in range(steps):
        step = neuron.bounded_step(state, x, None if te is None else te[t, : neuron.num_neurons])
        if step is None:
            return None
        for now in step.registers.values():
            size = np.maximum(-now.low, now.high) / neuron.register_max
            found = np.maximum(found, np.broadcast_to(size, found.shape))
        if not neuron.takes_te and same(state, step.state):
            break  # every later step is this one
        state = step.state
    return found


def used_by(net: Net, index: int, te: npt.NDArray[Any] | None = None) -> npt.NDArray[np.float64] | None:
    """Return `used` of a layer's neurons, its sums among the registers; None if no bounds are known for its kind."""
    layer = net.layers[index]
    if te is None and layer.neuron.takes_te:
        te = net.encoding(net.steps)
    x = worst_sums(net, index)
    found = used(layer.neuron, x, net.steps, te)
    return None if found is None else np.maximum(found, _of_sums(x, layer.neuron) / sum_limit(net, index))


def _of_sums(x: Interval, neuron: Neuron) -> npt.NDArray[np.int64]:
    size: npt.NDArray[np.int64] = np.maximum(-x.low, x.high).reshape(neuron.sums, -1).max(0)
    return size


def smallest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the smallest whole number above `low`, up to `high`, that fits, if larger ones fit too; None if none."""
    if not fits(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def row_factors(net: Net, index: int) -> npt.NDArray[np.float64] | None:
    """Return by which factor, up to 1, the weights into each neuron must be multiplied for its registers to fit.

    Returns
    -------
    ndarray of float64, shape (n,), or None
        To within a thousandth or so, and never too large; 0 where no factor helps. None if no bounds are known.
    """
    layer, x = net.layers[index], worst_sums(net, index)
    te = net.encoding(net.steps) if layer.neuron.takes_te else None
    low, high = np.zeros(layer.num_neurons), np.ones(layer.num_neurons)
    first = used_by(net, index, te)
    if first is None:
        return None
    fine = first < 1
    for _ in range(0 if fine.all() else _HALVINGS):
        middle = (low + high) / 2
        factor = np.tile(middle, layer.neuron.sums)
        part = Interval(np.floor(x.low * factor).astype(np.int64), np.ceil(x.high * factor).astype(np.int64))
        taken = used(layer.neuron, part, net.steps, te)
        assert taken is not None
        fits = (taken < 1) & (_of_sums(part, layer.neuron) < sum_limit(net, index))
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return np.where(fine, 1.0, low)

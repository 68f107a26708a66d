"""What it takes to prove a layer: the smallest change of its weights, of its decays, or of its scale.

A change is looked for with the layer alone, see `spikeproof.contract.room`, and told only if the bounds of the whole
changed network prove the layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...contract import fixed, room
from ...contract.fixed import DECAY_ONE, WEIGHT_STEP
from ...contract.net import Layer, Net
from ...contract.synapses.dense import Synapse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bounds import Bounds

_LEAKS = ("u_decay", "v_decay", "th_decay", "ref_decay")
"""Parameters of neurons of which a larger one makes registers forget sooner."""
_HALVED = ("v_th_mant", "v_th_step", "bias_mant", "bias")
"""Parameters that are in the units of the weights."""
_MOST_HALVINGS = 10
_ROWS_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that proves a layer.

    Attributes
    ----------
    layer : str
        Its name.
    words : str
        What to change, a phrase.
    net : Net
        The changed network, in which the bounds prove the layer.
    """

    layer: str
    words: str
    net: Net


def changes(net: Net, found: Bounds, prove: Callable[[Net], Bounds]) -> list[Change]:
    """Return the smallest changes that prove each layer which is not proven.

    Parameters
    ----------
    net : Net
        The network.
    found : Bounds
        Its bounds.
    prove : callable
        Gives the bounds of a changed network, under the same assumptions.

    Returns
    -------
    list of Change
        Of every such layer up to three, of one kind each; none where none of them helps.
    """
    told = []
    for name in dict.fromkeys(bound.layer for bound in found.found if not bound.proven):
        for change in _of_layer(net, net.index(name)):
            if all(bound.proven for bound in prove(change.net).found if bound.layer == name):
                told.append(change)
    return told


def _of_layer(net: Net, index: int) -> Iterator[Change]:
    name = net.layers[index].name
    for words, changed in (*_rows(net, index), *_decays(net, index), *_scale(net, index)):
        yield Change(layer=name, words=words, net=changed)


def _rows(net: Net, index: int) -> Iterator[tuple[str, Net]]:
    """Yield the smallest cut of the weights into single neurons."""
    factors = room.row_factors(net, index)
    if factors is None or (factors == 0).any():
        return
    cut = np.flatnonzero(factors < 1)
    if not cut.size:
        return
    listed = ", ".join(map(str, cut[:_ROWS_NAMED])) + ", ..." * (len(cut) > _ROWS_NAMED)
    what = f"neuron {listed}" if len(cut) == 1 else f"{len(cut)} of {len(factors)} neurons ({listed})"
    words = f"multiply the weights into {what} by {np.floor(factors.min() * 1000) / 1000:g} or less"
    yield words, weighted(net, index, factors)


def _decays(net: Net, index: int) -> Iterator[tuple[str, Net]]:
    """Yield the smallest decay that is enough."""
    neuron = net.layers[index].neuron
    for name in (each for each in _LEAKS if hasattr(neuron, each)):
        now = np.asarray(getattr(neuron, name))

        def changed(least: int, name: str = name, now: npt.NDArray[Any] = now) -> Net:
            decay = np.maximum(now, least)
            return _with(net, index, neuron=replace(neuron, **{name: decay if decay.ndim else int(decay)}))

        least = room.smallest(lambda least, made=changed: _fits(made(least), index), int(now.min()), DECAY_ONE)  # type: ignore[misc]
        if least is not None:
            yield f"{name} of at least {least} (now {_span(now)})", changed(least)
            return


def _scale(net: Net, index: int) -> Iterator[tuple[str, Net]]:
    """Yield the largest scale that is small enough."""
    layer = net.layers[index]
    halvings = room.smallest(
        lambda count: _fits(_halved(net, index, count), index), 0, min(_MOST_HALVINGS, layer.scale.bit_length() - 1)
    )
    if halvings is not None:
        scale = layer.scale >> halvings
        words = f"a scale of {scale} (now {layer.scale}), which makes weights, thresholds and biases as much smaller"
        yield words, _halved(net, index, halvings)


def _fits(net: Net, index: int) -> bool:
    used = room.used_by(net, index)
    return used is not None and bool((used < 1).all())


def _halved(net: Net, index: int, count: int) -> Net:
    layer = net.layers[index]
    smaller: dict[str, Any] = {}
    for name in _HALVED:
        value = getattr(layer.neuron, name, None)
        if value is not None:
            smaller[name] = fixed.shift(value, -count) if np.ndim(value) else int(fixed.shift(value, -count))
    made = weighted(net, index, np.full(layer.num_neurons, 2.0**-count))
    return _with(made, index, neuron=replace(layer.neuron, **smaller), scale=layer.scale >> count)


def weighted(net: Net, index: int, factors: npt.NDArray[np.float64]) -> Net:
    """Return a network with the weights into each neuron of a layer multiplied, up to 1, and rounded toward zero."""
    layer, name = net.layers[index], net.layers[index].name
    edges = tuple(
        replace(edge, synapse=_times(edge.synapse, factors, layer)) if edge.target == name else edge
        for edge in net.edges
    )
    feedback: Any = None if layer.feedback is None else _times(layer.feedback, factors, layer)
    return replace(_with(net, index, synapse=_times(layer.synapse, factors, layer), feedback=feedback), edges=edges)


def _times(synapse: Synapse, factors: npt.NDArray[np.float64], layer: Layer) -> Synapse:
    each = np.tile(factors, layer.neuron.sums)
    rows = each.reshape(len(synapse.weight), -1).min(1)  # a channel of a convolution has one row for all places
    steps = np.trunc(synapse.weight / WEIGHT_STEP * rows.reshape(-1, *[1] * (synapse.weight.ndim - 1)))
    return replace(synapse, weight=steps.astype(np.int64) * WEIGHT_STEP)


def _with(net: Net, index: int, **parts: Any) -> Net:
    layers = list(net.layers)
    layers[index] = replace(layers[index], **parts)
    return replace(net, layers=tuple(layers))


def _span(values: npt.NDArray[Any]) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"

"""The reference backend: the contract's steps in a plain loop, layer by layer, over a batch of samples.

Layers that feed each other in circles run together, step by step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import fixed
from ..contract.net import Incoming, Net
from ..contract.neurons import Neuron
from ..contract.sources import raster
from ..contract.synapses.delays import delayed
from ..contract.synapses.dense import Dense
from .trace import SPIKES, VARIABLES, Trace

Sent = Mapping[int, npt.NDArray[Any]]
"""What each layer sends, by its index, and what enters, input k as -1 - k; of shape (samples, senders, steps)."""


def run(net: Net, payload: npt.NDArray[np.int32]) -> Trace:
    """Run a batch.

    Parameters
    ----------
    net : Net
        The network.
    payload : ndarray of int32, shape (samples, channels, steps)
        Input payloads, see `spikeproof.contract.net.Net.encode`.

    Returns
    -------
    Trace
        Every variable of every layer.
    """
    found: dict[int, dict[str, npt.NDArray[np.int32]]] = {}
    sent = senders(net, {}, payload)
    for group in net.groups:
        if len(group) == 1 and not _feeds_itself(net, group[0]):
            index = group[0]
            layer = net.layers[index]
            x, te = sums(net, index, sent), encoding(net, index, payload.shape[2])
            found[index] = scan(layer.neuron, x, te, feedback=layer.feedback)
        else:
            found |= _together(net, group, sent, payload.shape)
        sent |= {index: found[index][SPIKES] for index in group if SPIKES in found[index]}
    return Trace(backend="reference", layers={layer.name: found[i] for i, layer in enumerate(net.layers)})


def senders(
    net: Net, layers: Mapping[str, Mapping[str, npt.NDArray[Any]]], payload: npt.NDArray[Any]
) -> dict[int, npt.NDArray[Any]]:
    """Return what is sent in a run whose traces are `layers`, see `Sent`."""
    sent = {-1 - k: payload[:, net.channels(k)] for k in range(len(net.inputs))}
    places = {layer.name: i for i, layer in enumerate(net.layers)}
    return sent | {places[name]: of[SPIKES] for name, of in layers.items() if SPIKES in of}


def sums(net: Net, index: int, sent: Sent) -> npt.NDArray[np.int64]:
    """Return the dendritic sums of a layer but for its feedback, int64 of shape (steps, samples, sums)."""
    own, synapse = net.incoming(index)[0], net.layers[index].synapse
    payload = sent[own.source]
    if own.delay.ndim == 2:
        total = _port(own, own.delivered(payload)) + of_oscillators(net, index, payload.shape[2])
    else:
        total = fixed.wrap(synapse.sums(arriving(net, index, payload).transpose(2, 0, 1)), synapse.port_bits)
    beside = sums_beside(net, index, sent)
    return total if beside is None else fixed.wrap32(total + beside)


def sums_beside(net: Net, index: int, sent: Sent) -> npt.NDArray[np.int64] | None:
    """Return what edges add to a layer's sums, beside its own synapses and its feedback; None without edges."""
    ways = _edges(net, index)
    return sum(_port(each, each.delivered(sent[each.source])) for each in ways) if ways else None  # type: ignore[return-value]


def _edges(net: Net, index: int) -> tuple[Incoming, ...]:
    return net.incoming(index)[1 + (net.layers[index].feedback is not None) :]


def _feeds_itself(net: Net, index: int) -> bool:
    return any(each.source == index for each in _edges(net, index))


def _port(way: Incoming, total: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return sums as Lava's process of these synapses sends them."""
    return fixed.wrap(total, way.synapse.port_bits)


def _together(
    net: Net, group: Sequence[int], outside: Sent, shape: tuple[int, ...]
) -> dict[int, dict[str, npt.NDArray[np.int32]]]:
    """Run layers that feed each other, step by step."""
    samples, _, steps = shape
    layers = {i: net.layers[i] for i in group}
    inner = {i: [each for each in net.incoming(i) if each.source in layers] for i in group}
    given = {i: _from_outside(net, i, layers, outside, shape) for i in group}
    sent: dict[int, Any] = {i: np.zeros((samples, layer.num_neurons, steps), np.int32) for i, layer in layers.items()}
    encodings = {i: encoding(net, i, steps) for i in group}
    states = {i: layer.neuron.reset((samples,)) for i, layer in layers.items()}
    traced = {
        i: {name: np.empty((samples, layer.num_neurons, steps), np.int32) for name in VARIABLES[type(layer.neuron)]}
        for i, layer in layers.items()
    }
    for t in range(steps):
        for i, layer in layers.items():
            x = given[i][t] + sum(_port(each, at(each, sent[each.source], t)) for each in inner[i])
            te = encodings[i]
            row = () if te is None else (te[t],)
            spikes, states[i] = layer.neuron.step(states[i], fixed.wrap32(x), *row)
            now = {**layer.neuron.observed(states[i]), SPIKES: spikes}
            for name, array in traced[i].items():
                array[..., t] = now[name]
            sent[i][..., t] = spikes
    return traced


def _from_outside(
    net: Net, index: int, inside: Collection[int], sent: Sent, shape: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    """Return what layers outside a group, inputs and oscillators add to the sums of one in it."""
    samples, _, steps = shape
    total = np.zeros((steps, samples, net.layers[index].num_sums), np.int64)
    for each in net.incoming(index):
        if each.source not in inside:
            total += _port(each, each.delivered(sent[each.source]))
    return total + of_oscillators(net, index, steps)


def of_oscillators(net: Net, index: int, steps: int) -> npt.NDArray[np.int64]:
    """Return the sums that a layer's oscillators make, shape (steps, 1, sums)."""
    layer = net.layers[index]
    if layer.cpg is None:
        return np.zeros((steps, 1, 1), np.int64)
    spikes = raster(layer.cpg, steps) * net.cpg_payload(index)
    silent = np.zeros((steps, layer.num_inputs), np.int64)
    return np.asarray(layer.synapse.sums(np.hstack([silent, spikes]))[:, None])


def at(way: Incoming, sent: npt.NDArray[Any], t: int) -> npt.NDArray[Any]:
    """Return the sums that what was sent up to step `t` makes in it, shape (samples, sums)."""
    if way.delay.ndim == 2:
        parts = [synapse.sums(sent[..., t - d]) for d, synapse in way.by_delay() if d <= t]
        return np.asarray(sum(parts, np.zeros((len(sent), way.synapse.num_neurons), np.int64)))
    at = t - np.broadcast_to(way.delay, sent.shape[1:2])
    return way.synapse.sums(np.where(at >= 0, sent[:, np.arange(len(at)), np.maximum(at, 0)], 0))


def arriving(net: Net, index: int, payload: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """Return what arrives at a layer's own synapses, shape (samples, columns of the weights, steps).

    Where each synapse has a delay of its own there is no such thing.

    It is `payload`, what their sender sends, delayed by its axon, with the spikes of the layer's oscillators below it.
    """
    layer = net.layers[index]
    payload = delayed(payload, net.incoming(index)[0].delay)
    if layer.cpg is None:
        return payload
    samples, _, steps = payload.shape
    spikes = raster(layer.cpg, steps).T * net.cpg_payload(index)
    return np.concatenate([payload, np.broadcast_to(spikes, (samples, *spikes.shape))], axis=1)


def encoding(net: Net, index: int, steps: int) -> npt.NDArray[Any] | None:
    """Return the temporal encoding of a layer, int8 of shape (steps, neurons); None if its neurons use none."""
    layer = net.layers[index]
    return net.encoding(steps)[:, : layer.num_neurons] if layer.neuron.takes_te else None


def scan(
    params: Neuron,
    x: npt.NDArray[Any],
    te: npt.NDArray[Any] | None,
    *,
    feedback: Dense | None = None,
    resets: Collection[int] = (0,),
    rules: ModuleType = fixed,
) -> dict[str, npt.NDArray[np.int32]]:
    """Run a layer's neurons on given sums.

    Parameters
    ----------
    params : Neuron
        n neurons.
    x : ndarray of int64, shape (steps, samples, sums)
        Dendritic sums, without those of `feedback`.
    te : ndarray of int8, shape (steps, n), or None
        Temporal encoding.
    feedback : Dense or None
        Recurrent synapses, whose sums are added.
    resets : collection of int
        Steps before which all registers are reset, whether or not 0 is one of them.
    rules : module
        `contract.fixed`, or `contract.real` for neurons that can do without rounding (CE-LIF).

    Returns
    -------
    dict of variable to ndarray of int32, shape (samples, n, steps)
    """
    steps, samples = x.shape[:2]
    state = params.reset((samples,))
    more = {"rules": rules} if params.unrounded else {}
    traced = {name: np.empty((samples, params.num_neurons, steps), np.int32) for name in VARIABLES[type(params)]}
    spikes: Any = None
    for t in range(steps):
        if t in resets:
            state, spikes = params.reset((samples,)), None
        now_x = x[t] if feedback is None or spikes is None else fixed.wrap32(x[t] + feedback.sums(spikes))
        row = () if te is None or not params.takes_te else (te[t],)
        spikes, state = params.step(state, now_x, *row, **more)
        now = {**params.observed(state, rules), SPIKES: spikes}
        for name, array in traced.items():
            array[..., t] = now[name]
    return traced

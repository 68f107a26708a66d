"""The reference backend: the contract's steps in a plain loop, layer by layer, over a batch of samples."""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import fixed
from ..contract.net import Net
from ..contract.neurons import Neuron
from ..contract.sources import raster
from ..contract.synapses.axon import arrivals
from ..contract.synapses.dense import Dense
from .trace import SPIKES, VARIABLES, Trace


def run(net: Net, payload: npt.NDArray[np.int32]) -> Trace:
    """Run a batch.

    Parameters
    ----------
    net : Net
        The network.
    payload : ndarray of int32, shape (samples, channels, steps)
        Input payloads, see `spikeproof.contract.net.Input.encode`.

    Returns
    -------
    Trace
        Every variable of every layer.
    """
    layers: dict[str, dict[str, npt.NDArray[np.int32]]] = {}
    for index, layer in enumerate(net.layers):
        params = layer.neuron
        x, te = sums(net, index, payload), encoding(net, index, payload.shape[2])
        variables = scan(params, x, te, feedback=layer.feedback)
        layers[layer.name] = variables
        payload = variables.get(SPIKES, payload)
    return Trace(backend="reference", layers=layers)


def sums(net: Net, index: int, payload: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the dendritic sums of a layer.

    Parameters
    ----------
    net : Net
        The network.
    index : int
        Which of its layers.
    payload : ndarray of int32, shape (samples, inputs, steps)
        Input payloads, or the spikes of the layer before in its own local time.

    Returns
    -------
    ndarray of int64, shape (steps, samples, sums)
    """
    synapse = net.layers[index].synapse
    return fixed.wrap(synapse.sums(arriving(net, index, payload).transpose(2, 0, 1)), synapse.port_bits)


def arriving(net: Net, index: int, payload: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """Return what arrives at a layer's synapses, shape (samples, columns of the weights, steps).

    It is `payload`, see `sums`, delayed by the axons of the layer before, with the spikes of the layer's oscillators
    below it.
    """
    layer = net.layers[index]
    if index:
        payload = arrivals(net.layers[index - 1].axon, payload)
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

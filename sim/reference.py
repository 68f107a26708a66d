"""The reference backend: the contract's steps in a plain loop, layer by layer, over a batch of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import celif, cuba, readout
from ..contract.celif import CELIF
from ..contract.cuba import CUBA
from ..contract.net import Net
from ..contract.oscillators import raster
from ..contract.readout import Readout
from .trace import SPIKES, VARIABLES, Trace

_RULES: dict[type[Any], Any] = {CELIF: celif, CUBA: cuba, Readout: readout}


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
        variables = _run_layer(net, index, payload)
        layers[layer.name] = variables
        payload = variables.get(SPIKES, payload)
    return Trace(backend="reference", layers=layers)


def _run_layer(net: Net, index: int, payload: npt.NDArray[np.int32]) -> dict[str, npt.NDArray[np.int32]]:
    layer = net.layers[index]
    rules, params = _RULES[type(layer.neuron)], layer.neuron
    samples, _, steps = payload.shape
    if layer.cpg is not None:
        spikes = raster(layer.cpg, steps).T * net.cpg_payload(index)
        payload = np.concatenate([payload, np.broadcast_to(spikes, (samples, *spikes.shape))], axis=1)
    # Whole numbers below 2**53: the float64 product is exact, and uses BLAS, which integers do not.
    sums = np.einsum("ij,sjt->tsi", layer.synapse.weight.astype(np.float64), payload, optimize=True).astype(np.int64)
    te = net.encoding(steps)[:, : layer.num_neurons] if isinstance(params, CELIF) else None
    state = rules.reset(params, (samples,))
    traced = {name: np.empty((samples, params.num_neurons, steps), np.int32) for name in VARIABLES[type(params)]}
    for t in range(steps):
        if isinstance(params, CELIF):
            assert te is not None
            spikes, state = celif.step(params, state, sums[t], te[t])
            now = {SPIKES: spikes, "theta": celif.threshold(params, state.h), **state._asdict()}
        else:
            spikes, state = rules.step(params, state, sums[t])
            now = {SPIKES: spikes, **state._asdict()}
        for name, array in traced.items():
            array[..., t] = now[name]
    return traced

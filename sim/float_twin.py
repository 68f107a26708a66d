"""What quantisation costs: a trained network with its numbers as training keeps them, beside the integer one.

The float twin runs the same trained parameters without any rounding: real weights, biases and temporal encoding
instead of 8-bit and 13-bit ones, inputs that are not rounded to payloads, and float64 registers that neither round nor
saturate (`spikeproof.contract.real`). What it shares with the integer network are the recipe's constants, decays and
thresholds, which are 12-bit and whole from the start, and the oscillators. Training is aware of quantisation, so the
twin is no network that was trained by itself: it says what the rounding does to this one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..contract import celif, real
from ..contract.celif import CELIF
from ..contract.encoding import Driven
from ..contract.errors import UnsupportedError
from ..contract.fixed import DECAY_ONE
from ..contract.net import Net
from ..contract.oscillators import raster
from ..contract.readout import Readout
from ..contract.synapse import Dense
from . import reference
from .gaps import FloatGap, LayerGap
from .trace import SPIKES, Trace

if TYPE_CHECKING:
    from ..export.slayer import Block


_TWINS = (CELIF, Readout)
"""Neurons that have a float twin."""


class FloatTwin:
    """The float twin of a trained module.

    Parameters
    ----------
    module : Module
        The trained network.
    net : Net
        Its record.

    Raises
    ------
    UnsupportedError
        A layer has no float twin; the message says which.
    """

    def __init__(self, module: Any, net: Net) -> None:
        from ..export.slayer import blocks  # which loads torch

        self._net, self._blocks = net, blocks(module)
        for layer, block in zip(net.layers, self._blocks, strict=True):
            ours = isinstance(layer.neuron, _TWINS) and hasattr(block.module, "synapse")
            if not ours or not isinstance(layer.synapse, Dense):
                raise UnsupportedError(
                    f"layer {layer.name!r} is {type(layer.synapse).__name__} {type(layer.neuron).__name__}; dense "
                    "CE-LIF layers and read-outs have a float twin so far"
                )

    def compare(self, x: npt.NDArray[Any], fixed: Trace) -> FloatGap:
        """Run samples through the twin and compare its spikes and classes with those of the integer network.

        Parameters
        ----------
        x : ndarray, shape (samples, channels, steps)
            Input in SLAYER's units.
        fixed : Trace
            What the integer network did with it.

        Returns
        -------
        FloatGap
        """
        arriving: npt.NDArray[Any] = np.asarray(x, np.float64) * 2.0**-self._net.input.exp
        gaps = []
        for index, (layer, block) in enumerate(zip(self._net.layers, self._blocks, strict=True)):
            sums = self._sums(index, block, arriving)
            if isinstance(layer.neuron, Readout):
                keep = 1 - layer.neuron.v_decay / DECAY_ONE
                output = np.einsum("t,tsn->sn", keep ** np.arange(len(sums))[::-1], sums) / layer.scale
                break
            arriving = self._spikes(index, block, sums)
            raster_fixed = fixed.layers[layer.name][SPIKES]
            gaps.append(
                LayerGap(
                    name=layer.name,
                    spikes_float=int(arriving.sum()),
                    spikes_fixed=int(raster_fixed.sum()),
                    differ=int(np.count_nonzero(arriving != raster_fixed)),
                    entries=raster_fixed.size,
                )
            )
            output = arriving.sum(-1, dtype=np.float64)
        same = output.argmax(-1) == fixed.predictions(self._net)
        return FloatGap(output=output, same_class=int(same.sum()), layers=tuple(gaps))

    def _sums(self, index: int, block: Block, arriving: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return what reaches the neurons, bias included, in units of the record's weights: (steps, samples, n)."""
        layer, synapse = self._net.layers[index], block.module.synapse
        params: Any = layer.neuron
        arriving = reference.arriving(self._net, index, arriving)
        weight = _numbers(synapse.weight) * layer.scale
        sums = arriving.transpose(2, 0, 1) @ weight.T
        if synapse.bias is not None:
            sums += _numbers(synapse.bias) * (layer.scale * 2.0 ** (synapse.state_shift - params.a_shift))
        return np.asarray(sums, dtype=np.float64)

    def _spikes(self, index: int, block: Block, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        params: Any = self._net.layers[index].neuron
        params = replace(params, bias_mant=0)  # the sums hold it
        steps, samples, n = sums.shape
        te = self._encoding(block, steps)[:, :n] * 2.0**params.te_exp
        state = celif.reset(params, (samples,))
        fired = np.empty((samples, n, steps), np.bool_)
        for t in range(steps):
            spikes, state = celif.step(params, state, sums[t], te[t], real)
            fired[..., t] = spikes
        return fired

    def _encoding(self, block: Block, steps: int) -> npt.NDArray[np.float64]:
        """Return the unquantised temporal encoding, shape (steps, neurons)."""
        weight = _numbers(block.module.neuron.temporal_encoding.weight)
        if isinstance(self._net.te, Driven):
            return np.asarray(raster(self._net.te.cpg, steps) @ weight.T, dtype=np.float64)
        return np.asarray(weight.T[np.arange(steps) % weight.shape[1]])


def _numbers(parameter: Any) -> npt.NDArray[np.float64]:
    """Return a torch parameter as NumPy's float64."""
    return np.asarray(parameter.detach().cpu().numpy(), dtype=np.float64)

"""What quantisation costs: a trained network with its numbers as training keeps them, beside the integer one.

The float twin runs the same trained parameters without any rounding: real weights, biases and temporal encoding
instead of 8-bit and 13-bit ones, inputs that are not rounded to payloads, and float64 registers that neither round nor
saturate (`spikeproof.sim.engine.unrounded`). What it shares with the integer network are the recipe's constants, decays
and thresholds, which are 12-bit and whole from the start, and the oscillators. Training is aware of quantisation, so
the twin is no network that was trained by itself: it says what the rounding does to this one.

A layer's own synapses come from its block, whatever they listen to and however long they delay, and so does the
feedback of a recurrent block. Edges have no block that says what their weights were before they were rounded, so such
a network is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.net import Net
from ...contract.neurons import Neuron
from ...contract.neurons.celif import CELIF
from ...contract.neurons.readout import Readout
from ...contract.sources import raster
from ...contract.sources.driven import Driven
from ...contract.synapses.delays import delayed
from ...contract.synapses.dense import Dense
from .. import reference
from ..engine import unrounded
from ..engine.threads import single_threaded_blas
from ..trace import SPIKES, Trace
from . import whole
from .gaps import FloatGap, LayerGap

if TYPE_CHECKING:
    from ...export.slayer.blocks import Block


def has_twin(neuron: Neuron) -> bool:
    """Return whether neurons can be computed without rounding, too."""
    return isinstance(neuron, CELIF | Readout)


class FloatTwin:
    """The float twin of a trained module.

    Parameters
    ----------
    blocks : sequence of Block
        The trained network's layers, in the order in which they run.
    net : Net
        Its record.

    Raises
    ------
    UnsupportedError
        A layer or an edge has no float twin; the message says which.
    """

    def __init__(self, blocks: Sequence[Block], net: Net) -> None:
        self._net, self._blocks = net, blocks
        for layer, block in zip(net.layers, blocks, strict=True):
            ours = has_twin(layer.neuron) and hasattr(block.module, "synapse")
            if not ours or not isinstance(layer.synapse, Dense) or block.moved:
                moved = ", behind elements that are moved," if block.moved else ""
                raise UnsupportedError(
                    f"layer {layer.name!r} is {type(layer.synapse).__name__} {type(layer.neuron).__name__}{moved}; "
                    "dense CE-LIF layers and read-outs have a float twin so far"
                )
        for i in range(len(net.layers)):
            own = 1 + (net.layers[i].feedback is not None and getattr(blocks[i].module, "feedback", None) is not None)
            for way in net.incoming(i)[own:]:
                raise UnsupportedError(
                    f"edge {way.name}: no block holds its weights as they were before they were rounded, so what "
                    "rounding does to them is unknown; networks of which all synapses are those of their blocks have a "
                    "float twin so far"
                )

    def run(self, x: npt.NDArray[Any]) -> list[npt.NDArray[np.float64]]:
        """Run samples through the twin.

        Parameters
        ----------
        x : ndarray, shape (samples, channels, steps)
            Input of the network in SLAYER's units; of several inputs, their channels one after the other.

        Returns
        -------
        list of ndarray of float64, shape (samples, neurons, steps)
            For each layer its spikes, or the read-out's register in SLAYER's units.
        """
        net, x = self._net, np.asarray(x, np.float64)
        sent = {-1 - k: x[:, net.channels(k)] * 2.0**-source.exp for k, source in enumerate(net.inputs)}
        for index, (layer, block) in enumerate(zip(net.layers, self._blocks, strict=True)):
            # A layer's own synapses listen to a layer before it.
            sums = self._sums(index, block, sent[net.incoming(index)[0].source])
            if isinstance(layer.neuron, Readout):
                register = sums.cumsum(1) if layer.neuron.v_decay == 0 else sums
                sent[index] = register.transpose(0, 2, 1) / layer.scale
            else:
                sent[index] = self._spikes(index, block, sums).transpose(0, 2, 1)
        return [sent[index] for index in range(len(net.layers))]

    def outputs(self, found: Sequence[npt.NDArray[np.float64]]) -> list[Any]:
        """Return what the blocks of the module put out if their neurons did what `run` says, as tensors."""
        import torch

        tensors = [torch.as_tensor(each) for each in found]
        for i, (layer, block) in enumerate(zip(self._net.layers, self._blocks, strict=True)):
            if isinstance(layer.neuron, Readout):
                tensors[i] = block.module.answers(tensors[i])
        return tensors

    def compare(
        self, found: Sequence[npt.NDArray[np.float64]], fixed: Trace, same: tuple[Any, Any] | None = None
    ) -> FloatGap:
        """Compare the twin's spikes and classes with those of the integer network.

        Parameters
        ----------
        found : sequence of ndarray
            What `run` returned.
        fixed : Trace
            What the integer network did with the same samples.
        same : (ndarray or None, ndarray or None), optional
            What the user's module returned with the twin's spikes and with the integer network's, as
            `spikeproof.sim.verify.whole.scores` gives it; default: the read-outs, or counts of spikes.

        Returns
        -------
        FloatGap
        """
        gaps = []
        for layer, spikes in zip(self._net.layers, found, strict=True):
            if isinstance(layer.neuron, Readout):
                continue
            raster_fixed = fixed.layers[layer.name][SPIKES]
            gaps.append(
                LayerGap(
                    name=layer.name,
                    spikes_float=int(spikes.sum()),
                    spikes_fixed=int(raster_fixed.sum()),
                    differ=int(np.count_nonzero(spikes != raster_fixed)),
                    entries=raster_fixed.size,
                )
            )
        answer = found[self._net.index(self._net.answers[0])]
        output = answer[..., -1].copy() if isinstance(self._net.output.neuron, Readout) else answer.sum(-1)
        if same is None:
            raw = output.argmax(-1) == fixed.predictions(self._net)
            return FloatGap(output=output, same_class=int(raw.sum()), layers=tuple(gaps))
        without, with_it = (None if each is None else whole.classes(each) for each in same)
        kept = None if without is None or with_it is None else int((without == with_it).sum())
        return FloatGap(output=output, same_class=kept, layers=tuple(gaps), classes=without)

    def _sums(self, index: int, block: Block, arriving: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return what reaches the neurons, bias included, in units of the record's weights: (samples, steps, n)."""
        layer, synapse = self._net.layers[index], block.module.synapse
        params: Any = layer.neuron
        weight = _numbers(synapse.weight) * layer.scale
        delay = self._net.incoming(index)[0].delay
        if delay.ndim == 2:
            weight, of_oscillators = np.split(weight, [layer.num_inputs], axis=1)
            delays = [(d, np.where(delay == d, weight, 0)) for d in np.unique(delay)]
            sums = sum(_product(delayed(arriving, d), each) for d, each in delays)
            if layer.cpg is not None:
                spikes = raster(layer.cpg, arriving.shape[2]) * self._net.cpg_payload(index)
                sums = sums + spikes @ of_oscillators.T
        else:
            sums = _product(reference.arriving(self._net, index, arriving), weight)
        if synapse.bias is not None:
            shift = getattr(params, "a_shift", synapse.state_shift)
            bias = _numbers(synapse.bias)
            if layer.feedback is not None and block.module.feedback.bias is not None:
                bias = bias + _numbers(block.module.feedback.bias)
            sums += bias * (layer.scale * 2.0 ** (synapse.state_shift - shift))
        return np.asarray(sums, dtype=np.float64)

    def _spikes(self, index: int, block: Block, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        te, layer = self._encoding(block, sums.shape[1])[:, : sums.shape[2]], self._net.layers[index]
        neuron = layer.neuron
        assert isinstance(neuron, CELIF), "FloatTwin refuses other neurons that fire"
        back: Any = None
        if layer.feedback is not None:
            back = _numbers(block.module.feedback.weight) * (layer.scale << layer.feedback.weight_exp)
        found: npt.NDArray[np.float64] = unrounded.spikes(neuron, sums, te, back)
        return found

    def _encoding(self, block: Block, steps: int) -> npt.NDArray[np.float64]:
        """Return the unquantised temporal encoding, shape (steps, neurons)."""
        weight = _numbers(block.module.neuron.temporal_encoding.weight)
        if isinstance(self._net.te, Driven):
            return np.asarray(raster(self._net.te.cpg, steps) @ weight.T, dtype=np.float64)
        return np.asarray(weight.T[np.arange(steps) % weight.shape[1]])


def _product(arriving: npt.NDArray[Any], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what (samples, inputs, steps) makes over weights (n, inputs), of shape (samples, steps, n)."""
    samples, inputs, steps = arriving.shape
    rows = np.ascontiguousarray(arriving.transpose(0, 2, 1), np.float64).reshape(-1, inputs)
    with single_threaded_blas():
        return np.asarray(rows @ weight.T).reshape(samples, steps, -1)


def _numbers(parameter: Any) -> npt.NDArray[np.float64]:
    """Return a torch parameter as NumPy's float64."""
    return np.asarray(parameter.detach().cpu().numpy(), dtype=np.float64)

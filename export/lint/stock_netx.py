"""Rules about records: what stock lava-dl's path computes wrong of such a layer and says nothing about.

A record, and every backend here, is exact with what was trained; these faults are those of
``lava.lib.dl.netx`` 0.6.0 and of the Lava processes that it builds. Each was measured (docs/parity_matrix.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.fixed import DECAY_ONE, DECAY_SHIFT
from ...contract.net import Layer, Net
from ...contract.neurons.bases.adaptive import AdaptiveResonator
from ...contract.neurons.bases.resonator import Resonator
from ...contract.neurons.cuba import CUBA, TIE_SAFE_THRESHOLD
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.neurons.rf import RF
from ...contract.neurons.rf_iz import RFIZ
from ...contract.neurons.sigma_delta import SigmaDelta
from ...contract.synapses.conv import Conv
from ..netx.stock_forms import MAX_DELAY
from ..netx.synapses import exponents
from .finding import Found, Row, Rules

RULES = Rules("record")
GRAPHS = Rules("record")
"""Of networks whose layers are not in a row, which have no stock path at all."""

_GROUPS_MAX = 127
_SHOWN = 4
"""Edges that a finding names."""
_OURS = "Run the file with spikeproof, whose record holds it"


def has_path(net: Net) -> bool:
    """Return whether SLAYER has all of a network's layers, in a row, so that the stock path could take it."""
    if net.edges or any(layer.neuron.takes_te or _unread(layer) for layer in net.layers):
        return False
    return all(net.incoming(i)[0].source == i - 1 for i in range(len(net.layers)))


@GRAPHS.add(
    "not-in-a-row", "info", "edges, delays of synapses, more inputs or answers, which stock NetX has no place for"
)
def not_in_a_row(net: Net) -> Iterator[Found]:
    """Find what stock NetX, which runs layers one behind the other, does not run."""
    delayed = [layer.name for layer in net.layers if _unread(layer)]
    elsewhere = [layer.name for i, layer in enumerate(net.layers) if net.incoming(i)[0].source != i - 1]
    has = {
        f"edges: {', '.join(edge.label for edge in net.edges[:_SHOWN])}{' ...' * (len(net.edges) > _SHOWN)}": net.edges,
        f"inputs: {', '.join(source.name for source in net.inputs)}": len(net.inputs) > 1,
        f"answers: {', '.join(net.answers)}": net.outputs,
        f"delays of the synapses of {', '.join(delayed)}": delayed,
        f"layers that do not listen to the one before: {', '.join(elsewhere)}": elsewhere,
    }
    told = "; ".join(words for words, there in has.items() if there)
    if not told:
        return
    yield Found(
        "network",
        told,
        "stock NetX runs layers one behind the other, from one input to the last layer, and has no place for these",
        "Run it with spikeproof, whose Lava processes hold them, or train layers in a row",
    )


RULES.table(
    lambda net: [(layer.name, layer) for layer in net.layers],
    [
        Row(
            "bias-offset",
            "info",
            "a bias, which stock neurons add a step before their input",
            lambda layer: _count(int(np.count_nonzero(_bias(layer))), f"a bias on {{}} of {layer.num_neurons} neurons"),
            "Lava's synapses hold the first input back for a step, and a stock neuron adds its bias meanwhile",
            "With stock NetX, lead the input with one step of zeros, or set reset_interval and reset_offset=1",
        ),
        Row(
            "bias-and-delay",
            "info",
            "a bias and delays, which stock NetX puts in front of the neuron",
            lambda layer: "a bias, and spikes that are delayed" * bool(layer.is_late and _bias(layer).any()),
            "stock NetX delays what a neuron receives instead of what it sends, and the bias is not received",
            _OURS,
        ),
        Row(
            "recurrent-bias",
            "info",
            "a recurrent layer's bias, which stock neurons add to the membrane alone",
            lambda layer: "recurrent synapses and a norm's bias" * bool(layer.feedback and layer.cpg),
            "SLAYER's recurrent block keeps a current with the bias in it, stock NetX adds it behind the current",
            _OURS,
        ),
        Row(
            "norm-dropped",
            "info",
            "a norm of complex neurons, which stock export does not find",
            lambda layer: "a norm's mean on complex sums" * bool(isinstance(layer.neuron, Resonator) and layer.cpg),
            "stock export_hdf5 looks for neuron.norm, and these neurons have real_norm and imag_norm",
            _OURS,
        ),
        Row(
            "recurrent-delay",
            "info",
            "delays of a recurrent layer, which stock NetX puts on the feedback too",
            lambda layer: "recurrent synapses and delays" * bool(layer.feedback and layer.is_late),
            "stock NetX delays the feedback too, and leaves the power of two of the weights out",
            _OURS,
        ),
        Row(
            "shifted-sums",
            "info",
            "a weight exponent, which stock NetX does not read",
            lambda layer: "sums that a weight exponent shifts" * bool(exponents(layer)),
            "stock NetX would add them up in the unit of the others",
            _OURS,
        ),
        Row(
            "resonator-decay",
            "info",
            "sines and cosines that stock NetX changes on the way through a period",
            lambda layer: _changed_decays(layer),
            "stock NetX makes a period and a decay of the integers, and Lava cuts integers off from these",
            _OURS,
        ),
        Row(
            "adaptive-resonator",
            "info",
            "ADRF neurons, which stock NetX runs as plain RF",
            lambda layer: "neurons of type ADRF" * isinstance(layer.neuron, AdaptiveResonator),
            "stock NetX takes any type with RF in its name for a plain RF, and reads neither thresholds nor decays "
            "of the adaptation",
            _OURS,
        ),
        Row(
            "graded-spike",
            "info",
            "graded spikes, which stock neurons send as 1",
            lambda layer: "spikes carry a payload" * getattr(layer.neuron, "graded", 0),
            "stock NetX does not read gradedSpike, and Lava's neurons send 1",
            _OURS,
        ),
        Row(
            "weight-exponent",
            "info",
            "the power of two of WgtScaleBatchNorm, which stock NetX does not read",
            lambda layer: _count(
                getattr(layer.neuron, "u_shift", 0), "what the membrane receives is shifted by {} bits"
            ),
            "stock NetX does not read neuron/weight_exp",
            _OURS,
        ),
        Row(
            "threshold-equality",
            "info",
            f"thresholds from {TIE_SAFE_THRESHOLD} on, at which SLAYER's float32 fires at equality",
            lambda layer: (
                f"a threshold of {layer.neuron.v_th_mant}"
                if isinstance(layer.neuron, CUBA) and layer.neuron.v_th_mant >= TIE_SAFE_THRESHOLD
                else ""
            ),
            f"from {TIE_SAFE_THRESHOLD} on, SLAYER's float32 comparison fires where the membrane equals it, and "
            "Lava's does not",
            "Train with a lower threshold or scale",
        ),
    ],
)


@RULES.add("delay-dropped", "info", "delays of convolutions and resonators, which stock NetX does not read")
def delay_dropped(net: Net) -> Iterator[Found]:
    """Find delays that stock NetX never reads."""
    for layer in net.layers:
        resonates = isinstance(layer.neuron, Resonator)
        if layer.axon is not None and layer.is_late and (isinstance(layer.synapse, Conv) or resonates):
            kind = "resonators" if resonates else "convolutions"
            longest = layer.axon.longest - layer.lead
            yield Found(layer.name, f"delays of up to {longest} steps", f"stock NetX reads none of {kind}", _OURS)


@RULES.add("graded-input", "info", "graded input, which stock NetX casts to bool by default")
def graded_input(net: Net) -> Iterator[Found]:
    """Find networks whose input carries payloads."""
    if net.input.bits and not _has_input_layer(net):
        yield Found(
            "input",
            f"payloads of {net.input.bits} bits",
            "stock NetX's input_message_bits is 0 by default, and its synapses then cast what arrives to bool",
            f"With stock NetX, pass input_message_bits={net.input.bits + 1}",
        )


@RULES.add("sign-mode", "info", "weights of one sign whose least is a power of two, which stock Lava clips")
def sign_mode(net: Net) -> Iterator[Found]:
    """Find weights that Lava, which takes them for inhibitory ones of 8 bits, cannot hold at -256."""
    for layer in net.layers:
        for parts in _scaled_together(layer):
            bits = shift_bits(np.concatenate([part.reshape(-1) for part in parts]))
            clipped = [part for part in parts if bits is not None and part.max() <= 0 and part.min() << bits == -256]
            for part in clipped:
                yield Found(
                    layer.name,
                    f"{int((part == part.min()).sum())} weights of {part.min()}, and no weight is above 0",
                    "stock NetX scales them to -256, and Lava, which keeps 8 bits and one sign for such, clips that",
                    "Make a weight positive or the least another, or run the file with spikeproof",
                )


@RULES.add("conv-groups", "info", "128 groups and more, which stock Lava's Conv cannot count")
def conv_groups(net: Net) -> Iterator[Found]:
    """Find convolutions of too many groups."""
    for layer in net.layers[int(_has_input_layer(net)) :]:
        if isinstance(layer.synapse, Conv) and layer.synapse.groups > _GROUPS_MAX:
            yield Found(
                layer.name,
                f"{layer.synapse.groups} groups",
                "Lava's Conv keeps their number in 8 bits: at 128 it puts out nothing, beyond it hangs",
                _OURS,
            )


@RULES.add("membrane-output", "info", "an output that never fires, of which stock NetX sends the spikes")
def membrane_output(net: Net) -> Iterator[Found]:
    """Find membranes that are what a network answers."""
    last = net.layers[-1]
    if isinstance(last.neuron, LeakyIntegrator):
        yield Found(
            last.name,
            "its threshold cannot be reached, so the membrane is the answer",
            "stock NetX's output are its spikes, which are 0 without a word",
            "With stock NetX, read net.out_layer.neuron.v, one step late",
        )


@RULES.add("sigma-delta-threshold", "info", "thresholds that the stock export rounds down")
def sigma_delta_threshold(net: Net) -> Iterator[Found]:
    """Find sigma-delta thresholds that are no whole number of a weight's unit."""
    for i, layer in enumerate(net.layers):
        if isinstance(layer.neuron, SigmaDelta):
            unit = 1 << max(0, -net.payload_exp(i))
            if (layer.neuron.v_th % unit).any():
                yield Found(
                    layer.name,
                    f"a threshold of {layer.neuron.v_th.max() / unit:g} weight units",
                    "stock lava-dl exports whole ones",
                    _OURS,
                )


@RULES.add("no-reset", "info", "what stock NetX cannot reset between samples")
def no_reset(net: Net) -> Iterator[Found]:
    """Find layers that carry something from one sample to the next in stock Lava."""
    for layer in net.layers:
        reasons = {
            "delayed spikes": (layer.is_late or layer.delay.any()) and "the buffers of Lava's delays have no reset",
            "recurrent synapses": layer.feedback is not None and "the feedback under way has no reset",
            "resonators": isinstance(layer.neuron, RF | RFIZ) and "stock NetX ignores reset_interval for them",
            "sigma-delta units": isinstance(layer.neuron, SigmaDelta) and "stock NetX ignores reset_interval for them",
        }
        for what, why in reasons.items():
            if why:
                yield Found(
                    layer.name,
                    f"{what}, which keep what a sample leaves behind",
                    why,
                    "With stock NetX, set all states and all buffers of synapses to 0 between runs",
                )


def round_trip(sin: npt.NDArray[Any], cos: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return what becomes of integer decays in stock NetX and Lava: [sine, cosine], of the shape of each.

    References
    ----------
    ``lava.lib.dl.slayer.neuron.rf.neuron_params``, lava-dl 0.6.0; ``lava.proc.rf.process``, lava-nc 0.10.0.
    """
    sine, cosine = sin / DECAY_ONE, cos / DECAY_ONE
    kept = 1 - (1 - np.sqrt(sine**2 + cosine**2))
    with np.errstate(divide="ignore"):
        period = 1 / (np.arctan2(sine, cosine) / 2 / np.pi)
    angle = np.pi * 2 * 1 / period
    return np.stack([np.int32(kept * turn(angle) * (1 << DECAY_SHIFT)) for turn in (np.sin, np.cos)])


def shift_bits(weight: npt.NDArray[Any]) -> int | None:
    """Return by how many bits stock NetX shifts weights to the left; None if they are all 0.

    References
    ----------
    ``lava.lib.dl.netx.utils.optimize_weight_bits``, lava-dl 0.6.0.
    """
    least, most = int(weight.min()), int(weight.max())
    if not least and not most:
        return None
    if most < 0:
        return math.floor(math.log2(-256 / least))
    if least >= 0:
        return math.floor(math.log2(255 / most))
    return math.floor(math.log2(min(127 / most if most else math.inf, -128 / least))) + 1


def _scaled_together(layer: Layer) -> list[list[npt.NDArray[np.int64]]]:
    """Return a dense layer's weights by what stock NetX scales together: forward and back, not real and imaginary."""
    if isinstance(layer.synapse, Conv):
        return []
    weight = layer.synapse.weight.astype(np.int64)
    if layer.neuron.sums == 2:
        return [[part] for part in np.split(weight, 2)]
    return [[weight] + ([layer.feedback.weight.astype(np.int64)] if layer.feedback else [])]


def _count(number: int, words: str) -> str:
    """Return words with a number in them, or none if it is 0."""
    return words.format(number) if number else ""


def _changed_decays(layer: Layer) -> str:
    """Say how many pairs of decays of a resonator do not survive the way through a period and a decay."""
    if not isinstance(layer.neuron, RF | RFIZ):
        return ""
    pairs = np.unique(np.stack([layer.neuron.sin_decay, layer.neuron.cos_decay]), axis=1)
    changed = int((round_trip(*pairs) != pairs).any(axis=0).sum())
    return _count(changed, f"{{}} of {pairs.shape[1]} pairs of sine and cosine decay come back changed")


def _bias(layer: Layer) -> npt.NDArray[Any]:
    return np.asarray(getattr(layer.neuron, "bias_mant", getattr(layer.neuron, "bias", 0)))


def _unread(layer: Layer) -> bool:
    """Whether a layer's synapses have delays that stock NetX does not read, or reads for its feedback too."""
    plain = isinstance(layer.synapse, Conv) or layer.neuron.sums == 2 or layer.feedback is not None
    return bool(layer.delay.any()) and (plain or layer.delay.max() > MAX_DELAY or layer.is_late)


def _has_input_layer(net: Net) -> bool:
    """Whether the first layer stands for an input block with neurons, to which stock NetX connects no input."""
    first = net.layers[0].synapse
    if isinstance(first, Conv):
        alone = first.kernel == (1, 1) and first.groups == first.in_shape[0]
    else:
        square = first.weight[:, : net.input.num_channels]
        alone = len(square) == len(square.T) and np.count_nonzero(square) == np.count_nonzero(np.diag(square))
    return bool(net.input.bits) and alone

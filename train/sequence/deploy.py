"""Trained sequence models -> network records: norms folded into 8-bit weights, positions as the columns of an image.

A chip's time step is a spike step, and an image of one row holds all positions, so a layer is a convolution over the
columns. The encoder stays outside: its spikes are the input. A shortcut hands spikes on through relays, neurons that
fire when they hear one, and whoever takes ``x + y`` has the same weights for both.

A code of oscillators is part of the network. Position l of spike step t has ``p = t L + l``, so the column of
position l has oscillators of its own, of L times the increment, that begin l increments later. They drive a layer of
relays, "code", from which an edge of one tap leads to each layer that hears them, beside its convolution.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import UnsupportedError
from ...contract.fixed import BIAS_EXP_MAX, BIAS_MANT_MAX, DECAY_ONE, SCALE_MAX, WEIGHT_MAX, WEIGHT_STEP
from ...contract.net import Edge, Input, Layer, Net
from ...contract.neurons import readout
from ...contract.neurons.cuba import CUBA
from ...contract.sources.phase import TURN, Phase, slower
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense
from . import layer as layers
from .coded import Coded
from .gru import GRULayer
from .position import Relative
from .spikformer import Attention
from .tcn import TCNLevel

if TYPE_CHECKING:
    from .model import SequenceModel

FLOAT = "float: the trained model itself, whose norms are folded into the weights that are rounded to 8 bits"
"""What is compared with the record, in words."""

CODE = "code"
"""Name of the layer, or of the input, whose spikes are the positional code."""

_BATCH = 256
_MOST_WEIGHTS = 2**22
"""Of the layer that oscillators drive, which is all-to-all; a larger code enters as spikes beside the encoder's."""
_REASONS: tuple[tuple[type[nn.Module], str], ...] = (
    (Attention, "it multiplies spikes with spikes, Q K^T V, and synapses multiply spikes with weights"),
    (GRULayer, "its gates multiply spikes with spikes, and its state runs along the sequence within one spike step"),
    (nn.Embedding, "padding is left out of the average that is read, and a read-out weighs all positions alike"),
)
FIX = (
    "What can be exported is model = spike-rnn or spike-tcn with position = none, relative, cpg, cpg-designed or "
    "cpg-learned on numbers; or spike-rnn with neuron = ce-lif, whose oscillators are part of the network"
)


class Folded(NamedTuple):
    """A folded layer before rounding: what a neuron's membrane receives in units of its threshold's."""

    weight: npt.NDArray[np.float64]
    """Shape (n, channels, columns of the kernel)."""
    beside: npt.NDArray[np.float64]
    """Weights of a code's channels, shape (n, N)."""
    bias: npt.NDArray[np.float64]
    """Shape (n,)."""
    threshold: float
    decay: float


class Made(NamedTuple):
    """A rounded layer, and how it hears the code."""

    layer: Layer
    edge: Edge | None


class Refusal(NamedTuple):
    """A part of a model that no record can hold."""

    where: str
    """Its place in the model."""
    what: str
    why: str
    fix: str = FIX

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.why}"


def refusals(module: SequenceModel) -> list[Refusal]:
    """Return the parts of a model that no record can hold, each kind once."""
    found = []
    for kind, reason in _REASONS:
        places = [name for name, one in module.named_modules() if isinstance(one, kind)]
        if places:
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            found.append(Refusal(places[0] + more, kind.__name__, reason))
    if module.position is not None and not _is_spikes(module.position.rows):
        found.append(Refusal("position", "PositionTable", "its columns are numbers, and a layer hears spikes"))
    return found


def deploy(module: SequenceModel) -> Net:
    """Return the record of a trained model: its oscillators, first layer, body and read-out, in integers.

    Weights are rounded to 8 bits a layer after its norm is folded into them, so the record is another network than the
    trained one, close to it; what that costs is for the caller to measure. `inputs` gives what it takes.

    Raises
    ------
    UnsupportedError
        A part cannot be made of synapses and neurons; all such parts are named.
    """
    if found := refusals(module):
        raise UnsupportedError(f"The model cannot be exported. {'; '.join(map(str, found))}. {FIX}.")
    spikes = Input(num_channels=module.first.n_in * module.length, name="spikes")
    made, groups = _body(module)
    layers_, edges = [*(one.layer for one in made), _readout(module, groups)], [one.edge for one in made if one.edge]
    if not edges:
        return Net(inputs=(spikes,), layers=tuple(layers_), steps=module.spike_steps)
    inputs_ = [spikes]
    layers_[0] = dataclasses.replace(layers_[0], source=spikes.name)
    if _is_outside(module):
        inputs_.append(Input(num_channels=edges[0].synapse.num_inputs, name=CODE))
    else:
        layers_ = [_code(module), *layers_]
    return Net(inputs=tuple(inputs_), layers=tuple(layers_), edges=tuple(edges), steps=module.spike_steps)


def _body(module: SequenceModel) -> tuple[list[Made], int]:
    """Return the layers in front of the read-out, and in how many groups of channels the last one's spikes come."""
    length, width = module.length, module.readout.in_features
    made = [_layer("first", _fold(module.first), module.first.n_in, length)]
    groups = 1  # of `width` channels, whose sum is what the float model calls x
    if isinstance(module.relative, Relative):
        folded = _fold(module.relative.layer, kernel=3)
        made.append(_layer("relative", folded, width, length, relays=range(width)))
        groups = 2
    for i, part in enumerate(module.body, start=1):
        if isinstance(part, layers.Layer):
            made.append(_layer(f"rnn{i}", _tiled(_fold(part), groups), groups * width, length))
            groups = 1
            continue
        assert isinstance(part, TCNLevel)
        causal = functools.partial(_fold, kernel=part.kernel, causal=True)
        handed_on = range(groups * width)
        new = _tiled(causal(part.first), groups)
        made.append(_layer(f"tcn{i}.first", new, groups * width, length, part.dilation, handed_on))
        handed_on = range(width, (1 + groups) * width)
        new = causal(part.second)
        made.append(_layer(f"tcn{i}.second", new, (1 + groups) * width, length, part.dilation, handed_on))
        groups += 1
    return made, groups


def _is_outside(module: SequenceModel) -> bool:
    """Say whether a model has a code that is too large to be part of the network."""
    if module.position is None:
        return False
    assert module.position.params is not None
    n, heard = module.position.params.num_neurons * module.length, module.first.n_in * module.length
    return n * (heard + n) > _MOST_WEIGHTS


def _code(module: SequenceModel) -> Layer:
    """Return the layer whose neurons fire as the oscillators of their positions."""
    assert module.position is not None and module.position.params is not None
    params, heard = _of_positions(module.position.params, module.length), module.first.n_in * module.length
    n = params.num_neurons
    weight = np.concatenate([np.zeros((n, heard), np.int64), WEIGHT_STEP * np.eye(n, dtype=np.int64)], axis=1)
    neuron = CUBA(num_neurons=n, u_decay=DECAY_ONE, v_decay=DECAY_ONE, v_th_mant=1)
    return Layer(name=CODE, synapse=Dense(weight=weight), neuron=neuron, cpg=params)


def _of_positions(params: Phase, length: int) -> Phase:
    """Return the oscillators of an image whose columns are positions: those of position l tell ``p = t length + l``."""
    initial = params.initial[:, None] + params.increment[:, None].astype(np.int64) * np.arange(length)
    increment = np.repeat(params.increment.astype(np.int64) * length % TURN, length)
    start, window = (np.repeat(one.astype(np.int64), length) for one in (params.start, params.length))
    slow = slower(increment, start, window, initial.ravel())
    return Phase(num_neurons=initial.size, length=window, **slow._asdict())


def inputs(module: SequenceModel, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the encoder's spikes, shape (N, channels * L, T_s), for x (N, C, L).

    A code that is too large to be part of the network stands behind them.
    """
    made = []
    module.eval()
    outside = _is_outside(module)
    with torch.no_grad():
        for part in torch.as_tensor(np.ascontiguousarray(x)).split(_BATCH):
            spikes = module.encoder(part)
            if module.position is not None and outside:
                spikes = torch.cat([spikes, module.position().expand(-1, len(part), -1, -1)], -1)
            made.append(spikes.permute(1, 3, 2, 0).flatten(1, 2))
    return np.asarray(torch.cat(made).numpy())


def answers(module: SequenceModel, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return what the floating-point model itself answers, shape (N, outputs), for x (N, C, L)."""
    module.eval()
    with torch.no_grad():
        found = [module(part) for part in torch.as_tensor(np.ascontiguousarray(x)).split(_BATCH)]
    return np.asarray(torch.cat(found).numpy(), dtype=np.float64)


def _is_spikes(rows: torch.Tensor) -> bool:
    return bool(((rows == 0) | (rows == 1)).all())


def _fold(one: layers.Layer, kernel: int = 1, *, causal: bool = False) -> Folded:
    """Return a layer's map with its norm folded in, as a convolution centred on its position."""
    norm, cell = one.norm, one.neuron.cell
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # a norm of ours tracks them
    gain = (norm.weight / (variance + norm.eps).sqrt()).double()
    weight = (one.synapse.weight * gain[:, None]).detach().numpy()
    bias = ((one.synapse.bias - mean) * gain + norm.bias).detach().numpy()
    heard = one.n_in if isinstance(one, Coded) else one.synapse.in_features
    weight, beside = weight[:, :heard], weight[:, heard:].astype(np.float64)
    weight = weight.reshape(len(weight), kernel, -1).transpose(0, 2, 1)
    if causal:  # taps behind the position that are zero put the others before it
        weight = np.pad(weight, ((0, 0), (0, 0), (0, kernel - 1)))
    return Folded(weight, beside, bias, cell.threshold, cell.decay)


def _tiled(folded: Folded, groups: int) -> Folded:
    """Return the same map for an input that is the sum of groups of channels."""
    return folded._replace(weight=np.concatenate([folded.weight] * groups, axis=1))


def _layer(name: str, folded: Folded, channels: int, length: int, dilation: int = 1, relays: range = range(0)) -> Made:
    """Return a layer of rounded weights, with relays of some of its input channels behind its own neurons.

    A LIF neuron fires alike whatever its currents and its threshold are multiplied with together, so the factor is the
    one that uses the weights' range.
    """
    n, heard, kernel = folded.weight.shape
    limits = [
        WEIGHT_MAX / max(np.abs(folded.weight).max(), np.abs(folded.beside).max(initial=0), 1e-9),
        BIAS_MANT_MAX / max(np.abs(folded.bias).max(), 1e-9),
        (WEIGHT_MAX - 1) / folded.threshold,  # a relay's weight is above the threshold
    ]
    factor = min(limits)
    weight = np.zeros((n + len(relays), channels, 1, kernel), np.int64)
    weight[:n, :heard, 0] = WEIGHT_STEP * np.rint(folded.weight * factor / WEIGHT_STEP)
    weight[n + np.arange(len(relays)), relays, 0, kernel // 2] = WEIGHT_MAX
    bias = np.concatenate([np.rint(folded.bias * factor), np.zeros(len(relays))]).astype(np.int64)
    synapse = Conv(
        weight=weight,
        in_shape=(channels, 1, length),
        padding=(0, kernel // 2 * dilation),
        dilation=(1, dilation),
    )
    neuron = CUBA(
        num_neurons=synapse.num_neurons,
        u_decay=DECAY_ONE,
        v_decay=round((1 - folded.decay) * DECAY_ONE),
        v_th_mant=round(folded.threshold * factor),
        bias_mant=np.repeat(bias, length),
    )
    edge = None
    if folded.beside.size:
        of_code = np.zeros((len(weight), folded.beside.shape[1], 1, 1), np.int64)
        of_code[:n, :, 0, 0] = WEIGHT_STEP * np.rint(folded.beside * factor / WEIGHT_STEP)
        edge = Edge(source=CODE, target=name, synapse=Conv(weight=of_code, in_shape=(of_code.shape[1], 1, length)))
    return Made(Layer(name=name, synapse=synapse, neuron=neuron), edge)


def _readout(module: SequenceModel, groups: int) -> Layer:
    """Return the average over positions and the linear layer behind it as one layer; time sums in the register."""
    weight, bias = (one.detach().double().numpy() for one in (module.readout.weight, module.readout.bias))
    each = np.tile(weight, groups).repeat(module.length, axis=1) / module.length
    scale = min(2 ** int(np.log2(WEIGHT_MAX / max(np.abs(each).max(), 1e-9))), SCALE_MAX)
    mantissa, exp = bias * scale, 0
    while np.abs(mantissa).max() > BIAS_MANT_MAX and exp < BIAS_EXP_MAX:
        mantissa, exp = mantissa / 2, exp + 1
    return Layer(
        name="readout",
        synapse=Dense(weight=(WEIGHT_STEP * np.rint(each * scale / WEIGHT_STEP)).astype(np.int64)),
        neuron=readout.Readout(num_neurons=len(weight), bias_mant=np.rint(mantissa).astype(np.int64), bias_exp=exp),
        scale=scale,
    )

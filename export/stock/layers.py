"""Layers of files that stock lava-dl wrote -> layers of records, one function a type.

A reader takes a layer's group, its name and what was read before it, and returns that with the layer added; or it
refuses, and its caller says which layer that was. Images lie in torch's order, so a flattening is only a shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ...contract.errors import FileFormatError, UnsupportedError
from ...contract.fixed import DECAY_ONE, WEIGHT_STEP
from ...contract.net import Input, Layer, sent_exp
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.delta import Delta
from ...contract.neurons.readout import Readout
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..members import MAX_ELEMENTS, member, numbers, refuse_unknown, reserve_neurons, text
from ..parts.constants import ALWAYS, with_constant
from ..quoted import quoted
from ..refusal import refuse
from . import delays as stock_delays
from . import neurons as stock_neurons
from . import weights as stock_weights
from .neurons import Shape, whole

_UNIT = 64
"""Weight of 1.0 at SLAYER's default scale."""

MAX_NEURONS = 2**22
"""Larger layers are refused before anything is made for them: a damaged header must not exhaust the memory."""

_DENSE = {"inFeatures", "outFeatures"}
_WINDOW = ("kernelSize", "stride", "padding", "dilation")
_COMMON = {"type", "shape", "weight", "bias", "delay", "neuron"}


class Transform(NamedTuple):
    """From analog values to the current of an input layer's neurons."""

    weight: int
    bias: int

    def current(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return ``(weight * x + bias) / 64``, what the record takes, in SLAYER's units."""
        return (self.weight * np.asarray(x, np.float64) + self.bias) / _UNIT


class Preceding(NamedTuple):
    """What has been read so far."""

    layers: tuple[Layer, ...]
    shape: Shape | None
    """Of what arrives at the next layer, if it is known."""
    source: Input | None
    """What enters the network, if it is known."""
    transform: Transform | None
    clamp_delays: bool = False
    """Whether delays that are too long are cut to the longest that stock NetX takes, and not refused."""
    notes: tuple[str, ...] = ()
    """What was changed, and what else a user should know, a sentence each."""

    def exp(self) -> int:
        """Return the power of two that a payload of 1 that arrives at the next layer means."""
        return sent_exp(self.layers[-1]) if self.layers else self.source.exp if self.source else 0


def read(handle: h5py.Group, kind: str, name: str, before: Preceding) -> Preceding:
    """Add the layer of a file's group.

    Parameters
    ----------
    handle : h5py.Group
        The group.
    kind, name : str
        Its type, and its number in the file.
    before : Preceding
        What has been read so far.

    Raises
    ------
    UnsupportedError
        It cannot be run exactly.
    FileFormatError
        Something is missing, unknown, inconsistent or of the wrong kind.
    """
    if kind not in READERS:
        raise UnsupportedError(f"type is {quoted(kind)}; {_FIXES.get(kind, _UNKNOWN)}")
    return READERS[kind](handle, f"{kind}{name}", before)


def _input(handle: h5py.Group, name: str, before: Preceding) -> Preceding:
    """Read an input layer: a shape, or neurons whose current, or whose value, is given."""
    refuse_unknown(handle, _COMMON - {"delay"})
    if before.layers:
        raise FileFormatError("an input layer stands behind others.")
    shape = stated_shape(handle)
    if "neuron" not in handle.keys():
        return before._replace(shape=shape)
    kind = text(member(handle, "neuron", h5py.Group), "type")
    reserve_neurons(math.prod(shape), "shape")
    read = stock_neurons.encoder if kind == "SDNN" else stock_neurons.read
    neuron = read(handle, shape, _VALUES.exp)
    if not isinstance(neuron, CUBA | Delta):
        raise UnsupportedError(
            f"neurons of type {quoted(kind)} take no input of their own in SLAYER. Pass skip_layers=1, and feed the "
            "network what they send."
        )
    image = shape if len(shape) == 3 else (math.prod(shape), 1, 1)
    synapse = Conv(weight=np.full((image[0], 1, 1, 1), _UNIT), in_shape=image, groups=image[0])
    weight, bias = (scalar(handle, field, default) for field, default in (("weight", _UNIT), ("bias", 0)))
    layer = Layer(name=name, synapse=synapse, neuron=neuron)
    return before._replace(
        layers=(layer,), shape=shape, source=before.source or _VALUES, transform=Transform(weight, bias)
    )


def _flatten(handle: h5py.Group, name: str, before: Preceding) -> Preceding:
    refuse_unknown(handle, {"type", "shape"})
    return before._replace(shape=None if before.shape is None else (math.prod(before.shape),))


def _dense(handle: h5py.Group, name: str, before: Preceding) -> Preceding:
    refuse_unknown(handle, _COMMON | _DENSE)
    weight = stock_weights.read(handle, math.prod(stated_shape(handle)))
    synapse = Dense(weight=weight.own.reshape(len(weight.own), -1))
    return _add(handle, name, before, synapse, (len(weight.own) // weight.sums,), weight)


def _recurrent(handle: h5py.Group, name: str, before: Preceding) -> Preceding:
    refuse_unknown(handle, _COMMON | _DENSE | {"weight_rec"})
    weight = stock_weights.read(handle, math.prod(stated_shape(handle)))
    synapse = Dense(weight=weight.own.reshape(len(weight.own), -1))
    return _add(handle, name, before, synapse, (len(weight.own),), weight)


def _conv(handle: h5py.Group, name: str, before: Preceding) -> Preceding:
    refuse_unknown(handle, _COMMON | {*_WINDOW, "inChannels", "outChannels", "groups"})
    weight = stock_weights.read(handle, math.prod(stated_shape(handle)))
    if weight.own.ndim < 4 or math.prod(weight.own.shape[4:]) != 1:
        raise FileFormatError(f"weight has shape {weight.own.shape}, not (outputs, inputs, rows, columns).")
    groups, sums = scalar(handle, "groups", 1), weight.sums
    refuse({"groups": (sums > 1 and groups > 1, "complex synapses keep two weights apart. Build it with groups=1")})
    synapse = Conv(
        weight=weight.own.reshape(weight.own.shape[:4]),
        in_shape=_image(before.shape),
        stride=_pair(handle, "stride"),
        padding=_pair(handle, "padding"),
        dilation=_pair(handle, "dilation"),
        groups=groups,
    )
    return _add(handle, name, before, synapse, (synapse.out_shape[0] // sums, *synapse.out_shape[1:]), weight)


def _pool(handle: h5py.Group, name: str, before: Preceding) -> Preceding:
    """Read a pooling as the convolution of each channel by itself that it is, if no window leaves its channel."""
    refuse_unknown(handle, _COMMON | {*_WINDOW})
    channels, *size = image = _image(before.shape)
    weight = stock_weights.read(handle, math.prod(stated_shape(handle)))
    kernel, stride, padding, dilation = (_pair(handle, field) for field in _WINDOW)
    fits = all(not length % of for pair in (kernel, stride) for length, of in zip(size, pair, strict=True))
    reach = all(of * (length - 1) < step for of, length, step in zip(dilation, kernel, stride, strict=True))
    refuse(
        {
            "kernelSize": (
                not fits or not reach or any(padding) or weight.own.size != math.prod(kernel),
                f"windows of {kernel} every {stride} do not part images of {tuple(size)}, so that SLAYER lets one see "
                "two channels. Export the module with spikeproof.export_netx",
            )
        }
    )
    synapse = Conv(
        weight=np.broadcast_to(weight.own.reshape(1, 1, *kernel), (channels, 1, *kernel)),
        in_shape=image,
        stride=stride,
        dilation=dilation,
        groups=channels,
    )
    return _add(handle, name, before, synapse, synapse.out_shape, weight)


def _average(handle: h5py.Group, name: str, before: Preceding) -> Preceding:
    """Read an average as a read-out of every step: the sum of each group, of which 2 are a spike."""
    refuse_unknown(handle, {"type", "shape"})
    if not before.layers:
        raise UnsupportedError("it averages the network's input. Average before the network.")
    outputs, inputs = math.prod(stated_shape(handle)), before.layers[-1].num_neurons
    if inputs % outputs or inputs * outputs > MAX_ELEMENTS:
        raise FileFormatError(f"shape says {outputs} groups, but {inputs} neurons arrive.")
    weight = np.kron(np.eye(outputs, dtype=np.int64), np.full((1, inputs // outputs), WEIGHT_STEP))
    neuron = Readout(num_neurons=outputs, v_decay=DECAY_ONE)
    layer = Layer(name=name, synapse=Dense(weight=weight), neuron=neuron, scale=WEIGHT_STEP)
    return before._replace(layers=(*before.layers, layer), shape=(outputs,))


READERS: dict[str, Callable[[h5py.Group, str, Preceding], Preceding]] = {
    "input": _input,
    "flatten": _flatten,
    "dense": _dense,
    "dense_rec": _recurrent,
    "conv": _conv,
    "pool": _pool,
    "average": _average,
}
"""Type of a layer in a file -> its reader."""

_MODULE = "Export the module with spikeproof.export_netx, which reads the block itself"
_FIXES = {
    "convT": f"the file does not say how its edges are padded. {_MODULE}.",
    "unpool": f"the file does not say how its edges are padded. {_MODULE}.",
    "concat": "a record's layers follow each other. Export the branches as networks of their own.",
}
_UNKNOWN = f"stock NetX would leave such a layer out without a word. Known are {', '.join(READERS)}."


def _add(
    handle: h5py.Group, name: str, before: Preceding, synapse: Synapse, shape: Shape, weight: stock_weights.Weights
) -> Preceding:
    """Add a layer of these synapses, and neurons of this shape."""
    stated = stated_shape(handle)
    if math.prod(stated) != math.prod(shape) or (len(stated) == len(shape) and stated != shape):
        raise FileFormatError(f"shape is {stated}, but the weights make it {shape}.")
    reserve_neurons(math.prod(stated), "shape")
    source = before.source or _default_source(handle)
    if before.shape is not None and math.prod(before.shape) != synapse.num_inputs:
        raise FileFormatError(f"its weights take {synapse.num_inputs} inputs, but {before.shape} arrive.")
    exp = before._replace(source=source).exp()
    neuron, bias, cpg = stock_neurons.read(handle, shape, exp), stock_neurons.bias(handle, shape), None
    if weight.doubled:
        neuron = stock_weights.halving(neuron)
    feedback = None if weight.feedback is None else Dense(weight=weight.feedback.reshape(math.prod(shape), -1))
    delays = stock_delays.read(handle, synapse, shape, before.clamp_delays)
    if bias.any() and feedback is None and stock_neurons.holds_bias(neuron):
        neuron = stock_neurons.with_bias(neuron, bias, exp)
    elif bias.any():  # what arrives holds it: SLAYER's recurrent blocks keep a current without it
        refuse({"bias": (len(bias) != synapse.num_neurons, "it has no imaginary part. Train the block without a norm")})
        synapse, cpg = with_constant(synapse, bias * (1 + weight.doubled)), ALWAYS
    layer = Layer(
        name=name, synapse=synapse, neuron=neuron, axon=delays.axon, feedback=feedback, cpg=cpg, delay=delays.own
    )
    notes = (*before.notes, *(f"{name}: {note}" for note in delays.notes))
    return before._replace(layers=(*before.layers, layer), shape=shape, source=source, notes=notes)


def stated_shape(handle: h5py.Group) -> Shape:
    """Return the shape that a layer's group states."""
    values = whole("shape", np.atleast_1d(numbers(handle, "shape")))
    if values.ndim != 1 or not 1 <= values.size <= 3 or (values < 1).any():
        raise FileFormatError("shape is not one to three numbers from 1 on.")
    if math.prod(values.tolist()) > MAX_NEURONS:
        raise FileFormatError(f"shape claims {math.prod(values.tolist())} neurons; at most {MAX_NEURONS} are read.")
    return tuple(int(value) for value in values)


def _image(shape: Shape | None) -> tuple[int, int, int]:
    if shape is None:
        raise UnsupportedError("the file does not say the size of the images that enter. Pass input_shape=.")
    if len(shape) != 3:
        raise FileFormatError(f"a convolution takes images of (channels, rows, columns), but {shape} arrives.")
    return shape[0], shape[1], shape[2]


def _pair(handle: h5py.Group, name: str) -> tuple[int, int]:
    """Return one number or two, of rows and columns, as two."""
    values = whole(name, numbers(handle, name)).reshape(-1)
    if values.size not in (1, 2):
        raise FileFormatError(f"{name} holds {values.size} numbers, not two.")
    return int(values[0]), int(values[-1])


def scalar(handle: h5py.Group, name: str, default: int) -> int:
    """Return a dataset that holds one whole number, or the default if it is not there."""
    if name not in handle.keys():
        return default
    values = whole(name, numbers(handle, name))
    if values.size != 1:
        raise FileFormatError(f"{name} holds {values.size} numbers, not one.")
    return int(values.item())


_VALUES = Input(num_channels=1, bits=12, exp=-6)
"""What the neurons of an input layer receive: whole numbers of 1/64, as a bias mantissa of Loihi's is."""


def _default_source(first: h5py.Group) -> Input:
    """Return what enters a network whose first layer with synapses is `first`: spikes, or sigma-delta's payloads."""
    neuron = member(first, "neuron", h5py.Group) if "neuron" in first.keys() else None
    if neuron is not None and text(neuron, "type") == "SDNN":
        return Input(num_channels=1, bits=16, exp=stock_neurons.PAYLOAD_EXP)
    return Input(num_channels=1)

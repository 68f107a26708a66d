"""Synapses of a record <-> the datasets of a NetX layer group that hold them, by one table.

Names, shapes and orders are NetX's: images are (channel, row, column), and so are pairs (rows, columns).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ...contract.errors import FileFormatError
from ...contract.net import Layer
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..members import member, number, numbers, refuse_unknown, text, write_text
from ..quoted import quoted

_EXP, _EXP_REC = "weightExp", "weightRecExp"
"""Weight exponents of a layer's synapses and of its feedback; a file holds those that are not 0."""

_HALF = 2
"""What halved weights are divided by."""

FLATTEN = "flatten"
"""Type of a group between a convolution and a dense layer: it tells stock NetX to put the neurons in our order."""


class _Kind(NamedTuple):
    record: type[Any]
    fields: frozenset[str]
    """Datasets beside ``type``."""
    write: Callable[[h5py.Group, Any], None]
    read: Callable[[h5py.Group, npt.NDArray[Any]], Synapse]


def write(
    handle: h5py.Group,
    synapse: Synapse,
    sums: int,
    feedback: Dense | None,
    halved: bool = False,
    apart: bool = False,
) -> None:
    """Write synapses, of `sums` sums a neuron, and the type of the layer into an HDF5 group that has neither.

    Weights may be `halved`, and those of real and imaginary sums `apart`, which is how stock NetX takes complex ones.
    """
    name = _TYPES[type(synapse)] + (_RECURRENT if feedback else "")
    write_text(handle, "type", name)
    handle["shape"] = np.array(out_shape(synapse, sums))
    for each, place in ((synapse, _EXP), (feedback, _EXP_REC)):
        if each is not None and each.weight_exp:
            handle[place] = each.weight_exp
    factor = _HALF if halved else 1
    if apart:
        handle["weight/real"], handle["weight/imag"] = np.split(synapse.weight // factor, 2)
    else:
        handle["weight"] = synapse.weight // factor
    if feedback is not None:
        handle["weight_rec"] = feedback.weight // factor
    KINDS[name].write(handle, synapse)


def read(handle: h5py.Group, sums: int, halved: bool = False, apart: bool = False) -> Synapse:
    """Read the synapses that `write` wrote, of `sums` sums a neuron.

    Raises
    ------
    FileFormatError
        The type is unknown, something is missing or of the wrong kind, or the stated shape is not that of the weights.
    """
    factor = _HALF if halved else 1
    synapse = KINDS[kind(handle)].read(handle, (_apart(handle) if apart else numbers(handle, "weight")) * factor)
    stated = tuple(np.atleast_1d(numbers(handle, "shape")).tolist())
    shape = out_shape(synapse, sums)
    if stated != shape:
        raise FileFormatError(f"shape is {quoted(stated)}, but the weights make it {quoted(shape)}.")
    return synapse


def write_flatten(handle: h5py.Group, before: Conv) -> None:
    """Write the group that stands between a convolution and a dense layer."""
    write_text(handle, "type", FLATTEN)
    handle["shape"] = np.array([before.num_neurons])


def _apart(handle: h5py.Group) -> npt.NDArray[Any]:
    """Read weights of real and of imaginary sums, which lie apart."""
    group = member(handle, "weight", h5py.Group)
    refuse_unknown(group, {"real", "imag"})
    real, imag = (numbers(group, name) for name in ("real", "imag"))
    if real.ndim != 2 or real.shape != imag.shape:
        raise FileFormatError(f"weight/real has shape {real.shape}, and weight/imag {imag.shape}.")
    return np.concatenate([real, imag])


def read_feedback(handle: h5py.Group, halved: bool = False) -> Dense | None:
    """Read the recurrent synapses of a layer that has such."""
    factor = _HALF if halved else 1
    if not kind(handle).endswith(_RECURRENT):
        return None
    return Dense(weight=numbers(handle, "weight_rec") * factor, weight_exp=_exponent(handle, _EXP_REC))


def exponents(layer: Layer) -> list[int]:
    """Return the weight exponents of a layer's own synapses and of its feedback that are not 0."""
    return [each.weight_exp for each in (layer.synapse, layer.feedback) if each is not None and each.weight_exp]


def _exponent(handle: h5py.Group, place: str) -> int:
    return number(handle, place) if place in handle.keys() else 0


def kind(handle: h5py.Group) -> str:
    """Return the type of a layer group, one of `KINDS`; raises as `read` does."""
    name = text(handle, "type")
    if name not in KINDS:
        raise FileFormatError(f"type is {quoted(name)}; this version reads layers of type {', '.join(KINDS)}.")
    return name


def out_shape(synapse: Synapse, sums: int) -> tuple[int, ...]:
    """Return the shape of neurons of `sums` sums each: (neurons,), or (channels, rows, columns) of a convolution."""
    channels, *image = synapse.out_shape if isinstance(synapse, Conv) else (synapse.num_neurons,)
    return channels // sums, *image


def per_channel(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return values of neurons as NetX keeps them: one that all share, one a channel, or one a neuron."""
    if (values == values.flat[0]).all():
        return np.asarray(values.flat[0])
    of_channels = values.reshape(shape[0], -1)
    return of_channels[:, 0] if (of_channels == of_channels[:, :1]).all() else values


def bias(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return biases of neurons as stock NetX takes them: one a neuron, or one a channel of images, never a number."""
    if len(shape) == 1:
        return values
    found = per_channel(values, shape)
    return found if found.ndim else np.full(shape[0], found)


def differs_within(neuron: Any, shape: tuple[int, ...]) -> bool:
    """Whether a field of neurons that form images differs from pixel to pixel, for which stock NetX has no place."""
    values = (getattr(neuron, field.name) for field in fields(neuron))
    return len(shape) > 1 and any(isinstance(v, np.ndarray) and per_channel(v, shape).size > shape[0] for v in values)


def per_neuron(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return what `per_channel` made of values, as one value or one a neuron."""
    return np.repeat(values, math.prod(shape[1:])) if values.shape == shape[:1] else values


def _write_dense(handle: h5py.Group, synapse: Dense) -> None:
    handle["inFeatures"] = synapse.num_inputs
    handle["outFeatures"] = synapse.num_neurons


def _read_dense(handle: h5py.Group, weight: npt.NDArray[Any]) -> Dense:
    synapse = Dense(weight=weight, weight_exp=_exponent(handle, _EXP))
    stated = (number(handle, "outFeatures"), number(handle, "inFeatures"))
    if stated != synapse.weight.shape:
        raise FileFormatError(
            f"weight has shape {synapse.weight.shape}, but outFeatures, inFeatures say {quoted(stated)}."
        )
    return synapse


_CONV = {"stride": "stride", "padding": "padding", "dilation": "dilation", "groups": "groups", "in_shape": "inShape"}
"""Field of the record -> dataset. NetX infers the shape of the input, which takes the layers before."""


def _write_conv(handle: h5py.Group, synapse: Conv) -> None:
    handle["inChannels"] = synapse.in_shape[0]
    handle["outChannels"] = synapse.out_shape[0]
    handle["kernelSize"] = np.array(synapse.kernel)
    for field, name in _CONV.items():
        handle[name] = np.array(getattr(synapse, field))


def _read_conv(handle: h5py.Group, weight: npt.NDArray[Any]) -> Conv:
    values: dict[str, Any] = {field: numbers(handle, name) for field, name in _CONV.items()}
    synapse = Conv(weight=weight, **values)
    stated = (
        number(handle, "outChannels"),
        number(handle, "inChannels") // synapse.groups,
        *np.atleast_1d(numbers(handle, "kernelSize")).tolist(),
    )
    if stated != synapse.weight.shape:
        raise FileFormatError(
            f"weight has shape {synapse.weight.shape}, but outChannels, inChannels, groups, kernelSize say "
            f"{quoted(stated)}."
        )
    return synapse


_DENSE = frozenset({"shape", "weight", "inFeatures", "outFeatures", _EXP})
_CONVOLUTION = frozenset({"shape", "weight", "inChannels", "outChannels", "kernelSize", *_CONV.values()})
_RECURRENT = "_rec"
RECURRENT = frozenset({"weight_rec", _EXP_REC})
"""Datasets that a layer's synapses have and an edge's have not."""

KINDS = {
    "dense": _Kind(Dense, _DENSE, _write_dense, _read_dense),
    "conv": _Kind(Conv, _CONVOLUTION, _write_conv, _read_conv),
    "dense_rec": _Kind(Dense, _DENSE | RECURRENT, _write_dense, _read_dense),
    "conv_rec": _Kind(Conv, _CONVOLUTION | RECURRENT, _write_conv, _read_conv),
}
"""Type of a layer in a file -> the kind of its synapses. Stock NetX has no recurrent convolution."""

_TYPES: dict[type[Any], str] = {Dense: "dense", Conv: "conv"}

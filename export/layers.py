"""One layer of a record <-> one group of a NetX HDF5 file, by one table.

Names are NetX's where NetX has them. A neuron type that stock NetX does not know keeps it from loading the file,
which is meant: it must not run a network that it cannot run right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ..contract.celif import CELIF
from ..contract.cuba import CUBA
from ..contract.errors import FileFormatError
from ..contract.net import Dense, Input, Layer, Neuron
from ..contract.readout import Readout

MAX_ELEMENTS = 2**25
"""Larger datasets are refused before they are read: a damaged header must not exhaust the memory."""


class _Schema(NamedTuple):
    kind: type[Any]
    fields: dict[str, str]
    """Record field -> dataset in the group ``neuron``."""
    constants: dict[str, int]
    """Datasets that stock NetX expects with the only value that the record can mean."""


NEURONS = {
    "CELIF": _Schema(
        CELIF,
        {
            "v_decay": "vDecay",
            "th_decay": "thDecay",
            "v_th_mant": "vThMant",
            "te_exp": "teExp",
            "a_shift": "aShift",
            "bias_exp": "biasExp",
        },
        {},
    ),
    "CUBA": _Schema(
        CUBA,
        {"u_decay": "iDecay", "v_decay": "vDecay", "v_th_mant": "vThMant"},
        {"refDelay": 1, "gradedSpike": 0},
    ),
    "READOUT": _Schema(Readout, {"a_shift": "aShift", "bias_exp": "biasExp"}, {}),
}

_TYPES = {schema.kind: name for name, schema in NEURONS.items()}


def write(handle: h5py.Group, layer: Layer) -> None:
    """Write a layer into an empty HDF5 group.

    Parameters
    ----------
    handle : h5py.Group
        The group, ``layer/<index>`` in a network file.
    layer : Layer
        The record.
    """
    type_name = _TYPES[type(layer.neuron)]
    schema = NEURONS[type_name]
    _write_text(handle, "type", "dense")
    _write_text(handle, "name", layer.name)
    handle["shape"] = np.array([layer.num_neurons])
    handle["inFeatures"] = layer.num_inputs
    handle["outFeatures"] = layer.num_neurons
    handle["scale"] = layer.scale
    handle["weight"] = layer.synapse.weight
    handle["bias"] = layer.neuron.bias_mant
    neuron = handle.create_group("neuron")
    _write_text(neuron, "type", type_name)
    for field, name in schema.fields.items():
        value = np.asarray(getattr(layer.neuron, field))
        # NetX keeps a parameter that all neurons share as a scalar.
        neuron[name] = value.flat[0] if (value == value.flat[0]).all() else value
    for name, constant in schema.constants.items():
        neuron[name] = constant


def read(handle: h5py.Group) -> Layer:
    """Read the layer that `write` wrote.

    Raises
    ------
    FileFormatError
        Something is missing, unknown, of the wrong kind or out of range; the message names it within the group.
    """
    known = {"type", "name", "shape", "inFeatures", "outFeatures", "scale", "weight", "bias", "neuron"}
    _refuse_unknown(handle, known)
    if text(handle, "type") != "dense":
        raise FileFormatError(f"type is {text(handle, 'type')!r}; this version reads 'dense' layers.")
    name = text(handle, "name")
    group = member(handle, "neuron", h5py.Group)
    type_name = text(group, "type")
    if type_name not in NEURONS:
        raise FileFormatError(f"neuron/type is {type_name!r}; known are {', '.join(sorted(NEURONS))}.")
    schema = NEURONS[type_name]
    _refuse_unknown(group, {"type", *schema.fields.values(), *schema.constants})
    for key, constant in schema.constants.items():
        if number(group, key) != constant:
            raise FileFormatError(f"neuron/{key} is {number(group, key)}; only {constant} can be run exactly.")
    synapse = Dense(weight=numbers(handle, "weight"))
    num_neurons, num_inputs = synapse.weight.shape
    stated = (number(handle, "outFeatures"), number(handle, "inFeatures"), *numbers(handle, "shape").tolist())
    if stated != (num_neurons, num_inputs, num_neurons):
        raise FileFormatError(
            f"weight has shape {synapse.weight.shape}, but outFeatures, inFeatures, shape say {stated}."
        )
    neuron: Neuron = schema.kind(
        num_neurons=num_neurons,
        bias_mant=numbers(handle, "bias"),
        **{field: numbers(group, key) for field, key in schema.fields.items()},
    )
    return Layer(name=name, synapse=synapse, neuron=neuron, scale=number(handle, "scale"))


def write_input(handle: h5py.Group, record: Input) -> None:
    """Write the network's input into an empty HDF5 group; stock NetX reads its shape."""
    _write_text(handle, "type", "input")
    handle["shape"] = np.array([record.num_channels])
    handle["messageBits"] = record.bits
    handle["messageExp"] = record.exp


def read_input(handle: h5py.Group) -> Input:
    """Read the input that `write_input` wrote; raises as `read` does."""
    _refuse_unknown(handle, {"type", "shape", "messageBits", "messageExp"})
    if text(handle, "type") != "input":
        raise FileFormatError(f"type is {text(handle, 'type')!r}; the first layer must be of type 'input'.")
    shape = numbers(handle, "shape")
    if shape.shape != (1,):
        raise FileFormatError(f"shape is {shape.tolist()}; this version reads one-dimensional input.")
    return Input(num_channels=shape[0], bits=number(handle, "messageBits"), exp=number(handle, "messageExp"))


def member(handle: h5py.Group, name: str, kind: type[Any]) -> Any:
    """Return a member of a group: a hard link in this file to a group or a dataset, and nothing else.

    Raises
    ------
    FileFormatError
        It is missing, a link, or of the other kind.
    """
    if name not in handle.keys():
        raise FileFormatError(f"{name} is missing.")
    if not isinstance(handle.get(name, getlink=True), h5py.HardLink):
        raise FileFormatError(f"{name} is a link to elsewhere; links are not followed.")
    found = handle[name]
    if not isinstance(found, kind):
        raise FileFormatError(f"{name} is not a {kind.__name__.lower()}.")
    return found


def text(handle: h5py.Group, name: str) -> str:
    """Return a dataset that holds one string."""
    dataset = member(handle, name, h5py.Dataset)
    if h5py.check_string_dtype(dataset.dtype) is None or dataset.size != 1:
        raise FileFormatError(f"{name} is not one string.")
    value = np.asarray(dataset[()]).item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def numbers(handle: h5py.Group, name: str) -> npt.NDArray[Any]:
    """Return a dataset that holds numbers, of any shape; the record checks that they are integers in range."""
    dataset = member(handle, name, h5py.Dataset)
    if dataset.dtype.kind not in "iuf" or dataset.shape is None:
        raise FileFormatError(f"{name} holds {dataset.dtype}, not numbers.")
    if dataset.size > MAX_ELEMENTS:
        raise FileFormatError(f"{name} claims {dataset.size} elements; at most {MAX_ELEMENTS} are read.")
    if dataset.external or dataset.is_virtual:
        raise FileFormatError(f"{name} keeps its data in another file; links are not followed.")
    return np.asarray(dataset[()])


def number(handle: h5py.Group, name: str) -> int:
    """Return a dataset that holds one whole number."""
    value = numbers(handle, name)
    if value.shape != () or not np.isfinite(value) or value != np.trunc(value):
        raise FileFormatError(f"{name} is not one whole number.")
    return int(value)


def _write_text(handle: h5py.Group, name: str, value: str) -> None:
    handle.create_dataset(name, data=np.array([value.encode("ascii")]))


def _refuse_unknown(handle: h5py.Group, known: set[str]) -> None:
    unknown = sorted(set(handle.keys()) - known)
    if unknown:
        raise FileFormatError(f"{unknown[0]} is unknown here; known are {', '.join(sorted(known))}.")

"""One layer of a record <-> one group of a NetX HDF5 file, by one table.

Names are NetX's where NetX has them. A neuron type that stock NetX does not know keeps it from loading the file,
which is meant: it must not run a network that it cannot run right.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ..contract.adrf import ADRF
from ..contract.alif import ALIF
from ..contract.axon import Axon
from ..contract.celif import CELIF
from ..contract.cpg import Phase
from ..contract.cpg_coupled import Coupled
from ..contract.cuba import CUBA
from ..contract.errors import FileFormatError
from ..contract.net import Input, Layer
from ..contract.neurons import RULES, Neuron
from ..contract.oscillators import Oscillators
from ..contract.readout import Readout
from ..contract.rf import RF
from ..contract.rf_iz import RFIZ
from ..contract.synapse import Dense

MAX_ELEMENTS = 2**25
"""Larger datasets are refused before they are read: a damaged header must not exhaust the memory."""


class _Schema(NamedTuple):
    kind: type[Any]
    fields: dict[str, str]
    """Record field -> dataset in the group ``neuron``."""
    constants: dict[str, int]
    """Datasets that stock NetX expects with the only value that the record can mean."""


_RESONATOR = {
    "sin_decay": "sinDecay",
    "cos_decay": "cosDecay",
    "v_th_mant": "vThMant",
    "a_shift": "aShift",
    "graded": "gradedSpike",
}

_ADAPTIVE = {"th_decay": "thDecay", "ref_decay": "refDecay", "v_th_mant": "vThMant", "v_th_step": "vThStep"}

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
    "ALIF": _Schema(
        ALIF,
        {
            "u_decay": "iDecay",
            "v_decay": "vDecay",
            "a_shift": "aShift",
            "graded": "gradedSpike",
            **_ADAPTIVE,
        },
        {"refDelay": 1},
    ),
    # Stock NetX runs any type with RF in its name as a plain RF whose decays have gone through a lossy detour.
    "ADAPTIVE_RESONATOR": _Schema(
        ADRF, _RESONATOR | {"v_th_step": "vThStep", "th_decay": "thDecay", "ref_decay": "refDecay"}, {}
    ),
    "RESONATOR": _Schema(RF, _RESONATOR, {}),
    "RESONATOR_IZHIKEVICH": _Schema(RFIZ, _RESONATOR, {}),
    "READOUT": _Schema(Readout, {"a_shift": "aShift", "bias_exp": "biasExp"}, {}),
}

_WITH_CPG = "+CPG"
"""Behind the type of a neuron whose layer listens to oscillators."""

_CPG_TYPES: dict[type[Any], str] = {Phase: "CPG_PHASE", Coupled: "CPG_COUPLED"}

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
    if layer.cpg is not None:
        write_oscillators(handle.create_group("cpg"), layer.cpg)
    _write_text(handle, "name", layer.name)
    handle["shape"] = np.array([layer.num_neurons])
    handle["inFeatures"] = layer.synapse.weight.shape[1]
    handle["outFeatures"] = layer.num_neurons
    handle["scale"] = layer.scale
    handle["weight"] = layer.synapse.weight
    if "bias_mant" in _fields(schema.kind):
        params: Any = layer.neuron
        handle["bias"] = params.bias_mant
    if layer.axon is not None:
        # NetX's delays do not count the step of the synapses behind them.
        handle["delayShift"] = layer.lead
        if layer.axon.longest > layer.lead:
            handle["delay"] = layer.axon.delay - layer.lead
    neuron = handle.create_group("neuron")
    # Stock NetX would take the CPG's columns for inputs. It refuses a neuron type that it does not know.
    _write_text(neuron, "type", type_name + (_WITH_CPG if layer.cpg else ""))
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
    cpg = read_oscillators(member(handle, "cpg", h5py.Group)) if "cpg" in handle.keys() else None
    known = {"cpg", "type", "name", "shape", "inFeatures", "outFeatures", "scale", "weight", "bias", "neuron"}
    refuse_unknown(handle, known | {"delay", "delayShift"})
    if text(handle, "type") != "dense":
        raise FileFormatError(f"type is {text(handle, 'type')!r}; this version reads 'dense' layers.")
    name = text(handle, "name")
    group = member(handle, "neuron", h5py.Group)
    type_name = text(group, "type")
    if type_name.endswith(_WITH_CPG) != (cpg is not None):
        raise FileFormatError(f"neuron/type is {type_name!r}, but the layer has {'a' if cpg else 'no'} cpg.")
    type_name = type_name.removesuffix(_WITH_CPG)
    if type_name not in NEURONS:
        raise FileFormatError(f"neuron/type is {type_name!r}; known are {', '.join(sorted(NEURONS))}.")
    schema = NEURONS[type_name]
    refuse_unknown(group, {"type", *schema.fields.values(), *schema.constants})
    for key, constant in schema.constants.items():
        if number(group, key) != constant:
            raise FileFormatError(f"neuron/{key} is {number(group, key)}; only {constant} can be run exactly.")
    synapse = Dense(weight=numbers(handle, "weight"))
    num_rows, num_columns = synapse.weight.shape
    num_neurons = num_rows // RULES[schema.kind].sums
    stated = (number(handle, "outFeatures"), number(handle, "inFeatures"), *numbers(handle, "shape").tolist())
    if stated != (num_neurons, num_columns, num_neurons):
        raise FileFormatError(
            f"weight has shape {synapse.weight.shape}, but outFeatures, inFeatures, shape say {stated}."
        )
    values = {field: numbers(group, key) for field, key in schema.fields.items()}
    if "bias_mant" in _fields(schema.kind):
        values["bias_mant"] = numbers(handle, "bias")
    neuron: Neuron = schema.kind(num_neurons=num_neurons, **values)
    axon = _read_axon(handle, num_neurons)
    return Layer(name=name, synapse=synapse, neuron=neuron, scale=number(handle, "scale"), cpg=cpg, axon=axon)


def _read_axon(handle: h5py.Group, num_neurons: int) -> Axon | None:
    if "delayShift" not in handle.keys():
        if "delay" in handle.keys():
            raise FileFormatError("delay stands without delayShift, which says when its first step is taken.")
        return None
    lead = number(handle, "delayShift")
    delay = numbers(handle, "delay") if "delay" in handle.keys() else np.zeros(num_neurons, np.int64)
    axon = Axon(delay=delay + lead)
    if lead != (axon.shortest >= 1):
        raise FileFormatError(f"delayShift is {lead}, but the delays begin at {axon.shortest}.")
    return axon


def _fields(kind: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def write_oscillators(handle: h5py.Group, params: Oscillators) -> None:
    """Write oscillators into an empty HDF5 group, every field under its own name."""
    _write_text(handle, "type", _CPG_TYPES[type(params)])
    for field in dataclasses.fields(params):
        handle[field.name] = getattr(params, field.name)


def read_oscillators(handle: h5py.Group) -> Oscillators:
    """Read the oscillators that `write_oscillators` wrote; raises as `read` does."""
    kinds = {name: kind for kind, name in _CPG_TYPES.items()}
    type_name = text(handle, "type")
    if type_name not in kinds:
        raise FileFormatError(f"{handle.name}: type is {type_name!r}; known are {', '.join(sorted(kinds))}.")
    names = [field.name for field in dataclasses.fields(kinds[type_name])]
    refuse_unknown(handle, {"type", *names})
    params: Oscillators = kinds[type_name](**{name: numbers(handle, name) for name in names})
    return params


def write_input(handle: h5py.Group, record: Input) -> None:
    """Write the network's input into an empty HDF5 group; stock NetX reads its shape."""
    _write_text(handle, "type", "input")
    handle["shape"] = np.array([record.num_channels])
    handle["messageBits"] = record.bits
    handle["messageExp"] = record.exp


def read_input(handle: h5py.Group) -> Input:
    """Read the input that `write_input` wrote; raises as `read` does."""
    refuse_unknown(handle, {"type", "shape", "messageBits", "messageExp"})
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


def refuse_unknown(handle: h5py.Group, known: set[str]) -> None:
    """Raise a FileFormatError if a group holds something that is not `known`."""
    unknown = sorted(set(handle.keys()) - known)
    if unknown:
        raise FileFormatError(f"{unknown[0]} is unknown here; known are {', '.join(sorted(known))}.")

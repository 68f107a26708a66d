"""One layer of a record <-> one group of a NetX HDF5 file, by one table.

Names are NetX's where NetX has them. A neuron type that stock NetX does not know keeps it from loading the file,
which is meant: it must not run a network that it cannot run right.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import h5py
import numpy as np

from ...contract.errors import FileFormatError
from ...contract.net import Input, Layer
from ...contract.neurons import RULES, Neuron
from ...contract.neurons.adrf import ADRF
from ...contract.neurons.adrf_iz import ADRFIZ
from ...contract.neurons.alif import ALIF
from ...contract.neurons.celif import CELIF
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.delta import Delta
from ...contract.neurons.membrane import Membrane
from ...contract.neurons.readout import Readout
from ...contract.neurons.rf import RF
from ...contract.neurons.rf_iz import RFIZ
from ...contract.neurons.sigma_delta import SigmaDelta
from ...contract.sources import Oscillators
from ...contract.sources.coupled import Coupled
from ...contract.sources.phase import Phase
from ...contract.synapses.axon import Axon
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..members import member, number, numbers, refuse_unknown, reserve_neurons, text, write_text
from ..quoted import quoted
from . import synapses


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

_CUBA = {"u_decay": "iDecay", "v_decay": "vDecay", "v_th_mant": "vThMant"}

_ADAPTIVE = {"th_decay": "thDecay", "ref_decay": "refDecay", "v_th_mant": "vThMant", "v_th_step": "vThStep"}

_ADAPTIVE_RESONATOR = _RESONATOR | _ADAPTIVE

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
        _CUBA,
        {"refDelay": 1, "gradedSpike": 0},
    ),
    # Stock NetX would take these for unary spikes, and does not normalise.
    "CUBA_GRADED": _Schema(
        CUBA,
        {
            "u_decay": "iDecay",
            "v_decay": "vDecay",
            "v_th_mant": "vThMant",
            "a_shift": "aShift",
            "graded": "gradedSpike",
            "u_shift": "uShift",
        },
        {"refDelay": 1},
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
    "ADAPTIVE_RESONATOR": _Schema(ADRF, _ADAPTIVE_RESONATOR, {}),
    "ADAPTIVE_RESONATOR_IZHIKEVICH": _Schema(ADRFIZ, _ADAPTIVE_RESONATOR, {}),
    "RESONATOR": _Schema(RF, _RESONATOR, {}),
    "RESONATOR_IZHIKEVICH": _Schema(RFIZ, _RESONATOR, {}),
    "SIGMA_DELTA": _Schema(SigmaDelta, {"v_th": "vTh", "state_exp": "stateExp", "bias": "bias"}, {}),
    "DELTA": _Schema(Delta, {"v_th": "vTh", "state_exp": "stateExp"}, {}),
    "MEMBRANE": _Schema(
        Membrane, {"u_decay": "iDecay", "v_decay": "vDecay", "a_shift": "aShift", "u_shift": "uShift"}, {}
    ),
    "READOUT": _Schema(Readout, {"a_shift": "aShift", "bias_exp": "biasExp", "v_decay": "vDecay"}, {}),
}

STOCK_TYPES = frozenset({"CUBA"})
"""Types that stock NetX knows and runs; it refuses a file with another one."""

_CPG_TYPES: dict[type[Any], str] = {Phase: "CPG_PHASE", Coupled: "CPG_COUPLED"}


def write(handle: h5py.Group, layer: Layer) -> None:
    """Write a layer into an empty HDF5 group.

    Parameters
    ----------
    handle : h5py.Group
        The group, ``layer/<index>`` in a network file.
    layer : Layer
        The record.
    """
    schema = NEURONS[_schema_name(layer)]
    sums = RULES[schema.kind].sums
    shape = synapses.out_shape(layer.synapse, sums)
    synapses.write(handle, layer.synapse, sums, layer.feedback)
    if layer.cpg is not None:
        write_oscillators(handle.create_group("cpg"), layer.cpg)
    write_text(handle, "name", layer.name)
    handle["scale"] = layer.scale
    if "bias_mant" in _fields(schema.kind):
        params: Any = layer.neuron
        if isinstance(layer.synapse, Dense):
            handle["bias"] = params.bias_mant
        elif params.bias_mant.any():
            handle["bias"] = synapses.per_channel(params.bias_mant, shape)
    if layer.axon is not None:
        # NetX's delays do not count the step of the synapses behind them.
        handle["delayShift"] = layer.lead
        if layer.axon.longest > layer.lead:
            handle["delay"] = layer.axon.delay - layer.lead
    neuron = handle.create_group("neuron")
    write_text(neuron, "type", type_name(layer))
    for field, name in schema.fields.items():
        neuron[name] = synapses.per_channel(np.atleast_1d(getattr(layer.neuron, field)), shape)
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
    fields = synapses.KINDS[synapses.kind(handle)].fields
    refuse_unknown(handle, {"cpg", "type", "name", "scale", "bias", "neuron", "delay", "delayShift"} | fields)
    name = text(handle, "name")
    group = member(handle, "neuron", h5py.Group)
    stated = text(group, "type")
    type_name = stated.partition("+")[0]
    if type_name not in NEURONS:
        raise FileFormatError(f"neuron/type is {quoted(type_name)}; known are {', '.join(sorted(NEURONS))}.")
    schema = NEURONS[type_name]
    refuse_unknown(group, {"type", *schema.fields.values(), *schema.constants})
    for key, constant in schema.constants.items():
        if number(group, key) != constant:
            raise FileFormatError(f"neuron/{key} is {number(group, key)}; only {constant} can be run exactly.")
    sums = RULES[schema.kind].sums
    synapse = synapses.read(handle, sums)
    shape = synapses.out_shape(synapse, sums)
    reserve_neurons(math.prod(shape), "shape")
    values = {field: synapses.per_neuron(numbers(group, key), shape) for field, key in schema.fields.items()}
    if "bias_mant" in _fields(schema.kind) and (isinstance(synapse, Dense) or "bias" in handle.keys()):
        values["bias_mant"] = synapses.per_neuron(numbers(handle, "bias"), shape)
    neuron: Neuron = schema.kind(num_neurons=math.prod(shape), **values)
    layer = Layer(
        name=name,
        synapse=synapse,
        neuron=neuron,
        scale=number(handle, "scale"),
        cpg=cpg,
        axon=_read_axon(handle, neuron.num_neurons),
        feedback=synapses.read_feedback(handle),
    )
    expected = type_name + _suffix(layer)
    if stated != expected:
        raise FileFormatError(f"neuron/type is {quoted(stated)}; with what the layer has it is {expected!r}.")
    return layer


def type_name(layer: Layer) -> str:
    """Return the type of a layer's neurons in a file."""
    return _schema_name(layer) + _suffix(layer)


def _schema_name(layer: Layer) -> str:
    return next(name for name, schema in NEURONS.items() if _holds(schema, layer.neuron))


def _suffix(layer: Layer) -> str:
    """Return what is behind a neuron's type: what stock NetX would misread. It refuses a type that it does not know."""
    delayed = layer.axon is not None and layer.axon.longest > layer.lead
    unread = delayed and (isinstance(layer.synapse, Conv) or layer.feedback is not None)
    recurrent_conv = layer.feedback is not None and isinstance(layer.synapse, Conv)
    features = {"+CPG": layer.cpg is not None, "+DELAY": unread, "+FEEDBACK": recurrent_conv}
    return "".join(name for name, there in features.items() if there)


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


def _holds(schema: _Schema, neuron: Neuron) -> bool:
    """Whether a schema can hold a record: what it has no place for must be at its default."""
    return type(neuron) is schema.kind and all(
        getattr(neuron, field.name) == field.default
        for field in dataclasses.fields(neuron)
        if field.name not in {"num_neurons", "bias_mant", *schema.fields}
    )


def _fields(kind: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def write_oscillators(handle: h5py.Group, params: Oscillators) -> None:
    """Write oscillators into an empty HDF5 group, every field under its own name."""
    write_text(handle, "type", _CPG_TYPES[type(params)])
    for field in dataclasses.fields(params):
        handle[field.name] = getattr(params, field.name)


def read_oscillators(handle: h5py.Group) -> Oscillators:
    """Read the oscillators that `write_oscillators` wrote; raises as `read` does."""
    kinds = {name: kind for kind, name in _CPG_TYPES.items()}
    type_name = text(handle, "type")
    if type_name not in kinds:
        raise FileFormatError(f"{handle.name}: type is {quoted(type_name)}; known are {', '.join(sorted(kinds))}.")
    names = [field.name for field in dataclasses.fields(kinds[type_name])]
    refuse_unknown(handle, {"type", *names})
    params: Oscillators = kinds[type_name](**{name: numbers(handle, name) for name in names})
    return params


def write_input(handle: h5py.Group, record: Input, first: Synapse) -> None:
    """Write the input of a network with `first` synapses into an empty HDF5 group; stock NetX reads its shape."""
    write_text(handle, "type", "input")
    handle["shape"] = np.array(first.in_shape if isinstance(first, Conv) else [record.num_channels])
    handle["messageBits"] = record.bits
    handle["messageExp"] = record.exp


def read_input(handle: h5py.Group) -> Input:
    """Read the input that `write_input` wrote; raises as `read` does."""
    refuse_unknown(handle, {"type", "shape", "messageBits", "messageExp"})
    if text(handle, "type") != "input":
        raise FileFormatError(f"type is {quoted(text(handle, 'type'))}; the first layer must be of type 'input'.")
    shape = numbers(handle, "shape")
    if shape.shape not in ((1,), (3,)):
        raise FileFormatError(f"shape is {quoted(shape)}; expected one number, or channels, rows and columns.")
    return Input(num_channels=np.prod(shape), bits=number(handle, "messageBits"), exp=number(handle, "messageExp"))

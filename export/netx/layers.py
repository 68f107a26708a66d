"""One layer of a record <-> one group of a NetX HDF5 file, by what the kinds of neurons declare.

Names are NetX's where NetX has them. A neuron type that stock NetX does not know keeps it from loading the file,
which is meant: it must not run a network that it cannot run right.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import Any

import h5py
import numpy as np

from ...contract.errors import FileFormatError
from ...contract.fields import declared
from ...contract.fixed import ACCUMULATOR_SHIFT
from ...contract.net import Input, Layer
from ...contract.neurons import KINDS, Layout, Neuron
from ...contract.neurons.cuba import CUBA
from ...contract.sources import Oscillators
from ...contract.sources.coupled import Coupled
from ...contract.sources.phase import Phase
from ...contract.synapses.axon import Axon
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..members import member, number, numbers, refuse_unknown, reserve_neurons, text, write_text
from ..quoted import quoted
from . import stock_forms, synapses

_INPUT = "input"
"""What an input is called where the file does not say."""

_CPG_TYPES: dict[type[Any], str] = {Phase: "CPG_PHASE", Coupled: "CPG_COUPLED"}


def write(handle: h5py.Group, layer: Layer, has_edges: bool = False, payload: int | None = None) -> None:
    """Write a layer into an empty HDF5 group.

    Parameters
    ----------
    handle : h5py.Group
        The group, ``layer/<index>`` in a network file.
    layer : Layer
        The record.
    has_edges : bool
        Whether edges lead to it, which stock NetX knows nothing of.
    payload : int, optional
        The largest payload that arrives, if the network may lie in a form that stock NetX runs.
    """
    form = None if payload is None or is_stock(layer) else stock_forms.form_of(layer, payload)
    if isinstance(form, stock_forms.Form) and not has_edges and layer.source is None:
        _write_form(handle, layer, form)
        return
    layout, sums = _layout(layer.neuron), layer.neuron.sums
    shape = synapses.out_shape(layer.synapse, sums)
    synapses.write(handle, layer.synapse, sums, layer.feedback)
    if layer.cpg is not None:
        write_oscillators(handle.create_group("cpg"), layer.cpg)
    _write_common(handle, layer)
    if layer.delay.any():
        handle["synapseDelay"] = layer.delay
    if layer.source is not None:
        write_text(handle, "source", layer.source)
    if "bias_mant" in declared(type(layer.neuron)):
        params: Any = layer.neuron
        if isinstance(layer.synapse, Dense) or params.bias_mant.any():
            handle["bias"] = synapses.bias(params.bias_mant, shape)
    neuron = handle.create_group("neuron")
    write_text(neuron, "type", type_name(layer, has_edges))
    for field, name in _datasets(type(layer.neuron), layout).items():
        neuron[name] = synapses.per_channel(np.atleast_1d(getattr(layer.neuron, field)), shape)
    for name, constant in layout.constants.items():
        neuron[name] = constant


def _write_common(handle: h5py.Group, layer: Layer) -> None:
    """Write what does not depend on how the neurons lie."""
    write_text(handle, "name", layer.name)
    handle["scale"] = layer.scale
    if layer.axon is not None:
        # NetX's delays do not count the step of the synapses behind them.
        handle["delayShift"] = layer.lead
        if layer.axon.longest > layer.lead:
            handle["delay"] = layer.axon.delay - layer.lead


def _write_form(handle: h5py.Group, layer: Layer, form: stock_forms.Form) -> None:
    sums = layer.neuron.sums
    synapses.write(handle, layer.synapse, sums, layer.feedback, halved=stock_forms.halves(layer), apart=sums > 1)
    _write_common(handle, layer)
    stock_forms.write(handle, layer, form, synapses.out_shape(layer.synapse, sums))


def _read_form(handle: h5py.Group, group: h5py.Group) -> Layer:
    """Read the layer that `_write_form` wrote."""
    kind, _ = stock_forms.kind_of(group)
    fields = synapses.KINDS[synapses.kind(handle)].fields
    refuse_unknown(handle, {"type", "name", "scale", "bias", "neuron", "delay", "delayShift"} | fields)
    halved = kind is CUBA and number(group, "aShift") != ACCUMULATOR_SHIFT
    synapse = synapses.read(handle, kind.sums, halved=halved, apart=kind.sums > 1)
    shape = synapses.out_shape(synapse, kind.sums)
    reserve_neurons(math.prod(shape), "shape")
    neuron = kind(num_neurons=math.prod(shape), **stock_forms.read(handle, group, shape))
    # One row of delays is that of the spikes, a matrix that of the synapses.
    delay = numbers(handle, "delay") if "delay" in handle.keys() else np.int64(0)
    return Layer(
        name=text(handle, "name"),
        synapse=synapse,
        neuron=neuron,
        scale=number(handle, "scale"),
        axon=None if delay.ndim == 2 and "delayShift" not in handle.keys() else _read_axon(handle, math.prod(shape)),
        feedback=synapses.read_feedback(handle, halved=halved),
        delay=delay if delay.ndim == 2 else 0,
    )


def read(handle: h5py.Group, targets: Collection[str] = ()) -> Layer:
    """Read the layer that `write` wrote; edges lead to the layers called `targets`.

    Raises
    ------
    FileFormatError
        Something is missing, unknown, of the wrong kind or out of range; the message names it within the group.
    """
    group = member(handle, "neuron", h5py.Group)
    if stock_forms.MARK in group.keys():
        return _read_form(handle, group)
    cpg = read_oscillators(member(handle, "cpg", h5py.Group)) if "cpg" in handle.keys() else None
    fields = synapses.KINDS[synapses.kind(handle)].fields
    refuse_unknown(
        handle,
        {"cpg", "type", "name", "scale", "bias", "neuron", "delay", "delayShift", "synapseDelay", "source"} | fields,
    )
    name = text(handle, "name")
    stated = text(group, "type")
    type_name = stated.partition("+")[0]
    known = layouts()
    if type_name not in known:
        raise FileFormatError(f"neuron/type is {quoted(type_name)}; known are {', '.join(sorted(known))}.")
    kind, layout = known[type_name]
    datasets = _datasets(kind, layout)
    refuse_unknown(group, {"type", *datasets.values(), *layout.constants})
    for key, constant in layout.constants.items():
        if number(group, key) != constant:
            raise FileFormatError(f"neuron/{key} is {number(group, key)}; only {constant} can be run exactly.")
    synapse = synapses.read(handle, kind.sums)
    shape = synapses.out_shape(synapse, kind.sums)
    reserve_neurons(math.prod(shape), "shape")
    values = {field: synapses.per_neuron(numbers(group, key), shape) for field, key in datasets.items()}
    if "bias_mant" in declared(kind) and (isinstance(synapse, Dense) or "bias" in handle.keys()):
        values["bias_mant"] = synapses.per_neuron(numbers(handle, "bias"), shape)
    neuron = kind(num_neurons=math.prod(shape), **values)
    layer = Layer(
        name=name,
        synapse=synapse,
        neuron=neuron,
        scale=number(handle, "scale"),
        cpg=cpg,
        axon=_read_axon(handle, neuron.num_neurons),
        feedback=synapses.read_feedback(handle),
        delay=numbers(handle, "synapseDelay") if "synapseDelay" in handle.keys() else 0,
        source=text(handle, "source") if "source" in handle.keys() else None,
    )
    expected = type_name + _suffix(layer, name in targets)
    # Files were once written without the mark of pixels, which only keeps stock NetX from reading them.
    if stated not in (expected, expected.replace(_PIXELS, "")):
        raise FileFormatError(f"neuron/type is {quoted(stated)}; with what the layer has it is {expected!r}.")
    return layer


def type_name(layer: Layer, has_edges: bool = False) -> str:
    """Return the type of a layer's neurons in a file."""
    return _layout(layer.neuron).type + _suffix(layer, has_edges)


def layouts() -> dict[str, tuple[type[Neuron], Layout]]:
    """Return the kind of neurons and the layout that each type in a file stands for."""
    return {layout.type: (kind, layout) for kind in KINDS.values() for layout in kind.layouts}


def is_stock(layer: Layer) -> bool:
    """Return whether stock NetX knows the type of a layer's neurons in a file; it refuses a file with another one."""
    layout = _layout(layer.neuron)
    return layout.stock and type_name(layer) == layout.type


def _layout(neuron: Neuron) -> Layout:
    """Return the first layout that holds a record: what it has no place for must be at its default."""
    defaults = {field.name: field.default for field in dataclasses.fields(neuron)}
    return next(
        layout for layout in neuron.layouts if all(getattr(neuron, name) == defaults[name] for name in layout.without)
    )


def _datasets(kind: type[Neuron], layout: Layout) -> dict[str, str]:
    """Return the dataset in the group ``neuron`` that holds each field."""
    return {name: field.netx for name, field in declared(kind).items() if field.netx and name not in layout.without}


_PIXELS = "+PIXELS"


def _suffix(layer: Layer, has_edges: bool) -> str:
    """Return what is behind a neuron's type: what stock NetX would misread. It refuses a type that it does not know."""
    delayed = layer.axon is not None and layer.axon.longest > layer.lead
    unread = delayed and (isinstance(layer.synapse, Conv) or layer.feedback is not None)
    recurrent_conv = layer.feedback is not None and isinstance(layer.synapse, Conv)
    features = {"+CPG": layer.cpg is not None, "+DELAY": unread or bool(layer.delay.any()), "+FEEDBACK": recurrent_conv}
    features |= {"+SHIFT": bool(synapses.exponents(layer))}
    features |= {"+EDGES": has_edges or layer.source is not None}
    features |= {_PIXELS: synapses.differs_within(layer.neuron, layer.shape)}
    return "".join(name for name, there in features.items() if there)


def _read_axon(handle: h5py.Group, num_neurons: int) -> Axon | None:
    if "delayShift" not in handle.keys():
        if "delay" in handle.keys():
            raise FileFormatError("delay stands without delayShift, which says when its first step is taken.")
        return None
    lead = number(handle, "delayShift")
    delay = numbers(handle, "delay") if "delay" in handle.keys() else np.zeros(num_neurons, np.int64)
    if delay.ndim == 2:
        delay = np.zeros(num_neurons, np.int64)
    axon = Axon(delay=delay + lead)
    if lead != (axon.shortest >= 1):
        raise FileFormatError(f"delayShift is {lead}, but the delays begin at {axon.shortest}.")
    return axon


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


def write_input(handle: h5py.Group, record: Input, first: Synapse | None) -> None:
    """Write the input of a network with `first` synapses into an empty HDF5 group; stock NetX reads its shape."""
    write_text(handle, "type", "input")
    if record.name != _INPUT:
        write_text(handle, "name", record.name)
    handle["shape"] = np.array(first.in_shape if isinstance(first, Conv) else [record.num_channels])
    handle["messageBits"] = record.bits
    handle["messageExp"] = record.exp


def read_input(handle: h5py.Group) -> Input:
    """Read the input that `write_input` wrote; raises as `read` does."""
    refuse_unknown(handle, {"type", "name", "shape", "messageBits", "messageExp"})
    if text(handle, "type") != "input":
        raise FileFormatError(f"type is {quoted(text(handle, 'type'))}; the first layer must be of type 'input'.")
    name = text(handle, "name") if "name" in handle.keys() else _INPUT
    shape = numbers(handle, "shape")
    if shape.shape not in ((1,), (3,)):
        raise FileFormatError(f"shape is {quoted(shape)}; expected one number, or channels, rows and columns.")
    bits, exp = number(handle, "messageBits"), number(handle, "messageExp")
    return Input(num_channels=np.prod(shape), bits=bits, exp=exp, name=name)

"""Layers of a record in the form in which stock NetX runs them exactly, where there is one.

A plain CUBA layer lies as stock NetX has it anyway (`spikeproof.export.netx.layers`). The forms here write something
else than the record's numbers, which stock NetX makes the record's numbers of; each is marked by the dataset
``neuron/record``, the kind's name, which stock NetX does not read:

- CUBA whose sums are shifted by 5 bits: halved weights, which may be odd. CUBA with delays of synapses: ``delay``.
- Membranes, and read-outs that shift by 6 bits: CUBA with a threshold of ``2**17``, which no membrane exceeds.
- Sigma-delta: thresholds in units of a weight, which may be fractions. Read-outs that add up: their sigma alone.
- RF and RF-IZ: half a unit is added to sine and cosine, so that what stock NetX loses on the way through a period and
  a decay does not matter when Lava cuts the fraction off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import h5py
import numpy as np

from ...contract.errors import FileFormatError, UnsupportedError
from ...contract.fields import declared
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, STATE_MAX
from ...contract.net import Layer, Net
from ...contract.neurons import Neuron
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.neurons.readout import Readout
from ...contract.neurons.rf import RF
from ...contract.neurons.rf_iz import RFIZ
from ...contract.neurons.sigma_delta import SigmaDelta
from ...contract.synapses.conv import Conv
from ..members import numbers, refuse_unknown, text, write_text
from ..quoted import quoted
from .one_layer import HALVED_SHIFT, NEVER, OneLayer, one_layer
from .synapses import bias as in_channels
from .synapses import differs_within, exponents, per_channel, per_neuron

MARK = "record"
"""Dataset of a neuron's group that names the kind of the record; without it, a layer lies as the record has it."""

MAX_DELAY = 62
_UNIT = 2 * ACCUMULATOR_SHIFT
"""Stock NetX shifts what it reads of a sigma-delta unit by so many bits: a payload's exponent, and the state's."""
_HALF = 0.5
_RESETS = "CUBA"
"""The type of neurons that stock NetX can reset."""

Shape = tuple[int, ...]


class Form(NamedTuple):
    """How layers of a kind lie in a file."""

    type: str
    """The type of neurons for stock NetX."""
    write: Callable[[h5py.Group, Any, Shape], None]
    """Writes the neurons into their group."""
    read: Callable[[h5py.Group, Shape], dict[str, Any]]
    """Reads the fields of the record from there, but for the bias."""
    members: frozenset[str]
    """What the group holds beside the type and the mark."""
    registers: Mapping[str, str]
    """Registers that stock NetX's neurons have too, by our name -> theirs."""


def _write_cuba(group: h5py.Group, neuron: Any, shape: Shape) -> None:
    group["iDecay"], group["vDecay"] = (per_channel(v, shape) for v in (neuron.u_decay, neuron.v_decay))
    group["vThMant"] = getattr(neuron, "v_th_mant", NEVER)
    group["aShift"] = neuron.a_shift


def _read_cuba(group: h5py.Group, shape: Shape) -> dict[str, Any]:
    found = {"u_decay": numbers(group, "iDecay"), "v_decay": numbers(group, "vDecay")}
    return {name: per_neuron(values, shape) for name, values in found.items()} | {"a_shift": numbers(group, "aShift")}


def _read_spiking(group: h5py.Group, shape: Shape) -> dict[str, Any]:
    return _read_cuba(group, shape) | {"v_th_mant": numbers(group, "vThMant")}


def _write_readout(group: h5py.Group, neuron: Any, shape: Shape) -> None:
    group["iDecay"], group["vDecay"], group["vThMant"] = DECAY_ONE, neuron.v_decay, NEVER
    group["biasExp"] = neuron.bias_exp


def _read_readout(group: h5py.Group, shape: Shape) -> dict[str, Any]:
    exp = numbers(group, "biasExp")
    return {"v_decay": numbers(group, "vDecay"), "a_shift": ACCUMULATOR_SHIFT, "bias_exp": exp}


def _write_sum(group: h5py.Group, neuron: Any, shape: Shape) -> None:
    group["sigma_output"] = True
    group["vThMant"] = 0  # nothing is held back; stock NetX does not read it here
    group["biasExp"] = neuron.bias_exp


def _read_sum(group: h5py.Group, shape: Shape) -> dict[str, Any]:
    return {"bias_exp": numbers(group, "biasExp")}


def _write_sigma_delta(group: h5py.Group, neuron: Any, shape: Shape) -> None:
    write_text(group, "activation", "relu")
    group["vThMant"] = neuron.v_th[0] / 2**_UNIT


def _read_sigma_delta(group: h5py.Group, shape: Shape) -> dict[str, Any]:
    if text(group, "activation") != "relu":
        raise FileFormatError(f"activation is {quoted(text(group, 'activation'))}, not 'relu'.")
    return {"v_th": numbers(group, "vThMant") * 2.0**_UNIT}


def _write_resonator(group: h5py.Group, neuron: Any, shape: Shape) -> None:
    for name, decay in (("sinDecay", neuron.sin_decay), ("cosDecay", neuron.cos_decay)):
        group[name] = per_channel(decay, shape) + _HALF
    group["vThMant"] = neuron.v_th_mant


def _read_resonator(group: h5py.Group, shape: Shape) -> dict[str, Any]:
    decays = {"sin_decay": numbers(group, "sinDecay") - _HALF, "cos_decay": numbers(group, "cosDecay") - _HALF}
    return {k: per_neuron(v, shape) for k, v in decays.items()} | {"v_th_mant": numbers(group, "vThMant")}


_CUBA = frozenset({"iDecay", "vDecay", "vThMant", "aShift"})
_READOUT, _SUM = (
    frozenset({"iDecay", "vDecay", "vThMant", "biasExp"}),
    frozenset({"sigma_output", "vThMant", "biasExp"}),
)
_ACTIVE = frozenset({"activation", "vThMant"})
_DECAYS = frozenset({"sinDecay", "cosDecay", "vThMant"})
_UV, _SIGMA, _COMPLEX = (
    {name: name for name in names} for names in (("u", "v"), ("sigma", "act", "residue"), ("real", "imag"))
)

FORMS: dict[tuple[str, str], tuple[type[Any], Form]] = {
    (kind.__name__, form.type): (kind, form)
    for kind, form in (
        (CUBA, Form("CUBA", _write_cuba, _read_spiking, _CUBA, _UV)),
        (LeakyIntegrator, Form("CUBA", _write_cuba, _read_cuba, _CUBA, _UV)),
        (Readout, Form("CUBA", _write_readout, _read_readout, _READOUT, {"v": "v"})),
        (Readout, Form("SDNN", _write_sum, _read_sum, _SUM, {"v": "sigma"})),
        (SigmaDelta, Form("SDNN", _write_sigma_delta, _read_sigma_delta, _ACTIVE, _SIGMA)),
        (RF, Form("RF_PHASE", _write_resonator, _read_resonator, _DECAYS, _COMPLEX)),
        (RFIZ, Form("RF_IZHIKEVICH", _write_resonator, _read_resonator, _DECAYS, _COMPLEX)),
    )
}
"""The kind's name and the type for stock NetX -> the kind and the form."""


def form_of(layer: Layer, payload: int) -> Form | str:
    """Return the form of a layer that is in a row, at which payloads of up to `payload` arrive, or why it has none."""
    neuron: Any = layer.neuron
    why = _unfit_synapses(layer)
    if why:
        return why
    if isinstance(neuron, CUBA | LeakyIntegrator):
        if getattr(neuron, "graded", 0):
            return "its spikes carry payloads, and stock NetX's CUBA neurons send 1"
        if neuron.u_shift:
            return "what its membranes receive is shifted, which stock NetX does not do"
        odd = isinstance(neuron, CUBA) and neuron.a_shift == HALVED_SHIFT
        if neuron.a_shift != ACCUMULATOR_SHIFT and not odd:
            return f"its sums are shifted by {neuron.a_shift} bits, and stock NetX shifts them by {ACCUMULATOR_SHIFT}"
        return FORMS[type(neuron).__name__, "CUBA"][1]
    if isinstance(neuron, Readout):
        return _readout_form(layer, neuron, payload)
    if isinstance(neuron, SigmaDelta):
        return _sigma_delta_form(neuron)
    if isinstance(neuron, RF | RFIZ):
        if neuron.graded or neuron.a_shift != ACCUMULATOR_SHIFT:
            return "its resonators send or receive payloads, and stock NetX's do not"
        return FORMS[type(neuron).__name__, "RF_PHASE" if isinstance(neuron, RF) else "RF_IZHIKEVICH"][1]
    return f"stock NetX has no {type(neuron).__name__} neurons"


def registers_of(neuron: Neuron) -> Mapping[str, str]:
    """Return which registers of neurons that have a form stock NetX's neurons have too, by our name -> theirs."""
    forms = {form.type: form for kind, form in FORMS.values() if kind is type(neuron)}
    if len(forms) == 1:
        return next(iter(forms.values())).registers
    adds_up = isinstance(neuron, Readout) and not neuron.a_shift
    return forms["SDNN" if adds_up else "CUBA"].registers


def halves(layer: Layer) -> bool:
    """Whether the weights of a layer that has a form are halved in a file."""
    return isinstance(layer.neuron, CUBA) and layer.neuron.a_shift == HALVED_SHIFT


def write(handle: h5py.Group, layer: Layer, form: Form, shape: Shape) -> None:
    """Write the neurons of a layer, and what is said of them in the layer's group: bias and delays."""
    neuron: Any = layer.neuron
    group = handle.create_group("neuron")
    write_text(group, "type", form.type)
    write_text(group, MARK, type(neuron).__name__)
    form.write(group, neuron, shape)
    bias = getattr(neuron, "bias_mant", np.zeros(1))
    if bias.any():
        handle["bias"] = in_channels(bias, shape)
    if layer.delay.any():
        handle["delay"] = np.broadcast_to(layer.delay, layer.synapse.weight.shape)


def kind_of(group: h5py.Group) -> tuple[type[Any], Form]:
    """Return the kind and the form of the neurons in a marked group.

    Raises
    ------
    FileFormatError
        They are not known.
    """
    mark, stated = text(group, MARK), text(group, "type")
    if (mark, stated) not in FORMS:
        raise FileFormatError(
            f"neuron/record is {quoted(mark)} for neurons of type {quoted(stated)}, which is unknown."
        )
    return FORMS[mark, stated]


def read(handle: h5py.Group, group: h5py.Group, shape: Shape) -> dict[str, Any]:
    """Return the fields of the record that `write` wrote."""
    kind, form = kind_of(group)
    refuse_unknown(group, {"type", MARK} | form.members)
    values = form.read(group, shape)
    never = numbers(group, "vThMant") if "iDecay" in form.members and "v_th_mant" not in values else NEVER
    if never != NEVER:
        raise FileFormatError(f"neuron/vThMant is {quoted(never)}; neurons that never fire have {NEVER}.")
    if "bias" in handle.keys():
        if "bias_mant" not in declared(kind):
            raise FileFormatError(f"bias is unknown here: {kind.__name__} neurons of this form have none.")
        values["bias_mant"] = per_neuron(numbers(handle, "bias"), shape)
    return values


def reasons(net: Net) -> list[str]:
    """Return why stock NetX cannot load the file of a record and run it exactly, by layer; nothing if it can."""
    found = [f"{edge.label}: an edge, which stock NetX has no place for" for edge in net.edges]
    if len(net.inputs) > 1 or net.outputs:
        found.append("network: several inputs or other answers than the last layer's, which stock NetX does not have")
    for i, layer in enumerate(net.layers):
        form = form_in(net, i)
        late_bias = _bias(layer) and (not _in_a_row(net) or layer.is_late)
        if isinstance(form, str):
            found.append(f"{layer.name}: {form}")
        elif late_bias:
            found.append(f"{layer.name}: its bias and delays, by which stock NetX's bias comes at another time")
    return found


def form_in(net: Net, index: int) -> Form | str:
    """Return the form of a layer of a network, or why it has none."""
    first = net.incoming(index)[0]
    if first.source != index - 1:
        return "it does not listen to the layer before it"
    return form_of(net.layers[index], net.max_payload(first.source))


def arguments(net: Net) -> dict[str, int]:
    """Return what the constructor of stock NetX's network needs, beside the path, to run a record's file.

    A reset at the right step starts a bias with the sample, and lets samples follow each other; see `streams`.
    """
    found = {"input_message_bits": net.input.bits + 1} if net.input.bits else {}
    forms = [form_in(net, i) for i in range(len(net.layers))]
    resets = any(isinstance(form, Form) and form.type == _RESETS for form in forms)
    return found | ({"reset_interval": net.steps, "reset_offset": 1} if resets and _in_a_row(net) else {})


def streams(net: Net) -> bool:
    """Whether samples may follow each other in stock NetX, which resets CUBA neurons and no buffer of synapses."""
    forms = [form_in(net, i) for i in range(len(net.layers))]
    kept = any(layer.is_late or layer.delay.any() or layer.feedback is not None for layer in net.layers)
    return all(isinstance(form, Form) and form.type == _RESETS for form in forms) and _in_a_row(net) and not kept


def call(net: Net, path: str) -> str:
    """Return the call of stock NetX that loads the file of a record."""
    return _call(arguments(net), path)


def _call(arguments: dict[str, int], path: str) -> str:
    options = "".join(f", {name}={value}" for name, value in arguments.items())
    return f"lava.lib.dl.netx.hdf5.Network(net_config={path!r}{options})"


def told_of_graph(net: Net, path: str) -> list[str]:
    """Return how stock NetX loads the file of a graph that was written for it, and where its layers are, by line."""
    found = one_layer(net)
    lines = [f"stock NetX runs it as one layer: {_call(one_layer_arguments(found), path)}"]
    lines += [f"    {part}" for part in found.parts]
    return [*lines, f"    one sample a run, of {found.steps} steps: it does not reset all that this layer keeps"]


def one_layer_arguments(found: OneLayer) -> dict[str, int]:
    """Return what the constructor of stock NetX's network needs to run a graph as one layer."""
    return {"reset_interval": found.steps, "reset_offset": 1}


def told(net: Net, path: str) -> list[str]:
    """Return whether stock NetX can load the file of a record, a line each: how, or why not."""
    found = reasons(net)
    if found:
        return ["stock NetX cannot run it exactly:", *(f"    {reason}" for reason in found)]
    lines = [f"stock NetX runs it: {call(net, path)}"]
    if not streams(net):
        lines.append("    one sample a run: it does not reset all that these layers keep")
    if any(isinstance(layer.neuron, Readout) and not layer.neuron.a_shift for layer in net.layers):
        lines.append("    its read-out adds up without an end, and the record's stops at 24 bits")
    return lines


def require(net: Net) -> None:
    """Refuse a record that stock NetX cannot load and run exactly.

    Raises
    ------
    UnsupportedError
        It names every layer and the reason.
    """
    if not net.is_in_a_row:
        one_layer(net)
        return
    found = reasons(net)
    if found:
        raise UnsupportedError(
            f"stock NetX cannot run this network exactly. {'; '.join(found)}. Export it without --stock to run it with "
            "spikeproof."
        )


def _in_a_row(net: Net) -> bool:
    """Whether every layer works one step behind the one before, as stock NetX resets it: no axon takes that step."""
    return not any(layer.lead for layer in net.layers[:-1])


def _bias(layer: Layer) -> bool:
    return bool(np.any(getattr(layer.neuron, "bias_mant", getattr(layer.neuron, "bias", 0))))


def _unfit_synapses(layer: Layer) -> str:
    """Return why stock NetX cannot run a layer's synapses, or nothing."""
    late = layer.is_late
    plain = isinstance(layer.synapse, Conv) or layer.neuron.sums == 2
    reasons = {
        "oscillators feed it, which stock NetX does not have": layer.cpg is not None,
        "its neurons differ within a channel of their images, and stock NetX takes one value a channel": differs_within(
            layer.neuron, layer.shape
        ),
        "its sums are shifted by a weight exponent, which stock NetX does not read": bool(exponents(layer)),
        "its convolution is recurrent or of complex neurons": isinstance(layer.synapse, Conv)
        and (layer.feedback is not None or layer.neuron.sums == 2),
        "its resonators are recurrent, which stock NetX leaves out": layer.feedback is not None
        and layer.neuron.sums == 2,
        "stock NetX reads no delays of such a layer": (late or bool(layer.delay.any())) and plain,
        "stock NetX delays the feedback with the rest": (late or bool(layer.delay.any()))
        and layer.feedback is not None,
        "its spikes and its synapses are delayed, and stock NetX has one delay": late and bool(layer.delay.any()),
        f"its synapses are delayed by more than {MAX_DELAY} steps": layer.delay.max() > MAX_DELAY,
    }
    return next((why for why, there in reasons.items() if there), "")


def _readout_form(layer: Layer, neuron: Readout, payload: int) -> Form | str:
    if not neuron.a_shift and not neuron.v_decay and not neuron.bias_mant.any():
        return FORMS["Readout", "SDNN"][1]
    if neuron.a_shift != ACCUMULATOR_SHIFT or (neuron.bias_mant.any() and neuron.bias_exp != ACCUMULATOR_SHIFT):
        return f"stock NetX shifts sums and biases by {ACCUMULATOR_SHIFT} bits, and this read-out does not"
    if layer.synapse.bound(payload) << ACCUMULATOR_SHIFT > STATE_MAX:
        return "its sums can leave the 24 bits of the current that stock NetX puts before the read-out"
    return FORMS["Readout", "CUBA"][1]


def _sigma_delta_form(neuron: SigmaDelta) -> Form | str:
    if neuron.state_exp != ACCUMULATOR_SHIFT:
        return f"its payloads are {neuron.state_exp} bits coarser than its registers, and stock NetX's 6"
    if (neuron.v_th != neuron.v_th[0]).any():
        return "its thresholds differ from neuron to neuron, and stock NetX takes one a layer"
    if neuron.bias.any():
        return "stock NetX adds a bias a step before the input, and cannot reset sigma-delta units"
    return FORMS["SigmaDelta", "SDNN"][1]

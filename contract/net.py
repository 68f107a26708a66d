"""The network record: what every part of the toolkit means by "the network".

A record holds integers only. Torch modules are turned into it, files are written from it and read back to it,
and every backend runs it, so two backends that differ on the same record differ in arithmetic and in nothing else.

Time. In Lava each synapse takes one step and nothing else does: layer i works `Net.latency(i)` steps behind the input,
starts with its sample on its own local time, and is reset at the first step of the next one. Samples of
`Net.steps` steps therefore follow each other without a gap. A layer's `axon` delays its spikes in local time; where all
its delays are at least a step, the synapses behind it take that step, and the next layer is no later than this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .axon import Axon
from .celif import CELIF
from .conv import Conv
from .encoding import Driven
from .errors import InputError, RecordError
from .fixed import (
    ACCUMULATOR_SHIFT,
    TE_MAX,
    TE_MIN,
    as_integers,
    as_whole,
)
from .neurons import RULES, Neuron, max_payload
from .oscillators import Oscillators
from .record import Record
from .synapse import Dense, Synapse

SCHEMA_VERSION = 1
"""Raised whenever the meaning of a record, or of a file that holds one, changes."""

_NOTE = 2000
"""Longest note of what runs on the host."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Record):
    """What enters the network, one vector of `num_channels` a time step.

    Parameters
    ----------
    num_channels : int
        Number of input channels.
    bits : int
        0 for unary spikes (values 0 and 1); else the size of a graded spike's payload, 1..23 bits and a sign.
    exp : int
        An analog value x travels as the payload ``round(x * 2**-exp)``, -23..0; 0 unless `bits` is set.
    """

    num_channels: int
    bits: int = 0
    exp: int = 0

    def __post_init__(self) -> None:
        self._set(
            num_channels=as_whole("Input num_channels", self.num_channels, 1, 2**31 - 1),
            bits=as_whole("Input bits", self.bits, 0, 23),
            exp=as_whole("Input exp", self.exp, -23, 0),
        )
        if self.exp and not self.bits:
            raise RecordError(f"Input exp = {self.exp} with bits = 0: unary spikes carry no payload. Set bits.")

    @property
    def max_payload(self) -> int:
        """Largest magnitude of a payload."""
        return 2**self.bits - 1 if self.bits else 1

    def encode(self, x: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Return the integer payloads of analog or spike input.

        Parameters
        ----------
        x : array_like, shape (..., num_channels, steps)
            Values in SLAYER's units, images flattened. Read as float32, the precision that torch trains in, so that
            torch and the simulations round the same number (half to even).

        Returns
        -------
        ndarray of int32, shape of `x`
            ``round(x * 2**-exp)``.

        Raises
        ------
        InputError
            The shape does not fit, a value is not finite, does not fit the payload, or is not 0 or 1 where
            spikes are unary; the first such value is named.
        """
        values = np.asarray(x)
        if values.dtype.kind not in "iufb":
            raise InputError(f"Input has dtype {values.dtype}; expected numbers.")
        if values.ndim < 2 or values.shape[-2] != self.num_channels:
            raise InputError(f"Input has shape {values.shape}; expected (..., {self.num_channels} channels, steps).")
        scaled = values.astype(np.float32) * np.float32(2.0**-self.exp)
        payload = np.round(scaled)
        low = -self.max_payload if self.bits else 0
        ok = (payload >= low) & (payload <= self.max_payload) & (bool(self.bits) | (payload == scaled))
        if not ok.all():
            index = tuple(int(i) for i in np.argwhere(~ok)[0])
            allowed = (
                "it is not a number. Fix what made the input, or replace such values: np.nan_to_num(x)"
                if np.isnan(values[index])
                else f"payload round(x * 2**{-self.exp}) must lie in {low}..{self.max_payload}; rescale the input, or "
                "build the first layer with more input_bits"
                if self.bits
                else "unary spikes must be 0 or 1. For graded values give the first layer input_exp, or a stock SLAYER "
                "block input=Input(num_channels=..., bits=..., exp=...); multiply what Event.fill_tensor made by its "
                "sampling_time"
            )
            raise InputError(f"Input{list(index)} = {values[index]}: {allowed}.")
        return payload.astype(np.int32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer(Record):
    """Synapses and the neurons that they feed.

    Parameters
    ----------
    name : str
        What reports call the layer: letters, digits, ``_ . -``, unique in its network.
    synapse : Dense or Conv
        The layer's synapses.
    neuron : a record of `spikeproof.contract.neurons.RULES`
        The layer's neurons, one a row of the weight matrix; or two, for neurons with complex input: the matrix is that
        of the real parts on top of that of the imaginary parts.
    scale : int
        SLAYER's ``w_scale``, a power of two: this many weight units are 1.0.
    cpg : Phase, Coupled or None
        Oscillators whose spikes the layer sees beside its inputs: the last columns of the weight matrix are theirs.
        They start anew with every sample.
    axon : Axon or None
        Delays of the layer's spikes on their way to the next layer, or out of the network.
    feedback : Dense or None
        Recurrent synapses: what they deliver in a step is made of the layer's spikes of the step before, which no axon
        delays, and there is none in the first step of a sample.
    """

    name: str
    synapse: Synapse
    neuron: Neuron
    scale: int = 64
    cpg: Oscillators | None = None
    axon: Axon | None = None
    feedback: Dense | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise RecordError(f"Layer name {self.name!r}: use up to 64 letters, digits, '_', '.' and '-'.")
        scale = as_whole(f"layer {self.name!r}: scale", self.scale, 1, 2**20)
        if scale & (scale - 1):
            raise RecordError(f"layer {self.name!r}: scale = {scale} is not a power of two.")
        if type(self.neuron) not in RULES:
            raise RecordError(f"layer {self.name!r}: {type(self.neuron).__name__} is no kind of neuron.")
        if self.synapse.num_neurons != self.num_sums:
            raise RecordError(
                f"layer {self.name!r}: synapses feed {self.synapse.num_neurons} neurons, but there are "
                f"{self.num_neurons}{' with complex input, which take two each' * (self.num_sums > self.num_neurons)}."
            )
        if self.cpg is not None and isinstance(self.synapse, Conv):
            raise RecordError(
                f"layer {self.name!r}: a convolution has no channels for oscillators; use dense synapses."
            )
        if self.cpg is not None and self.num_inputs < 1:
            raise RecordError(
                f"layer {self.name!r}: synapses have {self.synapse.num_inputs} inputs for {self.cpg.num_neurons} CPG "
                "channels and at least one input."
            )
        if self.axon is not None and (not RULES[type(self.neuron)].fires or self.axon.num_neurons != self.num_neurons):
            raise RecordError(
                f"layer {self.name!r}: its axon delays {self.axon.num_neurons} neurons, but {self.num_neurons} "
                f"{'fire' if RULES[type(self.neuron)].fires else 'never fire'}."
            )
        around = (self.num_neurons, self.num_sums)
        if self.feedback is not None and (self.feedback.num_inputs, self.feedback.num_neurons) != around:
            raise RecordError(
                f"layer {self.name!r}: feedback has shape {self.feedback.weight.shape} for {self.num_neurons} neurons."
            )
        if self.feedback is not None and max_payload(self.neuron) > 1:
            raise RecordError(f"layer {self.name!r}: feedback carries unary spikes, and its neurons send graded ones.")
        self._set(scale=scale)

    @property
    def lead(self) -> int:
        """1 if the next layer's synapses take the first step of every delay of this layer's spikes, else 0."""
        return int(self.axon is not None and self.axon.shortest >= 1)

    @property
    def num_inputs(self) -> int:
        """Number of inputs, the CPG's channels not among them."""
        return self.synapse.num_inputs - (self.cpg.num_neurons if self.cpg else 0)

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return self.neuron.num_neurons

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the neurons: (channels, rows, columns) behind a convolution, else (neurons,)."""
        if not isinstance(self.synapse, Conv):
            return (self.num_neurons,)
        channels, rows, columns = self.synapse.out_shape
        return channels // RULES[type(self.neuron)].sums, rows, columns

    @property
    def num_sums(self) -> int:
        """Number of dendritic sums: one a neuron, or two for complex input."""
        return self.num_neurons * RULES[type(self.neuron)].sums


@dataclass(frozen=True, kw_only=True, eq=False)
class Net(Record):
    """A network: layers in a row, the sample period and the shared temporal encoding.

    Parameters
    ----------
    input : Input
        What enters the first layer.
    layers : tuple of Layer
        In order; neurons that never fire may only come last.
    steps : int
        Sample period in time steps, at least 1.
    te : array_like of int, shape (te_steps, neurons), Driven, or None
        Temporal encoding. A table, -128..127, kept as int8: row t serves the t-th step of a sample, and past the last
        row it wraps. Or an encoding that oscillators drive. A CE-LIF layer of n neurons uses the first n columns. None
        if there is no CE-LIF layer.
    host_before, host_after : str
        Notes of what the trained module does in front of the network and behind it, which is no part of it. Nothing
        reads them but people.

    Raises
    ------
    RecordError
        The layers do not chain, a name stands twice, the encoding is missing, narrow or unused, or a dendritic
        sum could leave the register that Lava keeps it in.
    """

    input: Input
    layers: tuple[Layer, ...]
    steps: int
    te: Any = None
    host_before: str = ""
    host_after: str = ""

    def __post_init__(self) -> None:
        for name in ("host_before", "host_after"):
            note = getattr(self, name)
            if not isinstance(note, str) or not note.isprintable():
                raise RecordError(f"{name} is no line of printable text.")
            self._set(**{name: note if len(note) <= _NOTE else note[: _NOTE - 4] + " ..."})
        self._set(layers=tuple(self.layers), steps=as_whole("Net steps", self.steps, 1, 2**31 - 1))
        if not self.layers:
            raise RecordError("A network needs at least one layer.")
        self._check_chain()
        self._check_encoding()
        self._check_sums()

    def _check_chain(self) -> None:
        width, source = self.input.num_channels, "the input"
        seen: set[str] = set()
        for i, layer in enumerate(self.layers):
            if layer.name in seen:
                raise RecordError(f"Two layers are called {layer.name!r}; names must differ.")
            if layer.num_inputs != width:
                raise RecordError(f"layer {layer.name!r} takes {layer.num_inputs} inputs, but {source} has {width}.")
            images = self.layers[i - 1].shape if i else ()
            if isinstance(layer.synapse, Conv) and len(images) == 3 and images != layer.synapse.in_shape:
                raise RecordError(
                    f"layer {layer.name!r} takes images of shape {layer.synapse.in_shape}, but {source} has {images}."
                )
            if not RULES[type(layer.neuron)].fires and i + 1 < len(self.layers):
                raise RecordError(f"layer {layer.name!r} is a read-out, which never fires, so it must be the last.")
            seen.add(layer.name)
            width, source = layer.num_neurons, f"layer {layer.name!r}"

    def _check_encoding(self) -> None:
        widths = [layer.num_neurons for layer in self.layers if isinstance(layer.neuron, CELIF)]
        if self.te is None:
            if widths:
                raise RecordError("The network has CE-LIF layers but no temporal encoding te.")
            return
        if not widths:
            raise RecordError("The network has a temporal encoding te but no CE-LIF layer to use it.")
        if isinstance(self.te, Driven):
            columns = self.te.num_neurons
        else:
            te = as_integers("te", self.te, np.int8, TE_MIN, TE_MAX)
            if te.ndim != 2 or not te.size:
                raise RecordError(f"te: shape {te.shape} is not (steps, neurons).")
            columns = te.shape[1]
            self._set(te=te)
        if max(widths) > columns:
            raise RecordError(f"te has {columns} columns, but a CE-LIF layer has {max(widths)} neurons.")

    def _check_sums(self) -> None:
        if self.layers[0].cpg is not None and self.cpg_payload(0) > self.input.max_payload:
            raise RecordError(
                f"A CPG spike is worth a payload of {self.cpg_payload(0)} beside the input, which has "
                f"{self.input.bits} bits. Give the input more bits."
            )
        for i, (layer, bound) in enumerate(zip(self.layers, self.sum_bounds(), strict=True)):
            # Registers as payloads have a worst case far from any real one; their sums wrap as Lava's port does.
            bits = layer.synapse.port_bits
            if bound >= 2 ** (bits - 1) and (i == 0 or self.payload_exp(i) == 0):
                raise RecordError(
                    f"layer {layer.name!r}: its dendritic sums can reach {bound}, and Lava's {bits}-bit port holds "
                    f"less than {2 ** (bits - 1)}. Use fewer inputs, smaller weights or fewer input bits."
                )

    def sum_bounds(self) -> tuple[int, ...]:
        """Return, for each layer, the largest magnitude that a dendritic sum can reach."""
        return tuple(
            layer.synapse.bound(payload) + (layer.feedback.bound(1) if layer.feedback else 0)
            for layer, payload in zip(self.layers, self.payload_bounds(), strict=True)
        )

    def payload_bounds(self) -> tuple[int, ...]:
        """Return, for each layer, the largest magnitude of a payload that can reach it."""
        first = max(self.input.max_payload, self.cpg_payload(0))
        return first, *(max_payload(layer.neuron) for layer in self.layers[:-1])

    def latency(self, index: int) -> int:
        """Return by how many steps layer `index` works behind the input.

        One for each synapse up to it that does not take the first step of an axon's delays.
        """
        return index + 1 - sum(layer.lead for layer in self.layers[:index])

    def cpg_payload(self, index: int) -> int:
        """Return what a CPG spike carries into layer `index`: 1.0 in the units of the layer's other inputs."""
        return int(2.0 ** -self.payload_exp(index))

    def payload_exp(self, index: int) -> int:
        """Return the power of two that a payload of 1 that arrives at layer `index` means in SLAYER's units."""
        return sent_exp(self.layers[index - 1]) if index else self.input.exp

    def encoding(self, steps: int) -> npt.NDArray[Any]:
        """Return the temporal encoding of a sample's first `steps` steps, int8 of shape (steps, neurons).

        Raises
        ------
        RecordError
            The network has none.
        """
        if self.te is None:
            raise RecordError("The network has no temporal encoding.")
        if isinstance(self.te, Driven):
            return self.te.rows(steps)
        table: npt.NDArray[Any] = self.te[np.arange(steps) % len(self.te)]
        return table

    @property
    def readout(self) -> Layer | None:
        """The read-out layer, or None if the network ends in spikes."""
        last = self.layers[-1]
        return None if RULES[type(last.neuron)].fires else last


def sent_exp(layer: Layer) -> int:
    """Return the power of two that a payload of 1 that a layer sends means in SLAYER's units.

    A unary spike is 1.0. Graded spikes are in the units of SLAYER's states, ``1 / (64 * scale)``.
    """
    return 0 if max_payload(layer.neuron) == 1 else 1 - layer.scale.bit_length() - ACCUMULATOR_SHIFT

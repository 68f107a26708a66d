"""The network record: what every part of the toolkit means by "the network".

A record holds integers only. Torch modules are turned into it, files are written from it and read back to it,
and every backend runs it, so two backends that differ on the same record differ in arithmetic and in nothing else.

Time. In Lava each synapse takes one step and nothing else does: layer i works `Net.latency(i)` steps behind the input,
starts with its sample on its own local time, and is reset at the first step of the next one. Samples of
`Net.steps` steps therefore follow each other without a gap. A layer's `axon` delays its spikes in local time; where all
its delays are at least a step, the synapses behind it take that step, and the next layer is no later than this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import TE_MAX, TE_MIN, as_integers, as_whole
from ..record import Record
from ..sources.driven import Driven
from ..synapses.conv import Conv
from .input import Input
from .layer import Layer, sent_exp

DEFAULT_STEPS = 100
"""Sample period where neither a file nor the user says one."""

SCHEMA_VERSION = 1
"""Raised whenever the meaning of a record, or of a file that holds one, changes."""

_NOTE = 2000
"""Longest note of what runs on the host."""


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
            if not layer.neuron.fires and i + 1 < len(self.layers):
                raise RecordError(f"layer {layer.name!r} is a read-out, which never fires, so it must be the last.")
            seen.add(layer.name)
            width, source = layer.num_neurons, f"layer {layer.name!r}"

    def _check_encoding(self) -> None:
        widths = [layer.num_neurons for layer in self.layers if layer.neuron.takes_te]
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
        return first, *(layer.neuron.max_payload for layer in self.layers[:-1])

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
        return None if last.neuron.fires else last

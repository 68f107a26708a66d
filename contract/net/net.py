"""The network record: what every part of the toolkit means by "the network".

A record holds integers only. Torch modules are turned into it, files are written from it and read back to it,
and every backend runs it, so two backends that differ on the same record differ in arithmetic and in nothing else.

A network is a graph. A layer has synapses of its own, which listen to the layer before it, or to what `Layer.source`
names; every further way by which spikes reach a layer is one of the network's edges: a skip, a branch, a way back. A
layer's dendritic sum is the sum over all of them. A chain of layers has no edges.

Time. In Lava each synapse takes one step and nothing else does: layer i works `Net.latency(i)` steps behind the input,
starts with its sample on its own local time, and is reset at the first step of the next one. Samples of
`Net.steps` steps therefore follow each other without a gap. See `spikeproof.contract.net.graph`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, RecordError
from ..fixed import TE_MAX, TE_MIN, as_integers, as_whole
from ..record import Record
from ..sources.driven import Driven
from .edge import Edge
from .graph import Incoming, groups, incoming, latencies
from .input import Input
from .layer import Layer, sent_exp

DEFAULT_STEPS = 100
"""Sample period where neither a file nor the user says one."""

SCHEMA_VERSION = 2
"""Raised whenever the meaning of a record, or of a file that holds one, changes."""

drawn_by: Callable[[Net], str] | None = None
"""What makes the HTML that a notebook shows of a network; set from above, since nothing here can draw."""

_SHOWN = 8
"""So many layers are named where a network is printed."""

_NOTE = 2000
"""Longest note of what runs on the host."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Net(Record):
    """A network: its inputs, layers and edges, the sample period and the shared temporal encoding.

    Parameters
    ----------
    inputs : tuple of Input
        What enters the network, at least one. A payload holds their channels one after the other.
    layers : tuple of Layer
        Neurons that never fire feed no other layer.
    edges : tuple of Edge
        By which ways spikes reach a layer beside its own synapses.
    outputs : tuple of str
        The names of the layers that the network answers with, the first of which is its main answer. None named: the
        last layer.
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
        Layers do not fit each other, a name stands twice, a cycle of edges has too little delay, the encoding is
        missing, narrow or unused, or a dendritic sum could leave the register that Lava keeps it in. Sums of a layer
        of graded payloads that a layer sends to as well, itself say, are not checked: they wrap, as Lava's do.
    """

    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    steps: int
    edges: tuple[Edge, ...] = ()
    outputs: tuple[str, ...] = ()
    te: Any = None
    host_before: str = ""
    host_after: str = ""

    def __repr__(self) -> str:
        kinds = ", ".join(
            f"{layer.name} {type(layer.neuron).__name__} {layer.num_neurons}" for layer in self.layers[:_SHOWN]
        )
        more = ", ..." if len(self.layers) > _SHOWN else ""
        edges = f", edges: {len(self.edges)}" if self.edges else ""
        channels = sum(source.num_channels for source in self.inputs)
        return f"Net(channels: {channels}, layers: {kinds}{more}{edges}, steps: {self.steps})"

    def _repr_html_(self) -> str | None:
        return None if drawn_by is None else drawn_by(self)

    def __post_init__(self) -> None:
        for name in ("host_before", "host_after"):
            note = getattr(self, name)
            if not isinstance(note, str) or not note.isprintable():
                raise RecordError(f"{name} is no line of printable text.")
            self._set(**{name: note if len(note) <= _NOTE else note[: _NOTE - 4] + " ..."})
        self._set(steps=as_whole("Net steps", self.steps, 1, 2**31 - 1))
        self._set(inputs=tuple(self.inputs), layers=tuple(self.layers), edges=tuple(self.edges))
        if not self.inputs or not self.layers:
            raise RecordError("A network needs at least one input and at least one layer.")
        self._check_outputs()
        self.latencies  # noqa: B018  (layers and edges must fit each other, and cycles have delay enough)
        self._check_encoding()
        self._check_sums()

    def _check_outputs(self) -> None:
        names = [layer.name for layer in self.layers]
        outputs = tuple(self.outputs)
        for name in outputs:
            if name not in names or outputs.count(name) > 1:
                raise RecordError(f"output {name!r} must be one of {', '.join(names)}, and stand once.")
        self._set(outputs=() if outputs == (names[-1],) else outputs)

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
        for i, layer in enumerate(self.layers):
            ways = self.incoming(i)
            most = max(self.max_payload(each.source) for each in ways)
            if layer.cpg is not None and self.cpg_payload(i) > most and self._from_inputs(i):
                raise RecordError(
                    f"A CPG spike is worth a payload of {self.cpg_payload(i)} beside the input, which has "
                    f"{max(source.bits for source in self.inputs)} bits. Give the input more bits."
                )
            # Payloads of layers have a worst case far from any real one; sums with them wrap as Lava's port does.
            if self._from_inputs(i) or self.payload_exp(i) == 0:
                self._check_bounds(i)

    def _from_inputs(self, index: int) -> bool:
        return all(each.source < 0 for each in self.incoming(index))

    def _check_bounds(self, index: int) -> None:
        layer = self.layers[index]
        bits = [each.synapse.port_bits for each in self.incoming(index)]
        for bound, width in (*zip(self.way_bounds(index), bits, strict=True), (sum(self.way_bounds(index)), 32)):
            if bound >= 2 ** (width - 1):
                raise RecordError(
                    f"layer {layer.name!r}: its dendritic sums can reach {bound}, and Lava's {width}-bit port holds "
                    f"less than {2 ** (width - 1)}. Use fewer inputs, smaller weights or fewer input bits."
                )

    def _main_payload(self, index: int) -> int:
        """Return the largest magnitude of a payload at a layer's own synapses, oscillators among them."""
        cpg = self.cpg_payload(index) if self.layers[index].cpg is not None else 1
        return max(self.max_payload(self.incoming(index)[0].source), cpg)

    @cached_property
    def _incoming(self) -> list[tuple[Incoming, ...]]:
        return incoming(self.inputs, self.layers, self.edges)

    def incoming(self, index: int) -> tuple[Incoming, ...]:
        """Return all ways by which spikes reach layer `index`: its own synapses first, its feedback, its edges."""
        return self._incoming[index]

    @cached_property
    def latencies(self) -> tuple[int, ...]:
        """By how many steps each layer works behind the input."""
        return latencies(self._incoming, [layer.name for layer in self.layers])

    def latency(self, index: int) -> int:
        """Return by how many steps layer `index` works behind the input."""
        return self.latencies[index]

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Layers in an order in which they can run; those that feed each other in circles in one group."""
        return groups(self._incoming)

    def sum_bounds(self) -> tuple[int, ...]:
        """Return, for each layer, the largest magnitude that a dendritic sum can reach."""
        return tuple(sum(self.way_bounds(i)) for i in range(len(self.layers)))

    def way_bounds(self, index: int) -> tuple[int, ...]:
        """Return the largest magnitude that each incoming way adds to a sum of layer `index`.

        What its oscillators add is part of the first.
        """
        others = self.incoming(index)[1:]
        own = self.layers[index].synapse.bound(self._main_payload(index))
        return own, *(each.synapse.bound(self.max_payload(each.source)) for each in others)

    def max_payload(self, source: int) -> int:
        """Return the largest magnitude of a payload that layer `source` sends, or input k as -1 - k."""
        return self.layers[source].neuron.max_payload if source >= 0 else self.inputs[-1 - source].max_payload

    def sent_exp(self, source: int) -> int:
        """Return the power of two that a payload of 1 means that layer `source` sends, or input k as -1 - k."""
        return sent_exp(self.layers[source]) if source >= 0 else self.inputs[-1 - source].exp

    def cpg_payload(self, index: int) -> int:
        """Return what a CPG spike carries into layer `index`: 1.0 in the units of the layer's other inputs."""
        return int(2.0 ** -self.payload_exp(index))

    def payload_exp(self, index: int) -> int:
        """Return the power of two that a payload of 1 that arrives at layer `index` means in SLAYER's units.

        That of what its own synapses receive.
        """
        return self.sent_exp(self.incoming(index)[0].source)

    @property
    def input(self) -> Input:
        """The first input, which is the only one of most networks."""
        return self.inputs[0]

    @property
    def num_channels(self) -> int:
        """Channels of all inputs."""
        return sum(source.num_channels for source in self.inputs)

    def channels(self, index: int) -> slice:
        """Return which channels of a payload are those of input `index`."""
        begin = sum(source.num_channels for source in self.inputs[:index])
        return slice(begin, begin + self.inputs[index].num_channels)

    def encode(self, x: npt.ArrayLike | Sequence[npt.ArrayLike]) -> npt.NDArray[np.int32]:
        """Return the payloads of input, see `Input.encode`, shape (..., num_channels, steps).

        Parameters
        ----------
        x : array_like, shape (..., num_channels, steps), or a sequence with one an input
            Values in SLAYER's units.
        """
        if len(self.inputs) == 1:
            return self.input.encode(x)  # type: ignore[arg-type]
        if isinstance(x, np.ndarray):
            if x.ndim < 2 or x.shape[-2] != self.num_channels:
                raise InputError(f"Input has shape {x.shape}; expected (..., {self.num_channels} channels, steps).")
            x = [x[..., self.channels(k), :] for k in range(len(self.inputs))]
        if len(x) != len(self.inputs):  # type: ignore[arg-type]
            raise InputError(f"Got {len(x)} inputs for a network with {len(self.inputs)}.")  # type: ignore[arg-type]
        parts = [source.encode(each) for source, each in zip(self.inputs, x, strict=True)]  # type: ignore[arg-type]
        return np.concatenate(parts, axis=-2)

    @property
    def is_chain(self) -> bool:
        """Whether the layers are in a row and delays are those of axons alone."""
        return self.is_in_a_row and not any(layer.delay.any() for layer in self.layers)

    @property
    def is_in_a_row(self) -> bool:
        """Whether the layers are in a row, from one input to an answer that is the last layer's."""
        in_a_row = all(self.incoming(i)[0].source == i - 1 for i in range(len(self.layers)))
        return in_a_row and not self.outputs and not self.edges and len(self.inputs) == 1

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
    def answers(self) -> tuple[str, ...]:
        """The names of the layers that the network answers with."""
        return self.outputs or (self.layers[-1].name,)

    @property
    def output(self) -> Layer:
        """The layer of the main answer."""
        return self.layers[self.index(self.answers[0])]

    def index(self, name: str) -> int:
        """Return which layer is called `name`; an InputError if there is none."""
        found = [i for i, layer in enumerate(self.layers) if layer.name == name]
        if not found:
            raise InputError(
                f"No layer is called {name!r}; there are {', '.join(layer.name for layer in self.layers)}."
            )
        return found[0]

    @property
    def readout(self) -> Layer | None:
        """The read-out of the main answer, or None if that is spikes."""
        return None if self.output.neuron.fires else self.output

"""The layers of a recorded forward pass and their calls: blocks, and neurons with the synapses in front of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ...contract.errors import UnsupportedError
from ..parts.pair import Pair
from .edges import Edge
from .host import plain_word
from .place import Place
from .provenance import INPUT, LeafCall, Recorder, Value, tensors_in


class Entry(NamedTuple):
    """One call of a layer."""

    part: Any
    key: tuple[int, ...]
    receives: int
    returns: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A block, or a pair of synapses and neurons, of a forward pass."""

    part: Any
    """The block, or a `Pair`."""
    name: str
    """What it is called in the user's module."""
    place: Place
    """Where it is called."""
    calls: tuple[int, ...]
    """The calls of leaves that return its output: one, or one a step of a loop over time."""
    receives: tuple[int, ...]
    """The calls that receive its input: the same, or those of its synapses."""
    edges: tuple[Edge, ...]
    """What it receives, one edge a source; sources are places in the list of layers."""
    joins: Place | None
    """The last operation in front of it."""
    joined_by: str
    """What that does."""
    received: torch.Tensor
    """Its input in the recorded run, over all steps."""
    output: torch.Tensor
    """Its output in the recorded run, over all steps."""
    chunks: tuple[int, ...]
    """Steps of each call's output."""
    run: Callable[[torch.Tensor], Any]
    """Computes what it puts out of what it receives."""

    def split(self, output: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return an output over all steps as what each call returns."""
        return (output,) if len(self.calls) == 1 else torch.split(output, list(self.chunks), dim=-1)  # type: ignore[no-untyped-call]

    @property
    def looped(self) -> bool:
        """Whether a loop over time calls it."""
        return len(self.calls) > 1


class Port(NamedTuple):
    """An input of the network."""

    argument: int | None
    """Which argument of the module it is, as it is; None for what the host makes."""
    layer: int
    """A layer that receives what the host makes."""
    shape: tuple[int, ...]
    """Shape of what enters, without samples and steps."""


def entries_of(recorder: Recorder, names: Mapping[int, str]) -> list[Entry]:
    """Return the calls of layers: blocks, and neurons with the synapses in front of them."""
    entries = []
    for number, call in enumerate(recorder.calls):
        if call.role == "block":
            entries.append(Entry(call.part, (id(call.part),), number, number))
        elif call.role == "neuron":
            synapse = _synapse_of(recorder, number, names)
            part = recorder.calls[synapse].part
            with_synapses = getattr(call.part, "with_synapses", None)
            pair = Pair(part, call.part) if with_synapses is None else with_synapses(part)
            entries.append(Entry(pair, (id(part), id(call.part)), synapse, number))
    return entries


def _synapse_of(recorder: Recorder, number: int, names: Mapping[int, str]) -> int:
    """Return the call of the synapses whose sums, and nothing else, arrive at neurons."""
    call = recorder.calls[number]
    sources = {value.event.call if value is not None and value.event.is_root else None for value in call.arrived}
    found = next(iter(sources)) if len(sources) == 1 else None
    if found is not None and recorder.calls[found].role == "synapse":
        return found
    name = call_name(call, names)
    made = next((value.event for value in call.arrived if value is not None and not value.event.is_root), None)
    behind = [i for i, other in enumerate(recorder.calls) if made is not None and made.roots >> (i + 1) & 1]
    synapses = [i for i in behind if recorder.calls[i].role == "synapse"]
    if made is not None and len(synapses) > 1:
        raise UnsupportedError(
            f"{made.place}: {plain_word(made)} joins the sums of {len(synapses)} synapses in front of the neurons "
            f"{name}. Give the neurons one synapse, and let it receive the spikes of all, added or joined."
        )
    if made is not None and synapses:
        raise UnsupportedError(
            f"{made.place}: {plain_word(made)} stands between the synapses and the neurons {name}. Loihi's neurons "
            "receive sums of weights and nothing else; leave it out, or put it into the weights or a norm."
        )
    raise UnsupportedError(
        f"{call.place}: the neurons {name} are called without synapses in front of them. Put a block there, or "
        "synapses."
    )


def call_name(call: LeafCall, names: Mapping[int, str]) -> str:
    """Return what a leaf is called in messages."""
    return repr(names.get(id(call.part)) or type(call.part).__name__)


def refuse_branches(recorder: Recorder, entries: Sequence[Entry]) -> None:
    """Refuse a forward pass that decides by spikes, if blocks are called after that."""
    last = max(entry.receives for entry in entries)
    before = recorder.calls[last].reads_before
    for read in recorder.reads[:before]:
        if read.roots > INPUT and read.name == "__bool__":
            raise UnsupportedError(
                f"{read.place}: forward branches on spikes and calls blocks after it. A chip runs all layers always: "
                "leave the condition out."
            )


def used_calls(recorder: Recorder, entries: Sequence[Entry], answers: Sequence[Value | None] | None) -> set[int]:
    """Return the calls of layers on whose outputs another layer's input or the module's answer depends."""
    if answers is None or any(value is None for value in answers) or not answers:
        # Part of the answer is not known, or it is no tensor: whether it depends on the blocks, a replay shows.
        return {entry.returns for entry in entries}
    bits = 0
    for value in answers:
        bits |= value.roots if value is not None else 0
    for read in recorder.reads:
        bits |= read.roots
    returns = {entry.returns for entry in entries}
    used: set[int] = set()
    for number in reversed(range(len(recorder.calls))):
        if bits >> (number + 1) & 1:
            used |= {number} & returns
            for value in recorder.calls[number].arrived:
                bits |= value.roots if value is not None else 0
    # What no torch operation connects may go another way: then nothing is left out.
    outside = any(recorder.calls[entry.receives].arrived == (None,) for entry in entries)
    return returns if outside else used


def is_unary(part: Any, call: LeafCall) -> bool:
    """Whether a layer only ever puts out 0 and 1."""
    neuron = getattr(part, "neuron", None)
    graded = getattr(neuron, "graded_spike", False) or type(neuron).__module__.endswith("sigma_delta")
    output = next(tensors_in(call.output))
    return not graded and bool(((output == 0) | (output == 1)).all())


def over_time(chunks: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return what several calls of a layer receive or return, one after the other, as one tensor over all steps."""
    return chunks[0] if len(chunks) == 1 else torch.cat(list(chunks), dim=-1)

"""The calls of layers in a recorded forward pass: blocks, and neurons with the synapses in front of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...contract.errors import UnsupportedError
from ..parts.pair import Pair
from .host import plain_word
from .provenance import INPUT, LeafCall, Recorder, Value


class Entry(NamedTuple):
    """One call of a layer."""

    part: Any
    key: tuple[int, ...]
    receives: int
    returns: int


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

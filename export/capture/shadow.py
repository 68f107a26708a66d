"""What operations do to single elements, found by running them on the elements' numbers.

Every element of the module's input and of the leaves' outputs has a number, from 1 on; 0 is none. An element of any
other tensor is a sum of such elements, each times a factor: a list of terms, each of which is a tensor of numbers and a
tensor of factors. An operation that moves data makes the same moves with the numbers, whatever it is, so one rule
covers them all; a few others have a rule of their own, and all the rest is opaque.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from .provenance import INPUT, Event, Value, values_in
from .rules import MOST_TERMS, RULES, Elements, Operation, Terms, elementwise


@dataclass(frozen=True, slots=True)
class Opaque:
    """What cannot be followed."""

    event: Event
    why: str = ""
    """What is wrong, if more than that no rule knows the operation."""


Shadow = Terms | Opaque


def shadows(
    wanted: Iterable[Value],
    roots: Mapping[Event, Sequence[torch.Tensor]],
    unary: int,
    given: Mapping[Value, torch.Tensor] | None = None,
) -> tuple[dict[Value, Shadow], Elements]:
    """Return what tensors are made of, and the elements that they are made of.

    Parameters
    ----------
    wanted : iterable of Value
        The tensors.
    roots : mapping of root event to its tensors
        The module's input and the outputs of leaves; their elements are numbered in this order.
    unary : int
        Bits of the leaves whose outputs are only ever 0 or 1.
    given : mapping of Value to tensor, optional
        What the host makes and is not looked into: its elements are numbered behind those of the roots, in this order.
    """
    wanted = list(wanted)
    known: dict[int, list[Terms] | Opaque] = {}
    stated: dict[Value, Terms] = {}
    first, values, of_unary = 1, [torch.zeros(1, dtype=torch.float64)], [torch.ones(1, dtype=torch.bool)]
    for event, tensors in roots.items():
        made = []
        for tensor in tensors:
            made.append(_numbered(first, tensor))
            first += tensor.numel()
            values.append(tensor.detach().cpu().reshape(-1).to(torch.float64))
            of_unary.append(torch.full((tensor.numel(),), bool(event.roots & unary)))
        known[event.serial] = made
    for value, tensor in (given or {}).items():
        stated[value] = _numbered(first, tensor)
        first += tensor.numel()
        values.append(tensor.detach().cpu().reshape(-1).to(torch.float64))
        of_unary.append(torch.zeros(tensor.numel(), dtype=torch.bool))
    elements = Elements(torch.cat(values), torch.cat(of_unary))
    for event in ancestors(wanted):
        if event.serial not in known:
            known[event.serial] = _made(event, known, stated, elements)
    return {value: _look_up(value, known, stated) for value in wanted}, elements


def _numbered(first: int, tensor: torch.Tensor) -> Terms:
    """Return the elements of a tensor, numbered from `first` on."""
    numbers = torch.arange(first, first + tensor.numel(), dtype=torch.float64).reshape(tensor.shape)
    return Terms((numbers,), (torch.ones_like(numbers),))


def _look_up(value: Value, known: Mapping[int, list[Terms] | Opaque], stated: Mapping[Value, Terms]) -> Shadow:
    if value in stated:
        return stated[value]
    made = known[value.event.serial]
    if isinstance(made, Opaque):
        return made
    if value.index >= len(made) or tuple(made[value.index].numbers[0].shape) != value.shape:
        return Opaque(value.event)
    return made[value.index]


def ancestors(wanted: Sequence[Value]) -> list[Event]:
    """Return all events behind values, in the order in which they ran."""
    found: dict[int, Event] = {}
    waiting = [value.event for value in wanted]
    while waiting:
        event = waiting.pop()
        if event.serial not in found:
            found[event.serial] = event
            waiting.extend(event.parents())
    return [found[serial] for serial in sorted(found)]


def _made(
    event: Event, known: Mapping[int, list[Terms] | Opaque], stated: Mapping[Value, Terms], elements: Elements
) -> list[Terms] | Opaque:
    """Return the shadows of an event's outputs."""
    arguments = {value: _look_up(value, known, stated) for value in values_in((event.arguments, event.keywords))}
    for shadow in arguments.values():
        if isinstance(shadow, Opaque):
            # Behind an opaque front end there are no spikes, so it is no fault; where spikes are added to it, that is.
            joins = shadow.event.roots <= INPUT < event.roots
            return Opaque(event, _JOINS_NUMBERS) if joins else shadow
    operation = Operation(event, arguments, elements)
    try:
        made = RULES.get(operation.name, elementwise)(operation)
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        made = None
    if not made or any(len(terms.numbers) > MOST_TERMS for terms in made):
        return Opaque(event)
    return made


_JOINS_NUMBERS = "it joins spikes with numbers that are none"

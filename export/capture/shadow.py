"""What operations do to single elements, found by running them on the elements' numbers.

Every element of the module's input and of the leaves' outputs has a number, from 1 on; 0 is none. An element of any
other tensor is a sum of such elements, each times a factor: a list of terms, each of which is a tensor of numbers and a
tensor of factors. An operation that moves data makes the same moves with the numbers, whatever it is, so one rule
covers them all; a few others have a rule of their own, and all the rest is opaque.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from .provenance import INPUT, Event, Value, swapped, values_in
from .rules import MOST_TERMS, MOVES, RULES, ConstantError, Elements, Operation, Terms, elementwise


@dataclass(frozen=True, slots=True)
class Opaque:
    """What cannot be followed."""

    event: Event
    why: str = ""
    """What is wrong, if more than that no rule knows the operation."""


Shadow = Terms | Opaque


class Stated(NamedTuple):
    """What the host makes and a layer receives: it has elements of its own, and is not looked into."""

    received: torch.Tensor
    """What the layer received."""
    order: torch.Tensor
    """Shape of the tensor that is stated: where each of its elements is in `received`, flattened."""


def shadows(
    wanted: Iterable[Value],
    roots: Mapping[Event, Sequence[torch.Tensor]],
    unary: int,
    given: Mapping[Hashable, Stated] | None = None,
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
    given : mapping to Stated, optional
        What the host makes and is not looked into, by what `alike` says of it: the elements of what layers receive of
        it are numbered behind those of the roots, in this order.
    """
    wanted = list(wanted)
    known: dict[int, list[Terms] | Opaque] = {}
    stated: dict[Hashable, Terms] = {}
    first, values, of_unary = 1, [torch.zeros(1, dtype=torch.float64)], [torch.ones(1, dtype=torch.bool)]
    for event, tensors in roots.items():
        made = []
        for tensor in tensors:
            made.append(_numbered(first, tensor.shape))
            first += tensor.numel()
            values.append(tensor.detach().cpu().reshape(-1).to(torch.float64))
            of_unary.append(torch.full((tensor.numel(),), bool(event.roots & unary)))
        known[event.serial] = made
    for key, (received, order) in (given or {}).items():
        stated[key] = Terms(((first + order).to(torch.float64),), (torch.ones(order.shape, dtype=torch.float64),))
        first += received.numel()
        values.append(received.detach().cpu().reshape(-1).to(torch.float64))
        of_unary.append(torch.zeros(received.numel(), dtype=torch.bool))
    elements = Elements(torch.cat(values), torch.cat(of_unary))
    for event in ancestors(wanted):
        if event.serial not in known:
            known[event.serial] = _made(event, known, stated, elements)
    return {value: _look_up(value, known, stated) for value in wanted}, elements


def _numbered(first: int, shape: torch.Size) -> Terms:
    """Return the elements of a tensor, numbered from `first` on."""
    numbers = torch.arange(first, first + shape.numel(), dtype=torch.float64).reshape(shape)
    return Terms((numbers,), (torch.ones_like(numbers),))


def alike(value: Value) -> Hashable:
    """Return what is equal for two tensors that are the same part of the same tensor, taken twice."""
    event = value.event
    if event.is_root or event.written is not None or event.name not in MOVES:
        return event.serial, value.index
    given = swapped((event.arguments, dict(event.keywords)), alike, Value)
    return event.name, value.index, _plain(given)


def _plain(tree: Any) -> Hashable:
    if isinstance(tree, tuple | list):
        return tuple(map(_plain, tree))
    if isinstance(tree, dict):
        return tuple((key, _plain(each)) for key, each in sorted(tree.items()))
    return id(tree) if isinstance(tree, torch.Tensor) else repr(tree)


def unmoved(value: Value) -> tuple[Value, torch.Tensor]:
    """Return the first tensor all of whose elements only move on the way to a value, and where in it each ends.

    What a layer receives is often a view of what the rest of a network uses, or the other way round.
    """
    order = torch.arange(torch.Size(value.shape).numel()).reshape(value.shape)
    nothing = Elements(torch.zeros(order.numel() + 1), torch.zeros(order.numel() + 1, dtype=torch.bool))
    while not value.event.is_root:
        sources = list(values_in((value.event.arguments, value.event.keywords)))
        if len(sources) != 1 or sources[0].event.is_root:
            break
        shape = torch.Size(sources[0].shape)
        if shape.numel() != order.numel():
            break
        made = _look_up(
            value, {value.event.serial: _made(value.event, {}, {alike(sources[0]): _numbered(1, shape)}, nothing)}, {}
        )
        if isinstance(made, Opaque) or len(made.numbers) > 1 or not bool((made.factors[0] == 1).all()):
            break
        numbers = made.numbers[0].reshape(-1).long()
        if not torch.equal(numbers.sort().values, torch.arange(1, shape.numel() + 1)):
            break
        order = torch.empty(shape.numel(), dtype=torch.long).scatter_(0, numbers - 1, order.reshape(-1)).reshape(shape)
        value = sources[0]
    return value, order


def _look_up(value: Value, known: Mapping[int, list[Terms] | Opaque], stated: Mapping[Hashable, Terms]) -> Shadow:
    found = stated.get(alike(value)) if stated else None
    if found is not None:
        return found
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
    event: Event, known: Mapping[int, list[Terms] | Opaque], stated: Mapping[Hashable, Terms], elements: Elements
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
    except ConstantError:
        return Opaque(event, _JOINS_CONSTANT)
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        made = None
    if not made or any(len(terms.numbers) > MOST_TERMS for terms in made):
        return Opaque(event)
    return made


_JOINS_NUMBERS = (
    "it joins spikes with numbers that are none. Join the very tensor that a block receives too, join them behind the "
    "network, or give them a block of their own."
)
_JOINS_CONSTANT = (
    "it joins spikes with a constant that is not 0, and nothing sends it. Make the constant an argument of forward, "
    "or join it behind the network."
)

"""Declared fields of a record: range, meaning and name in a file, each said once.

A record's class declares a field by `number` or `per_neuron`. Its range check, the Parameters section of its docstring,
the dataset that holds it in a NetX file, and the values that tests try first all come from that one line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import fixed

_KEY = "field"
_PLAIN_UP_TO = 4096
"""Numbers beyond this are written as powers of two where they are one."""


class Declared(NamedTuple):
    """What is said of one field."""

    low: int
    """Smallest value."""
    high: int
    """Largest value."""
    meaning: str
    """What it is, a phrase or two without the range."""
    netx: str
    """Name of its dataset in the group ``neuron`` of a NetX layer; empty if it has none there."""
    each: bool
    """Whether it may differ from neuron to neuron."""
    edges: tuple[int, ...]
    """Values inside the range at which something changes; tests try them by name, like the ends."""
    example: int
    """A value with which a small network of random weights is active."""


def number(
    low: int,
    high: int,
    meaning: str,
    *,
    netx: str = "",
    default: int | None = None,
    edges: tuple[int, ...] = (),
    example: int | None = None,
) -> Any:
    """Declare a field that holds one whole number; see `Declared`."""
    return _declare(Declared(low, high, meaning, netx, False, edges, _example(default, example, low)), default)


def per_neuron(
    low: int,
    high: int,
    meaning: str,
    *,
    netx: str = "",
    default: int | None = None,
    edges: tuple[int, ...] = (),
    example: int | None = None,
) -> Any:
    """Declare a field that holds a whole number for each neuron, and may be given as one for all; see `Declared`."""
    return _declare(Declared(low, high, meaning, netx, True, edges, _example(default, example, low)), default)


def declared(kind: type[Any]) -> dict[str, Declared]:
    """Return what is said of each declared field of a record's class, in their order."""
    return dict(_declared(kind))


def checked(record: Any) -> dict[str, Any]:
    """Return the declared fields' values after their range checks, for ``__post_init__``.

    Raises
    ------
    RecordError
        A value is no whole number in its range, or a shape fits neither one value nor the neurons.
    """
    kind = type(record).__name__
    values: dict[str, Any] = {}
    for name, field in declared(type(record)).items():
        words, value = f"{kind} {name}", getattr(record, name)
        if field.each:
            values[name] = fixed.per_neuron(words, value, record.num_neurons, field.low, field.high)
        else:
            values[name] = fixed.as_whole(words, value, field.low, field.high)
    return values


def parameters(kind: type[Any]) -> str:
    """Return the Parameters and Raises sections of a docstring, in numpydoc's form."""
    lines = ["Parameters", "----------", "num_neurons : int", "    Number of neurons n."]
    for name, field in _declared(kind):
        lines.append(f"{name} : {'array_like of int, shape () or (n,)' if field.each else 'int'}")
        kept = " Kept as int32 of shape (n,)." if field.each else ""
        lines.append(f"    {field.meaning}, {_spoken(field.low)}..{_spoken(field.high)}.{kept}")
    lines += ["", "Raises", "------", "RecordError", "    A value lies outside its range."]
    return "\n".join(lines)


def _declare(field: Declared, default: int | None) -> Any:
    if default is None:
        return dataclasses.field(metadata={_KEY: field})
    return dataclasses.field(default=default, metadata={_KEY: field})


def _example(default: int | None, example: int | None, low: int) -> int:
    return example if example is not None else default if default is not None else low


def _declared(kind: type[Any]) -> Iterator[tuple[str, Declared]]:
    found: dict[str, Declared] = {}
    for one in reversed(kind.__mro__):
        # A class that is just being made is no dataclass yet: its fields are still what `_declare` returned.
        fields = vars(one).get("__dataclass_fields__") or vars(one)
        for name, value in fields.items():
            if isinstance(value, dataclasses.Field) and _KEY in value.metadata:
                found[name] = value.metadata[_KEY]
    yield from found.items()


def _spoken(value: int) -> str:
    """Return a number as people write it: ``2**17 - 1`` rather than 131071."""
    size = abs(value)
    sign = "-" if value < 0 else ""
    if size <= _PLAIN_UP_TO:
        return str(value)
    if size & (size - 1) == 0:
        return f"{sign}2**{size.bit_length() - 1}"
    if size & (size + 1) == 0:
        return f"-(2**{size.bit_length()} - 1)" if sign else f"2**{size.bit_length()} - 1"
    return str(value)

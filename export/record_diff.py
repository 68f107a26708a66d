"""What differs between two network records, by layer and field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..contract.net import Net
from ..contract.record import differences

_INDEX = re.compile(r"(.*?)\[([\d, ]+)\]")


class Field(NamedTuple):
    """A field that differs."""

    where: str
    """Which layer, edge or input, or ``network``."""
    field: str
    """``synapse.weight`` say."""
    differ: int
    """Entries that differ; 1 of what is no array."""
    entries: int
    """How many there are."""
    first: str
    """Index of the first that differs; empty of what is no array."""
    a: Any
    b: Any
    """What the two records have there."""


class RecordDiff(NamedTuple):
    """What differs between two records."""

    fields: tuple[Field, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    """Layers, edges and inputs that one of them has alone."""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.fields or self.only_a or self.only_b)


def diff(a: Net, b: Net) -> RecordDiff:
    """Return what differs between two records.

    Inputs, layers and edges are compared place by place, if there are as many in both; by their names, if not.

    Parameters
    ----------
    a, b : Net
        The records.
    """
    fields: list[Field] = []
    only: tuple[list[str], list[str]] = ([], [])
    for what in ("inputs", "layers", "edges"):
        left, right = getattr(a, what), getattr(b, what)
        kind = what.removesuffix("s")
        if len(left) == len(right):
            pairs = list(zip(left, right, strict=True))
        else:
            named_a, named_b = _named(left), _named(right)
            pairs = [(one, named_b[name]) for name, one in named_a.items() if name in named_b]
            only[0].extend(f"{kind} {name[0]}" for name in named_a if name not in named_b)
            only[1].extend(f"{kind} {name[0]}" for name in named_b if name not in named_a)
        for one, other in pairs:
            fields += _grouped(f"{kind} {_name(one)}", one, other)
    for name in ("outputs", "steps", "te", "host_before", "host_after"):
        fields += _grouped("network", getattr(a, name), getattr(b, name), name)
    return RecordDiff(tuple(fields), tuple(only[0]), tuple(only[1]))


def _named(parts: Sequence[Any]) -> dict[tuple[str, int], Any]:
    """Return parts by their names, and by which of those of one name they are: edges may be parallel."""
    seen: Counter[str] = Counter()
    named = {}
    for one in parts:
        name = _name(one)
        named[name, seen[name]] = one
        seen[name] += 1
    return named


def _name(one: Any) -> str:
    return str(one.label if hasattr(one, "label") else one.name)


def _grouped(where: str, a: Any, b: Any, at: str = "") -> list[Field]:
    """Return the fields of two records, or of their parts, that differ, with the entries of an array counted."""
    found: dict[str, list[tuple[str, Any, Any]]] = {}
    for path, left, right in differences(a, b, at):
        matched = _INDEX.fullmatch(path)
        field, index = (matched[1], matched[2]) if matched else (path, "")
        found.setdefault(field, []).append((index, left, right))
    fields = []
    for field, entries in found.items():
        index, left, right = entries[0]
        size = np.size(_value(a, field.removeprefix(at) if at else field)) if index else 1
        fields.append(Field(where, field, len(entries), int(size), index, _short(left), _short(right)))
    return fields


def _value(of: Any, path: str) -> Any:
    """Return the value at a path such as ``synapse.weight``."""
    for name in filter(None, re.split(r"[.\[\]]", path)):
        of = of[int(name)] if name.isdecimal() else getattr(of, name)
    return of


def _short(value: Any) -> Any:
    """Return a value as it may be shown: a number or a word, or what an array or a record is."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(_short(one)) for one in value) or "none"
    return value if isinstance(value, bool | int | float | str) or value is None else type(value).__name__

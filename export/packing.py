"""Records <-> trees of plain values, for formats that hold nested groups of numbers.

A record becomes a dict of its fields with its class under ``kind``; a tuple of records or names a dict of numbered
entries. What is None is left out, and so is what came later and is 0. Any record of the contract can be packed, kinds
that are added later too.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..contract import net as _net  # noqa: F401  # which loads every kind of record
from ..contract.errors import FileFormatError
from ..contract.neurons import KINDS, Neuron
from ..contract.record import Record
from .members import reserve_neurons
from .quoted import message, plain, quoted

KIND = "kind"
_LATER = {"weight_exp"}
"""Fields that are left out if they are 0, so that what was written before they came is what is written today."""


def pack(value: Any) -> Any:
    """Return a record, or a value of one of its fields, as a tree of dicts, arrays, whole numbers and strings."""
    if isinstance(value, Record):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}  # type: ignore[arg-type]
        kept = {name: of for name, of in fields.items() if of is not None and (name not in _LATER or of)}
        return {KIND: type(value).__name__} | {name: pack(of) for name, of in kept.items()}
    if isinstance(value, tuple) and any(isinstance(item, Record | str) for item in value):
        return {str(i): pack(item) for i, item in enumerate(value)}
    if isinstance(value, tuple):
        return np.asarray(value, dtype=np.int64)
    if isinstance(value, np.ndarray) and not value.shape:  # which HDF5 cannot compress, as the package nir asks it to
        return int(value)
    if isinstance(value, str | np.ndarray):
        return value
    return int(value)


def unpack(tree: Any, where: str = "record") -> Any:
    """Return the record that `pack` made a tree of.

    Parameters
    ----------
    tree : dict
        From a file.
    where : str
        What messages call it.

    Raises
    ------
    FileFormatError
        A kind or a field is unknown, or one is missing.
    RecordError
        A value is out of range.
    """
    if not isinstance(tree, dict):
        return tree
    if KIND not in tree:
        if sorted(tree) != sorted(str(i) for i in range(len(tree))):
            raise FileFormatError(f"{where}: neither a record nor a list of them; it holds {quoted(sorted(tree))}.")
        return tuple(unpack(tree[str(i)], f"{where}/{i}") for i in range(len(tree)))
    known, kind = _kinds(), _RENAMED.get(str(tree[KIND]), tree[KIND])
    if not isinstance(kind, str) or kind not in known:
        raise FileFormatError(f"{where}: kind {quoted(kind)} is unknown; known are {', '.join(sorted(known))}.")
    fields = {field.name: field for field in dataclasses.fields(known[kind])}
    given = {name: unpack(value, f"{where}/{name}") for name, value in tree.items() if name != KIND}
    if kind == "Net" and "input" in given:  # before networks could have several
        given["inputs"] = (given.pop("input"),)
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise FileFormatError(f"{where}: {plain(unknown[0])} is no field of a {kind}; known are {', '.join(fields)}.")
    for name, field in fields.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in given and not optional:
            raise FileFormatError(f"{where}: a {kind} without {name}.")
    stated = given.get("num_neurons")
    if isinstance(stated, np.ndarray) and stated.shape == () and np.isfinite(stated):
        reserve_neurons(int(stated), f"{where}/num_neurons")  # one value may stand for those of all neurons
    try:
        return known[kind](**given)
    except (AttributeError, TypeError, IndexError, KeyError) as error:  # a text where a record belongs, say
        raise FileFormatError(f"{where}: a field of a {kind} is of the wrong kind ({message(error)}).") from None


_RENAMED = {"Membrane": "LeakyIntegrator"}
"""What kinds of records were called in files of earlier versions -> what they are called now."""


def _kinds() -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    waiting: list[type[Any]] = list(Record.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        base = issubclass(kind, Neuron) and kind not in KINDS.values()
        if dataclasses.is_dataclass(kind) and not base:
            found[kind.__name__] = kind
    return found

"""Base of the contract's records: frozen dataclasses that compare by value, arrays included."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


class Record:
    """A frozen dataclass whose equality compares every field, and arrays by dtype, shape and value.

    Subclasses are declared ``@dataclass(frozen=True, kw_only=True, eq=False)``. Arrays are stored read-only.
    """

    __hash__ = None  # type: ignore[assignment]  # arrays inside: equal records may not hash equal

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return not differences(self, other)

    def _set(self, **values: Any) -> None:
        """Store normalised values while ``__post_init__`` runs."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def differences(a: Any, b: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """List where two records differ.

    Parameters
    ----------
    a, b : Record, or field values of records
        What to compare.
    where : str
        Path of the values so far.

    Returns
    -------
    list of (path, value in `a`, value in `b`)
        Paths read ``layers[1].synapse.weight[3, 5]``; every differing entry of an array is listed.
    """
    if isinstance(a, Record) and type(a) is type(b):
        return [
            difference
            for field in dataclasses.fields(a)  # type: ignore[arg-type]
            for difference in differences(
                getattr(a, field.name),
                getattr(b, field.name),
                f"{where}.{field.name}" if where else field.name,
            )
        ]
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        return [
            difference
            for i, (item_a, item_b) in enumerate(zip(a, b, strict=True))
            for difference in differences(item_a, item_b, f"{where}[{i}]")
        ]
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype:
        return [
            (f"{where}[{', '.join(map(str, index))}]", a[tuple(index)].item(), b[tuple(index)].item())
            for index in np.argwhere(a != b)
        ]
    same = type(a) is type(b) and not isinstance(a, np.ndarray | Record) and a == b
    return [] if same else [(where, a, b)]

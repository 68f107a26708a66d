"""End to end: what ``module(x)`` returns, against what it returns if its blocks put out what a simulation computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Whether the user's module returns the same with a backend's spikes as with its own."""

    backend: str
    """Whose spikes were played back in place of the blocks'."""
    samples: int
    differs: str = ""
    """Where what the module returns first differs, in words; empty if it is equal to the last bit."""

    @property
    def equal(self) -> bool:
        """Whether it is."""
        return not self.differs

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"backend": self.backend, "samples": self.samples, "equal": self.equal, "differs": self.differs}


def difference(a: Any, b: Any, where: str = "its output") -> str:
    """Return where two answers of a module first differ, in words; an empty string if they are equal.

    Parameters
    ----------
    a, b : tensors, arrays, numbers, or nested tuples, lists, dictionaries and dataclasses of such
        What the module returned in two runs.
    where : str
        What they are called.
    """
    if hasattr(a, "detach"):
        a, b = (each.detach().cpu().numpy() if hasattr(each, "detach") else each for each in (a, b))
    if type(a) is not type(b):
        return f"{where} is a {type(a).__name__} in one run and a {type(b).__name__} in the other"
    if isinstance(a, np.ndarray | np.generic | int | float | complex | bool):
        return _of_numbers(np.asarray(a), np.asarray(b), where)
    if hasattr(a, "__dataclass_fields__"):
        a, b = ({name: getattr(each, name) for name in a.__dataclass_fields__} for each in (a, b))
    if isinstance(a, Mapping):
        if list(a) != list(b):
            return f"{where} has the entries {list(a)} in one run and {list(b)} in the other"
        found = (difference(a[key], b[key], f"{where}[{key!r}]") for key in a)
        return next(filter(None, found), "")
    if isinstance(a, tuple | list):
        if len(a) != len(b):
            return f"{where} has {len(a)} parts in one run and {len(b)} in the other"
        found = (difference(x, y, f"{where}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True)))
        return next(filter(None, found), "")
    if a is None or isinstance(a, str | bytes):
        return "" if a == b else f"{where} is {a!r} in one run and {b!r} in the other"
    return f"{where} is a {type(a).__name__}, which cannot be compared. Return tensors, numbers, tuples or dictionaries"


def _of_numbers(a: npt.NDArray[Any], b: npt.NDArray[Any], where: str) -> str:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{where} has shape {a.shape} of {a.dtype} in one run and {b.shape} of {b.dtype} in the other"
    differs = a != b
    if a.dtype.kind in "fc":
        differs &= ~(np.isnan(a) & np.isnan(b))
    if not differs.any():
        return ""
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    return (
        f"{where}{list(index) if index else ''} is {a[index]} in module(x) and {b[index]} with the spikes played back"
    )


def scores(answer: Any, samples: int) -> npt.NDArray[Any] | None:
    """Return what a module returned as one row of numbers a sample, if it is that: float, shape (samples, outputs)."""
    if not hasattr(answer, "detach"):
        return None
    found: npt.NDArray[Any] = answer.detach().cpu().float().numpy() if answer.is_floating_point() else np.zeros(0)
    return found if found.ndim == 2 and len(found) == samples and found.shape[1] > 1 else None


def joined(answers: list[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    """Return the rows of several parts as one array, or None if a part has none."""
    known = [each for each in answers if each is not None]
    same = len(known) == len(answers) and len({each.shape[1] for each in known}) == 1
    return np.concatenate(known) if known and same else None

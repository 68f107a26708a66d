"""End to end: what ``module(x)`` returns, against what it returns if its blocks put out what a simulation computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Whether the user's module returns the same with a backend's spikes as with its own."""

    backend: str
    """Whose spikes were played back in place of the blocks'."""
    samples: int
    difference: Difference | None = None
    """Where what the module returns first differs; None if it is equal to the last bit."""

    @property
    def equal(self) -> bool:
        """Whether it is."""
        return self.difference is None

    @property
    def sentence(self) -> str:
        """What differs, or why that is not known; empty if nothing does."""
        if self.difference is None:
            return ""
        if not self.difference.comparable:
            return f"module(x) cannot be compared: {self.difference.words}"
        return f"module(x) is NOT the same with the spikes of {self.backend}: {self.difference.words}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = {"backend": self.backend, "samples": self.samples, "equal": self.equal}
        differs = "" if self.difference is None else self.difference.words
        return found | {"differs": differs, "comparable": self.difference is None or self.difference.comparable}


@dataclass(frozen=True)
class Difference:
    """Where two answers of a module first differ."""

    words: str
    comparable: bool = True
    """False if it is a part of them that nobody can compare, so that nothing is known of it."""


class _Incomparable(Exception):
    """A part of an answer is nothing that can be compared."""


def difference(a: Any, b: Any, where: str = "its output") -> Difference | None:
    """Return where two answers of a module first differ; None if they are equal.

    Parameters
    ----------
    a, b : tensors, arrays, numbers, or nested tuples, lists, dictionaries and dataclasses of such
        What the module returned in two runs.
    where : str
        What they are called.
    """
    try:
        words = _difference(a, b, where)
    except _Incomparable as error:
        return Difference(str(error), comparable=False)
    except RecursionError:
        return Difference(f"{where} contains itself", comparable=False)
    return Difference(words) if words else None


def _difference(a: Any, b: Any, where: str) -> str:
    if type(a) is not type(b):
        return f"{where} is a {type(a).__name__} in one run and a {type(b).__name__} in the other"
    if hasattr(a, "detach"):
        arrays = [_array(each) for each in (a, b)]
        if arrays[0] is None or arrays[1] is None:
            raise _Incomparable(f"{where} is a tensor of {a.layout}, {a.dtype}. Return a dense one")
        if a.dtype != b.dtype:
            return f"{where} is of {a.dtype} in one run and of {b.dtype} in the other"
        return _of_numbers(arrays[0], arrays[1], where)
    if isinstance(a, np.ndarray) and a.dtype == object:
        raise _Incomparable(f"{where} is an array of objects. Return tensors or numbers")
    if isinstance(a, np.ndarray | np.generic | int | float | complex | bool):
        return _of_numbers(np.asarray(a), np.asarray(b), where)
    if hasattr(a, "__dataclass_fields__"):
        a, b = ({name: getattr(each, name) for name in a.__dataclass_fields__} for each in (a, b))
    if isinstance(a, Mapping):
        return _of_mappings(a, b, where)
    if isinstance(a, tuple | list):
        if len(a) != len(b):
            return f"{where} has {len(a)} parts in one run and {len(b)} in the other"
        found = (_difference(x, y, f"{where}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True)))
        return next(filter(None, found), "")
    if a is None or isinstance(a, str | bytes):
        return "" if a == b else f"{where} is {a!r:.100} in one run and {b!r:.100} in the other"
    raise _Incomparable(f"{where} is a {type(a).__name__}. Return tensors, numbers, tuples or dictionaries")


def _of_mappings(a: Mapping[Any, Any], b: Mapping[Any, Any], where: str) -> str:
    if not all(isinstance(key, str | int | float | tuple | None) for key in a):
        raise _Incomparable(f"{where} has keys of another kind than texts and numbers")
    if list(a) != list(b):
        return f"{where} has the entries {list(a)} in one run and {list(b)} in the other"
    found = (_difference(a[key], b[key], f"{where}[{key!r}]") for key in a)
    return next(filter(None, found), "")


def _array(tensor: Any) -> npt.NDArray[Any] | None:
    """Return a tensor's values, None if it is of a kind that has no such: quantized or nested."""
    try:
        dense = tensor.detach().to_dense() if str(tensor.layout) != "torch.strided" else tensor.detach()
        dense = dense.cpu().resolve_conj().resolve_neg()
        narrow = str(dense.dtype) in ("torch.bfloat16", "torch.float16") or "float8" in str(dense.dtype)
        return np.asarray((dense.float() if narrow else dense).numpy())
    except (RuntimeError, TypeError, NotImplementedError):
        return None


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
    """Return what a module returned as scores of each sample, or as classes; None if it is neither.

    Scores have shape (samples, classes), classes are whole numbers of shape (samples,). Of several tensors, those of
    the only one that is so count.
    """
    found = [one for one in map(_as_scores, _parts(answer)) if one is not None and len(one) == samples]
    return found[0] if len(found) == 1 else None


def _parts(answer: Any) -> list[Any]:
    """Return an answer, or what it holds."""
    if hasattr(answer, "detach"):
        return [answer]
    if isinstance(answer, Mapping):
        return list(answer.values())
    if is_dataclass(answer) and not isinstance(answer, type):
        return [getattr(answer, one.name) for one in fields(answer)]
    return list(answer) if isinstance(answer, list | tuple) else []


def _as_scores(answer: Any) -> npt.NDArray[Any] | None:
    found = _array(answer) if hasattr(answer, "detach") else None
    if found is None or found.dtype.kind not in "iuf":
        return None
    rows = found.ndim == 2 and found.shape[1] > 1
    return found if rows or (found.ndim == 1 and found.dtype.kind in "iu") else None


def classes(scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the classes that scores stand for, the first of the largest; those that are classes are so already."""
    return np.asarray(scores if scores.ndim == 1 else scores.argmax(-1), dtype=np.int64)


def joined(answers: list[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    """Return the rows of several parts as one array, or None if a part has none."""
    known = [each for each in answers if each is not None]
    same = len(known) == len(answers) and len({each.shape[1:] for each in known}) == 1
    return np.concatenate(known) if known and same else None

"""What messages show of a file: short, on one line, and without characters that would act on a terminal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

_LONGEST, _LONGEST_MESSAGE, _MOST = 80, 1000, 8
"""Characters of one value and of a whole message, and items of a list, that are shown."""


def plain(value: Any, longest: int = _LONGEST) -> str:
    r"""Return text from a file, or what ``str`` makes of another value, without quotes.

    Parameters
    ----------
    value : object
        A name, say; bytes are read as UTF-8.
    longest : int
        More characters than this are cut off, and their number is told.

    Examples
    --------
    >>> plain("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    text = value if isinstance(value, str) else _decoded(value)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:longest])
    return shown if len(text) <= longest else f"{shown} ... ({len(text)} characters)"


def quoted(value: Any) -> str:
    """Return a value from a file: text in quotes, numbers and lists as Python writes them, the first of many.

    Examples
    --------
    >>> quoted("a"), quoted(["0", "2"]), quoted((1, 2))
    ("'a'", "['0', '2']", '(1, 2)')
    """
    if isinstance(value, str):
        return f"{value[:_LONGEST]!r}" + (f" ... ({len(value)} characters)" if len(value) > _LONGEST else "")
    if isinstance(value, np.ndarray) and value.shape:
        return _listed(value.flat[:_MOST].tolist(), value.size, "[]")
    if isinstance(value, list):
        return _listed(value[:_MOST], len(value), "[]")
    if isinstance(value, tuple):
        return _listed(value[:_MOST], len(value), "()")
    return plain(value)


def listed(names: Iterable[Any]) -> str:
    """Return names from a file with commas between, the first of many."""
    found = list(names)
    more = f", ... ({len(found)} in all)" if len(found) > _MOST else ""
    return ", ".join(plain(name) for name in found[:_MOST]) + more


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names what is most like a name that is unknown; empty if nothing is.

    Examples
    --------
    >>> did_you_mean("digit", ["digits", "fsdd"]), did_you_mean("x", ["digits"])
    (' Did you mean digits?', '')
    """
    near = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""


def message(error: BaseException | str) -> str:
    """Return the words of an error that may quote a file."""
    return plain(str(error), _LONGEST_MESSAGE)


def _listed(shown: Iterable[Any], count: int, brackets: str) -> str:
    words = [quoted(item) for item in shown]
    if len(words) < count:
        words.append(f"... ({count} in all)")
    comma = "," if brackets == "()" and count == 1 else ""
    return brackets[0] + ", ".join(words) + comma + brackets[1]


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)

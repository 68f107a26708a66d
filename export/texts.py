"""Small texts that users hand over: recipes, limits and what a run says of itself."""

from __future__ import annotations

import os
from pathlib import Path

from ..contract.errors import FileFormatError
from .files import is_open_here
from .members import regular
from .quoted import message

MAX_BYTES = 2**22
"""Longer texts are not read: none of these comes near it."""


def read(path: str | os.PathLike[str], fix: str = "") -> str:
    """Return the text of a small regular file, in UTF-8, or of what the process has open, /dev/stdin say.

    Parameters
    ----------
    path : path-like
        The file.
    fix : str
        What to do where it is missing, too long or no text, for messages.

    Raises
    ------
    FileFormatError
        It is missing, no regular file, too long, not readable, or no text.
    """
    path = Path(path)
    size = 0 if is_open_here(path) else regular(path)
    hint = f" {fix}" if fix else ""
    try:
        with open(path, "rb") as file:
            found = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}.{hint}") from None
    if len(found) > MAX_BYTES:
        raise FileFormatError(f"{path}: {max(size, len(found))} bytes; at most {MAX_BYTES} are read.{hint}")
    try:
        return found.decode("utf-8")
    except ValueError as error:
        raise FileFormatError(f"{path}: cannot be read: it is not UTF-8 text ({message(error)}).{hint}") from None

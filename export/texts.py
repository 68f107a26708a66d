"""Small texts that users hand over: recipes, limits and what a run says of itself."""

from __future__ import annotations

import os
from pathlib import Path

from ..contract.errors import FileFormatError
from .members import regular
from .quoted import message

MAX_BYTES = 2**22
"""Longer texts are not read: none of these comes near it."""


def read(path: str | os.PathLike[str], fix: str = "") -> str:
    """Return the text of a small regular file, in UTF-8.

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
    size = regular(path)
    hint = f" {fix}" if fix else ""
    if size > MAX_BYTES:
        raise FileFormatError(f"{path}: {size} bytes; at most {MAX_BYTES} are read.{hint}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        words = f"it is not UTF-8 text ({message(error)})" if isinstance(error, ValueError) else error.strerror
        raise FileFormatError(f"{path}: cannot be read: {words}.{hint}") from None

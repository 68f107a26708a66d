"""What layers and inputs may be called."""

from __future__ import annotations

import re
from typing import TypeGuard

from .errors import RecordError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def is_name(name: object) -> TypeGuard[str]:
    """Return whether a layer or an input may be called so."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def checked_name(what: str, name: object) -> str:
    """Return a name that may also be that of a folder and of a group in a file, or refuse it."""
    if not is_name(name):
        raise RecordError(
            f"{what} name {name!r}: use up to 64 letters, digits, '_', '.' and '-', the first no digit, '.' or '-'."
        )
    return name

"""Refusing what cannot be exact, by name."""

from __future__ import annotations

from collections.abc import Mapping

from ..contract.errors import UnsupportedError


def refuse(options: Mapping[str, tuple[bool, str]]) -> None:
    """Raise an UnsupportedError for the first option that cannot be exact.

    Parameters
    ----------
    options : mapping of str to (bool, str)
        Option -> whether it cannot be exact, and why, with the fix. Whoever calls a reader puts the layer's name
        before it.
    """
    for option, (wrong, fix) in options.items():
        if wrong:
            raise UnsupportedError(f"{option}: {fix}.")

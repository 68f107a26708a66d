"""Where a report may be written: its place is free, or one of ours stands there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ...contract.errors import InputError
from ...export import files

_OURS = b'<meta name="generator" content="spikeproof">'
"""Line of every page that is written here."""
_HEAD = 1024
"""Bytes of a page that hold it."""


def is_page(place: Path) -> bool:
    """Whether a file is a page that was written here."""
    with open(place, "rb") as file:
        return _OURS in file.read(_HEAD)


def check(
    path: str | os.PathLike[str],
    is_ours: Callable[[Path], bool] = is_page,
    what: str = "a page",
    other: str = "another file",
    read: Iterable[str | os.PathLike[str] | None] = (),
) -> None:
    """Refuse a place for a file before the work for it is done.

    Parameters
    ----------
    path : path-like
        Where the file shall be.
    is_ours : callable
        Whether a file is one that may be replaced.
    what, other : str
        What shall be there, and what to name in its place.
    read : iterable of path-like or None
        What is read for the report, which it may not replace.

    Raises
    ------
    InputError
        The folder cannot be written to, or what stands in the place is none of ours.
    """
    place = Path(path)
    files.check(place, read=[one for one in read if one is not None])
    if place.is_file() and place.stat().st_size and not is_ours(place):
        raise InputError(
            f"{place} exists and is no report, so {what} does not take its place. Name {other}, or move that one away."
        )

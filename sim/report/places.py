"""Where a page may be written: its place is free, or a page of ours stands there."""

from __future__ import annotations

import os
from pathlib import Path

from ...contract.errors import InputError
from ...export import files

_OURS = b'<meta name="generator" content="spikeproof">'
"""Line of every page that is written here."""
_HEAD = 1024
"""Bytes of a page that hold it."""


def check(path: str | os.PathLike[str]) -> None:
    """Refuse a place for a page before the work for it is done.

    Parameters
    ----------
    path : path-like
        Where the page shall be.

    Raises
    ------
    InputError
        The folder cannot be written to, or what stands in the place is no page of spikeproof.
    """
    place = Path(path)
    files.check(place)
    if place.is_file() and place.stat().st_size and not _is_ours(place):
        raise InputError(
            f"{place} exists and is no report, so a page does not take its place. Name another file, or move that one "
            "away."
        )


def _is_ours(place: Path) -> bool:
    with open(place, "rb") as file:
        return _OURS in file.read(_HEAD)

"""The trained networks that come with the package, by their names."""

from __future__ import annotations

from pathlib import Path

from ...contract.errors import InputError
from ...export.quoted import did_you_mean

FOLDER = Path(__file__).parents[2] / "examples" / "pretrained"


def names() -> list[str]:
    """Return the names of the trained networks that come with the package."""
    return sorted(path.parent.name for path in FOLDER.glob("*/recipe.json"))


def folder_of(name: str) -> Path:
    """Return the folder of a trained network that comes with the package.

    Raises
    ------
    InputError
        None is called so.
    """
    if name not in names():
        near = did_you_mean(name, names())
        known = ", ".join(names()) or "none"
        raise InputError(f"No pretrained network is called {name!r}; in {FOLDER} are {known}.{near}")
    return FOLDER / name

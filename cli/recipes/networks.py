"""``spikeproof networks``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...contract.errors import InputError
from ...export.quoted import did_you_mean
from ...train.runs.score import told
from ..given.options import AsJson
from ..terminal import console
from ..terminal.tables import print_table

_FOLDER = Path(__file__).parents[2] / "examples" / "pretrained"


def names() -> list[str]:
    """Return the names of the trained networks that come with the package."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/recipe.json"))


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
        raise InputError(f"No pretrained network is called {name!r}; in {_FOLDER} are {known}.{near}")
    return _FOLDER / name


def networks(as_json: AsJson = False) -> None:
    """List the trained networks that come with spikeproof."""
    found: dict[str, dict[str, Any]] = {}
    for name in names():
        recipe, result = (json.loads((_FOLDER / name / f"{file}.json").read_text()) for file in ("recipe", "result"))
        found[name] = {
            "task": recipe["task"],
            "neuron": recipe["neuron"],
            "hidden": recipe["hidden"],
            **{key: result[key] for key in ("parameters", "metric", "test_score", "test_samples")},
            "file": str(_FOLDER / name / "net.net"),
        }
    if as_json:
        console.print_json(found)
        return
    rows = [
        (
            name,
            each["task"],
            each["neuron"],
            ", ".join(map(str, each["hidden"])),
            f"{each['parameters']:,}",
            told(each),
            each["metric"],
            f"{each['test_samples']:,}",
        )
        for name, each in found.items()
    ]
    print_table(("network", "task", "neuron", "hidden", "parameters", "score", "metric", "test samples"), rows)
    console.NOTE.print(f"They are in {_FOLDER}. spikeproof demo --pretrained NAME proves one.")

"""``spikeproof networks``."""

from __future__ import annotations

import json
from typing import Any

from ...train.runs.score import told
from ..given.options import AsJson
from ..given.pretrained import FOLDER, folder_of, names
from ..terminal import console
from ..terminal.tables import print_table


def networks(as_json: AsJson = False) -> None:
    """List the trained networks that come with spikeproof."""
    found: dict[str, dict[str, Any]] = {}
    for name in names():
        recipe, result = (json.loads((folder_of(name) / f"{file}.json").read_text()) for file in ("recipe", "result"))
        found[name] = {
            "task": recipe["task"],
            "neuron": recipe["neuron"],
            "hidden": recipe["hidden"],
            **{key: result[key] for key in ("parameters", "metric", "test_score", "test_samples")},
            "file": str(folder_of(name) / "net.net"),
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
    console.NOTE.print(f"They are in {FOLDER}. spikeproof demo --pretrained NAME proves one.")

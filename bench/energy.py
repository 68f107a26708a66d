"""Print what a step of each neuron of the grid `neurons` costs as papers count, from its measured firing rates.

python bench/energy.py bench/results/neurons.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from spikeproof.train.analysis import analyses
from spikeproof.train.runs.recipe import find

NAMES = {"ce-lif-float": "CE-LIF", "lif": "LIF", "plif": "PLIF", "alif": "ALIF", "glif": "GLIF", "lstm": "LSTM"}
BUDGET = "epochs=30"


def table(lines: list[dict[str, object]]) -> list[str]:
    """Return a row for each neuron, of the runs at its recipe's own learning rate."""
    runs = defaultdict(list)
    for line in lines:
        settings = [one for one in line["settings"] if not one.startswith("seed")]  # type: ignore[attr-defined]
        if settings[-1] == BUDGET:
            runs[tuple(settings)].append(line["result"])
    rows = ["| neuron | firing rates | MAC a step | AC a step | nJ a step | uJ a sample |", "|---|---|---|---|---|---|"]
    for settings, results in runs.items():
        recipe = find("digits-plain").replace(settings)
        if recipe.neuron not in NAMES:
            continue
        rates = np.mean([one["firing_rates"] for one in results], axis=0)  # type: ignore[index]
        task = recipe.load_task()
        cost = analyses.arithmetic(recipe, task, rates)  # type: ignore[arg-type]  # of a stack
        told = ", ".join(f"{rate:.2f}" for rate in rates) or "none"
        joules = cost.joules * 1e9
        steps = task.test.x.shape[-1]
        cells = NAMES[recipe.neuron], told, f"{cost.mac:,.0f}", f"{cost.ac:,.0f}"
        rows.append(f"| {' | '.join(cells)} | {joules:.2f} | {joules * steps / 1e3:.3f} |")
    return rows


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="results of the grid `neurons`")
    args = parser.parse_args()
    print("\n".join(table([json.loads(line) for line in args.lines.read_text().splitlines()])))


if __name__ == "__main__":
    main()

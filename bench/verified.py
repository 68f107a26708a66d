"""Verify networks of ``examples/pretrained`` over their whole test part: a line of JSON each.

A line has the counts of ``spikeproof verify NETWORK --samples all --json``, and what the answers are worth. A verdict
that is not exact ends the work. A network that has a line already gets a new one in its place.

    python bench/verified.py bench/results/verified.jsonl digits-spike-rnn etth1-day
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from grid import read
from grids.point import Line

from spikeproof.export.files import replacing
from spikeproof.sim.report.machine import cpu

PRETRAINED = Path(__file__).parents[1] / "examples" / "pretrained"


def measure(network: str, lava_samples: int) -> Line:
    """Verify one network with every register, and return its line."""
    command = (sys.executable, "-m", "spikeproof", "verify", str(PRETRAINED / network), "--samples", "all")
    options = ("--lava-samples", str(lava_samples), "--json")
    done = subprocess.run((*command, *options), stdout=subprocess.PIPE, text=True, check=True)  # 1: it is not exact
    return {"network": network, **told(json.loads(done.stdout)), "machine": {"cpu": cpu(), "cores": os.cpu_count()}}


def told(verdict: dict[str, Any]) -> Line:
    """Return what a line keeps of a verdict: accuracies in %, and the figures of forecasts as they are."""
    engine, lava = verdict["comparisons"]
    right, forecasts = verdict["right"], verdict["forecasts"]
    answers = right or forecasts
    line = {
        "samples": engine["samples"],
        "spikes": engine["spikes_fired"],
        "entries": engine["spikes_compared"],
        "registers": engine["registers_compared"],
        "same_answers": answers["engine"]["same"],
        "lava": [answers["lava"]["same"], lava["samples"]],
    }
    if right:
        counts = {"with_rounding": right["torch"], "without_rounding": verdict["right_float"]}
        shares = {name: one and round(100 * one["right"] / one["total"], 2) for name, one in counts.items()}
        return {**line, **shares, "same_class": verdict["gaps"]["float_to_fixed"].get("same_class")}
    moved = verdict["gaps"]["float_to_fixed"]["moved"]
    return {**line, "figures": forecasts["torch"]["figures"], "moved": moved}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="file of JSON lines; made if missing")
    parser.add_argument("networks", nargs="+", help="folders of examples/pretrained")
    parser.add_argument("--lava-samples", type=int, default=20, help="samples that Lava runs too (default 20)")
    asked = parser.parse_args()
    for network in asked.networks:
        line = measure(network, asked.lava_samples)
        lines = {one["network"]: one for one in read(asked.lines)} | {network: line}
        with replacing(asked.lines) as path:
            path.write_text("".join(json.dumps(one) + "\n" for one in lines.values()), encoding="utf-8")


if __name__ == "__main__":
    main()

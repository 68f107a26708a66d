"""Verify networks of ``examples/pretrained``, or runs, over their whole test part: a line of JSON each.

A line has the counts of ``spikeproof verify NETWORK --samples all --json``, and what the answers are worth. A verdict
that is not exact ends the work. A network that has a line already gets a new one in its place.

    python bench/verified.py bench/results/verified.jsonl digits-spike-rnn etth1-day
    python bench/verified.py bench/results/folded.jsonl runs/spike-rnn --lava-samples 5
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
    folder = PRETRAINED / network if (PRETRAINED / network).is_dir() else Path(network)
    command = (sys.executable, "-m", "spikeproof", "verify", str(folder), "--samples", "all")
    options = ("--lava-samples", str(lava_samples), "--json")
    done = subprocess.run((*command, *options), stdout=subprocess.PIPE, text=True, check=True)  # 1: it is not exact
    return {"network": folder.name, **told(json.loads(done.stdout)), "machine": {"cpu": cpu(), "cores": os.cpu_count()}}


def told(verdict: dict[str, Any]) -> Line:
    """Return what a line keeps of a verdict: accuracies in %, and the figures of forecasts as they are."""
    if len(verdict["comparisons"]) == 1:
        return of_float(verdict)
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


def of_float(verdict: dict[str, Any]) -> Line:
    """Return what a line keeps of a floating-point model, which its record is not equal to."""
    forecasts, (lava,) = verdict["forecasts"], verdict["comparisons"]
    return {
        "samples": forecasts["engine"]["samples"],
        "r2_float": verdict["forecasts_float"]["r2_code"],
        "r2_record": forecasts["engine"]["figures"]["r2_code"],
        "moved": verdict["gaps"]["float_to_fixed"]["moved"],
        "lava": [forecasts["lava"]["same"], lava["samples"]],
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="file of JSON lines; made if missing")
    parser.add_argument("networks", nargs="+", help="names of examples/pretrained, or folders of runs")
    parser.add_argument("--lava-samples", type=int, default=20, help="samples that Lava runs too (default 20)")
    asked = parser.parse_args()
    for network in asked.networks:
        line = measure(network, asked.lava_samples)
        lines = {one["network"]: one for one in read(asked.lines)} | {line["network"]: line}
        with replacing(asked.lines) as path:
            path.write_text("".join(json.dumps(one) + "\n" for one in lines.values()), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Compare oscillators that learn with published and with designed ones: the grid, and tables of its lines.

Every line is one training run. Runs that differ in `position` alone and have the same seed are a pair, and the table
has the mean difference of the pairs with its 95 % interval by Student's t. The factor on the learning rate of the
oscillators was chosen before, on the validation part and with other seeds: the grid "rates".

    python bench/oscillators.py run bench/results/oscillators.jsonl
    python bench/oscillators.py run bench/results/oscillator-rates.jsonl --grid rates
    python bench/oscillators.py table bench/results/oscillators.jsonl

A line alone is made by ``spikeproof train RECIPE --folder runs/one --set KEY=VALUE ...`` with its recipe and settings.
"""

from __future__ import annotations

import argparse
import functools
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grid
from scipy import stats

from spikeproof.train import tasks

Line = dict[str, Any]
"""Of a file that this script writes."""
POSITIONS = ("cpg", "cpg-designed", "cpg-learned")
_READ = ("model=spike-rnn", "neuron=lif", "hidden=64", "depth=1", "encoder=repeat", "spike_steps=2")
_SMALL = ("batch_size=64", "learning_rate=0.01", "epochs=25")
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ETTh1, six hours from 24, N = 40": ("etth1-spike-rnn", ()),
    "digits pixel by pixel, N = 8": ("digits-plain", (*_READ, *_SMALL, "position_channels=8")),
    "digits pixel by pixel, N = 16": ("digits-plain", (*_READ, *_SMALL, "position_channels=16")),
}
"""What it is called -> recipe and settings: an exported integer network, and codes that alone tell the order."""
RATES = {"etth1-spike-rnn": "1", "digits-plain": "0.1"}
"""Recipe -> position_rate, the best one on the validation part for seeds 10 and 11."""
_SEEDS, _SEARCHED = range(5), (10, 11)


def _of(position: str, rate: str) -> tuple[str, ...]:
    """Return the settings of an encoding; a designed one has no w_max."""
    if position == "cpg-designed":
        return f"position={position}", "position_w_max=10000"
    return (f"position={position}", f"position_rate={rate}") if position == "cpg-learned" else (f"position={position}",)


def points() -> list[grid.Point]:
    """Return the grid that is compared, a whole round of points a seed."""
    return [
        (recipe, (*settings, *_of(position, RATES[recipe]), f"seed={seed}"))
        for recipe, settings in TASKS.values()
        for seed in _SEEDS
        for position in POSITIONS
    ]


def rate_points() -> list[grid.Point]:
    """Return the grid that chooses the rates; the digits have no validation part but what is held out."""
    chosen = [TASKS[name] for name in list(TASKS)[:2]]
    return [
        (recipe, (*settings, *held_out, *_of("cpg-learned", rate), f"seed={seed}"))
        for recipe, settings in chosen
        for held_out in ((("validation=0.1",) if recipe == "digits-plain" else ()),)
        for seed in _SEARCHED
        for rate in ("0.1", "0.3", "1", "3")
    ]


GRIDS = {"compare": points, "rates": rate_points}


class Score(NamedTuple):
    """What counts of a line: R² as the authors' code has it, or the accuracy, both times 100."""

    task: str
    position: str
    seed: int
    value: float


def score(line: Line) -> Score:
    """Return what counts of a line of the grid "compare"."""
    named = dict(one.split("=", 1) for one in line["settings"])
    for task, (recipe, settings) in TASKS.items():
        if line["recipe"] == recipe and set(settings) <= set(line["settings"]):
            measures = line["result"]["measures"]
            value = measures["r2_code"] if "r2_code" in measures else line["result"]["test_score"]
            return Score(task, named["position"], int(named["seed"]), 100 * value)
    raise ValueError(f"{line['recipe']} with {line['settings']} is no point of the grid.")


def table(lines: Sequence[Line]) -> str:
    """Return a Markdown table, a row a task."""
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for one in map(score, lines):
        found[one.task][one.position][one.seed] = one.value
    rows = [
        "| | seeds | published | designed | learned | learned - published | learned - designed |",
        "|---|---|---|---|---|---|---|",
    ]
    for task, by_position in found.items():
        seeds = sorted(set.intersection(*(set(by_position[position]) for position in POSITIONS)))
        values = {position: [by_position[position][seed] for seed in seeds] for position in POSITIONS}
        means = [f"{statistics.fmean(of):.1f} ± {statistics.stdev(of):.1f}" for of in values.values()]
        gains = [
            interval([ours - theirs for ours, theirs in zip(values["cpg-learned"], values[other], strict=True)])
            for other in POSITIONS[:2]
        ]
        rows.append(f"| {' | '.join([task, str(len(seeds)), *means, *gains])} |")
    return "\n".join(rows)


def interval(differences: Sequence[float]) -> str:
    """Return the mean of differences and half of its 95 % interval, and how many of them are above and below 0."""
    count = len(differences)
    half = float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    wins, losses = (sum(sign * one > 0 for one in differences) for sign in (1, -1))
    return f"{statistics.fmean(differences):+.1f} ± {half:.1f}, {wins} : {losses}"


def run(todo: Sequence[grid.Point], path: Path, folder: Path) -> None:
    """Train every point that has no line yet."""
    tasks.load = functools.lru_cache(2)(tasks.load)
    done = {(line["recipe"], tuple(line["settings"])) for line in grid.read(path)}
    for point in todo:
        if point not in done:
            grid.append(path, grid.train(point, folder))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="train what has no line yet")
    runs.add_argument("lines", type=Path, help="file of JSON lines; made if missing")
    runs.add_argument("--grid", choices=sorted(GRIDS), default="compare")
    runs.add_argument("--folder", type=Path, default=Path("runs/oscillators"), help="folder for the runs")
    commands.add_parser("table", help="print a table of lines").add_argument("lines", type=Path)
    asked = parser.parse_args()
    if asked.command == "run":
        run(GRIDS[asked.grid](), asked.lines, asked.folder)
    else:
        print(table(grid.read(asked.lines)))


if __name__ == "__main__":
    main()

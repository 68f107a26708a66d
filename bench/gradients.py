"""Draw how far back in time the answer of trained copy networks depends on their spikes, a panel a run.

The loss is that of the ten steps of the answer alone: what it says of earlier steps came through the neurons' memory.

    python bench/gradients.py runs/grid/memory/copy-*length100*epochs10 --figure docs/gradients.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spikeproof.train.analysis import analyses
from spikeproof.train.analysis import figures as analysis_figures
from spikeproof.train.runs.build import build
from spikeproof.train.runs.run import Run
from spikeproof.train.tasks.objectives import UNLABELLED
from spikeproof.train.tasks.task import Split

Norms = dict[str, analysis_figures.Array]


def norms(run: Run, samples: int) -> Norms:
    """Return the gradient norms of each hidden layer by step, over the first test samples."""
    task = run.recipe().load_task()
    module = run.load_into(build(run.recipe(), task))
    some = task.test.take(np.arange(samples))
    answer = Split(some.x, np.where(some.y == 0, UNLABELLED, some.y))
    return analyses.gradients_over_time(module, answer, task.objective)


def figure(panels: dict[str, Norms]) -> Figure:
    """Draw the norms, a panel a network."""
    drawn = Figure(figsize=(4 * len(panels), 3.4), layout="constrained")
    axes = drawn.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (name, found) in zip(axes, panels.items(), strict=True):
        analysis_figures.gradient_lines(axis, found)
        axis.set(title=name, ylim=(1e-7, 2))
    axes[0].set_ylabel("gradient of the answer's loss, largest = 1")
    return drawn


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs of the copy problem")
    parser.add_argument("--figure", type=Path, required=True, help="picture to write")
    parser.add_argument("--samples", type=int, default=64)
    asked = parser.parse_args()
    panels = {}
    for folder in asked.runs:
        run = Run.open(folder)
        recipe = run.recipe()
        kind = f"{recipe.neuron}{', recurrent' if recipe.recurrent else ''}"
        panels[f"{kind}, T = {recipe.length}, {recipe.epochs} epochs"] = norms(run, asked.samples)
    analysis_figures.save(figure(panels), asked.figure)


if __name__ == "__main__":
    main()

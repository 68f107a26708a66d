"""Draw how trained networks of different neurons learned, and the loss around them, a column a run.

The directions are random and as long as the parameters are, see `analyses.loss_landscape`.

    python bench/landscapes.py runs/ce-lif runs/lif runs/alif --figure docs/landscapes.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spikeproof.train.analysis import analyses
from spikeproof.train.analysis import figures as analysis_figures
from spikeproof.train.runs.run import Run


def landscape(run: Run, samples: int) -> tuple[analyses.Array, analyses.Array]:
    """Return places and losses around a run's network, over the first test samples."""
    trained = run.load(to_export=False)
    some = trained.task.test.take(np.arange(min(samples, len(trained.task.test.y))))
    return analyses.loss_landscape(trained.module, some, trained.task.objective)


def figure(runs: dict[str, Run], samples: int) -> tuple[Figure, list[dict[str, object]]]:
    """Draw runs by name, and return what was drawn of each."""
    drawn, lines = Figure(figsize=(4.2 * (len(runs) + 1), 7), layout="constrained"), []
    grid = drawn.add_gridspec(2, len(runs) + 1)
    loss, score = drawn.add_subplot(grid[0, 0]), drawn.add_subplot(grid[1, 0])
    for column, (name, run) in enumerate(runs.items(), start=1):
        curve, (places, around) = analyses.learning_curve(run), landscape(run, samples)
        loss.plot(curve["epoch"], curve["loss"], label=name)
        score.plot(curve["epoch"], curve["train_score"], label=name)
        flat = drawn.add_subplot(grid[0, column])
        filled = flat.contourf(places, places, around.T, levels=20, cmap="viridis")
        flat.plot(0, 0, "w+")
        flat.set(title=name, aspect="equal", xlabel="first direction", ylabel="second")
        drawn.colorbar(filled, ax=flat, shrink=0.7)
        surface = drawn.add_subplot(grid[1, column], projection="3d")
        surface.plot_surface(*np.meshgrid(places, places), around.T, cmap="viridis")  # type: ignore[attr-defined]
        surface.set(xlabel="first", ylabel="second", zlabel="loss")
        middle, recipe = len(places) // 2, run.recipe()
        line = {"run": name, "task": recipe.task, "neuron": recipe.neuron, "epochs": recipe.epochs, "seed": recipe.seed}
        line |= {"samples": samples, "loss": float(around[middle, middle]), "lowest": float(around.min())}
        rise = [around[middle + 3, middle], around[middle - 3, middle], around[middle, middle + 3]]
        nearby = np.mean([*rise, around[middle, middle - 3]])  # a fifth of the parameters' length away
        lines.append(line | {"three_steps_away": float(nearby), "highest": float(around.max())})
    loss.set(xlabel="epoch", ylabel="training loss", yscale="log")
    score.set(xlabel="epoch", ylabel="score while training")
    loss.legend(frameon=False)
    return drawn, lines


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--samples", type=int, default=128, help="test samples of the loss")
    parser.add_argument("--figure", type=Path, required=True, help="picture to write")
    args = parser.parse_args()
    drawn, lines = figure({path.name: Run.open(path) for path in args.runs}, args.samples)
    analysis_figures.save(drawn, args.figure)
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main()

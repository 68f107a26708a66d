"""What trained sequence models do inside: what an answer costs, and which position a layer's spikes tell.

Energy is counted from the spikes of test samples, as papers count; `spikeproof.train.analysis.operations` says how.

A probe is a linear map: the spikes of a layer at a position, averaged over the spike steps, are its features, and a
ridge regression to the position as one of L classes is fitted on half of the samples and judged on the other half.
Guessing gets 1 / L. In a text, positions behind the last word are left out: nothing but a code is heard there. Since
all sentences have a first word and few a last position, always naming the most frequent one gets more than 1 / L.

    python bench/inside.py bench/results/inside.jsonl runs/grid/converged/*
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grid
import numpy as np
import numpy.typing as npt
import torch
from grids import converged
from grids.point import Line
from rich.console import Console
from rich.progress import track
from torch import nn

from spikeproof.train.analysis import operations
from spikeproof.train.runs.recipe import Recipe
from spikeproof.train.runs.run import Run
from spikeproof.train.tasks.task import Split
from spikeproof.train.tasks.text import PADDING

SAMPLES = 512
"""The first windows of a forecast, where there are as many; of what is classified, samples drawn with the seed 0."""
_RIDGE = 1e-3


class Probed(NamedTuple):
    """What a layer's spikes tell of the position."""

    layer: str
    exact: float
    """Share of positions that are named rightly."""
    near: float
    """Share of those that are at most one off."""


def probe(module: nn.Module, x: torch.Tensor, real: torch.Tensor | None = None) -> list[Probed]:
    """Return what each layer with neurons tells, in the order in which they run, for inputs of shape (N, C, L).

    `real`, bool of shape (N, L), says which positions count; without it all do.
    """
    seen: list[tuple[str, torch.Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, spikes, name=name: seen.append((name, spikes.mean(0))))
        for name, layer in module.eval().named_modules()
        if hasattr(layer, "neuron")
    ]
    try:
        with torch.no_grad():
            module(x)
    finally:
        for hook in hooks:
            hook.remove()
    counted = torch.ones(len(x), x.shape[-1], dtype=torch.bool) if real is None else real
    return [Probed(name, *_told(spikes.double(), counted)) for name, spikes in seen]


def _told(spikes: torch.Tensor, real: torch.Tensor) -> tuple[float, float]:
    """Return how often a linear map of spikes, shape (N, L, D), names the position, and is at most one off."""
    length, half = spikes.shape[1], len(spikes) // 2
    with_one = torch.cat([spikes, spikes.new_ones(*spikes.shape[:2], 1)], dim=-1)
    at = torch.arange(length).expand(len(spikes), length)
    fitted, judged = with_one[:half][real[:half]], with_one[half:][real[half:]]
    positions = torch.eye(length, dtype=spikes.dtype)[at[:half][real[:half]]]
    gram = fitted.T @ fitted + _RIDGE * len(fitted) * torch.eye(fitted.shape[1], dtype=spikes.dtype)
    found = (judged @ torch.linalg.solve(gram, fitted.T @ positions)).argmax(-1)
    off = (found - at[half:][real[half:]]).abs()
    return float((off == 0).double().mean()), float((off <= 1).double().mean())


def chance(real: torch.Tensor) -> float:
    """Return how often always naming the most frequent position is right."""
    judged = real[len(real) // 2 :]
    return int(judged.sum(0).max()) / int(judged.sum())


def samples(recipe: Recipe, test: Split) -> npt.NDArray[Any]:
    """Return the test samples that are looked into."""
    if recipe.task in converged.FORECASTS:
        return test.x[:SAMPLES].copy()
    return test.x[np.sort(np.random.default_rng(0).permutation(len(test.x))[:SAMPLES])]


def measure(folder: Path) -> Line:
    """Return the line of a finished run."""
    trained = Run(folder).load()
    recipe = trained.run.recipe()
    x = samples(recipe, trained.task.test)
    real = torch.from_numpy(x[:, 0] != PADDING if x.dtype.kind == "i" else np.ones((len(x), x.shape[-1]), bool))
    spiking = recipe.model in converged.SPIKING
    return {
        "run": folder.name,
        "dataset": recipe.task,
        "horizon": recipe.horizon if recipe.task in converged.FORECASTS else 0,
        "model": recipe.model,
        "position": recipe.position,
        "seed": recipe.seed,
        "samples": len(x),
        "positions": x.shape[-1],
        "chance": round(chance(real), 4),
        "parts": {name: [round(one.mac), round(one.ac)] for name, one in operations.count(trained.module, x).items()},
        "probes": [
            [one.layer, round(one.exact, 4), round(one.near, 4)]
            for one in probe(trained.module, torch.from_numpy(x), real)
        ]
        if spiking
        else [],
    }


def measure_all(path: Path, folders: Sequence[Path]) -> None:
    """Add a line for every finished run that is reported and has none."""
    done = {line["run"] for line in grid.read(path)}
    finished = [one for one in folders if one.name not in done and Run(one).finished and _is_reported(one)]
    for folder in track(finished, "measuring", console=Console(stderr=True)):
        grid.append(path, measure(folder))


def _is_reported(folder: Path) -> bool:
    """Return whether a run is one of the first table's: it chose no rate and does not vary CPG-PE."""
    recipe = Run(folder).recipe()
    usual = {"position_channels": 40, "position_w_max": 10000.0, "position_threshold": 0.8, "attention": "product"}
    steps = dict(one.split("=") for one in converged.DATASETS[recipe.task]).get("spike_steps", "4")
    return (
        recipe.seed != converged.RATE_SEED
        and all(getattr(recipe, key, value) == value for key, value in usual.items())
        and (recipe.model in converged.REAL or recipe.spike_steps == int(steps))
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="file that gets a line for each run that has none")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs of the grid `converged`")
    asked = parser.parse_args()
    measure_all(asked.lines, asked.runs)


if __name__ == "__main__":
    main()

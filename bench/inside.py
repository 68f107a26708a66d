"""What trained sequence models do inside: what an answer costs, and which position a layer's spikes tell.

Energy is counted from the spikes of test samples, as papers count; `spikeproof.train.analysis.operations` says how.

A probe is a linear map: the spikes of a layer at a position, averaged over the spike steps, are its features, and a
ridge regression to the position as one of L classes is fitted on half of the samples and judged on the other half.
Guessing gets 1 / L.

    python bench/inside.py bench/results/inside.jsonl runs/grid/converged/*
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import grid
import torch
from grids import converged
from grids.point import Line
from rich.console import Console
from rich.progress import track
from torch import nn

from spikeproof.train.analysis import operations
from spikeproof.train.runs.run import Run

SAMPLES = 512
_RIDGE = 1e-3


class Probed(NamedTuple):
    """What a layer's spikes tell of the position."""

    layer: str
    exact: float
    """Share of positions that are named rightly."""
    near: float
    """Share of those that are at most one off."""


def probe(module: nn.Module, x: torch.Tensor) -> list[Probed]:
    """Return what each layer with neurons tells, in the order in which they run, for inputs of shape (N, C, L)."""
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
    return [Probed(name, *_told(spikes.double())) for name, spikes in seen]


def _told(spikes: torch.Tensor) -> tuple[float, float]:
    """Return how often a linear map of spikes, shape (N, L, D), names the position, and is at most one off."""
    length, half = spikes.shape[1], len(spikes) // 2
    with_one = torch.cat([spikes, spikes.new_ones(*spikes.shape[:2], 1)], dim=-1)
    fitted, judged = with_one[:half].flatten(0, 1), with_one[half:]
    positions = torch.eye(length, dtype=spikes.dtype).repeat(half, 1)
    gram = fitted.T @ fitted + _RIDGE * len(fitted) * torch.eye(fitted.shape[1], dtype=spikes.dtype)
    found = (judged @ torch.linalg.solve(gram, fitted.T @ positions)).argmax(-1)
    off = (found - torch.arange(length)).abs()
    return float((off == 0).double().mean()), float((off <= 1).double().mean())


def measure(folder: Path) -> Line:
    """Return the line of a finished run."""
    trained = Run(folder).load()
    recipe = trained.run.recipe()
    x = trained.task.test.x[:SAMPLES].copy()
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
        "parts": {name: [round(one.mac), round(one.ac)] for name, one in operations.count(trained.module, x).items()},
        "probes": [
            [one.layer, round(one.exact, 4), round(one.near, 4)] for one in probe(trained.module, torch.from_numpy(x))
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

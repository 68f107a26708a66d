"""Which position a layer's spikes tell: a linear probe of trained sequence models, a row a layer, Markdown.

The spikes of a layer at a position, averaged over the spike steps, are the features; a ridge regression to the position
as one of L classes is fitted on half of the test samples and judged on the other half. Guessing gets 1 / L.

    python bench/probe.py runs/grid/converged/RUN ...
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

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


def table(folders: list[Path]) -> str:
    """Return the table of some runs."""
    rows = ["| dataset | model | position | layer | position named | at most one off | by chance |", "|---" * 7 + "|"]
    for folder in folders:
        trained = Run(folder).load()
        recipe = trained.run.recipe()
        x = torch.as_tensor(trained.task.test.x[:SAMPLES].copy())
        what = f"| {recipe.task} | {recipe.model} | {getattr(recipe, 'position', 'none')} | "
        for one in probe(trained.module, x):
            rows.append(f"{what}{one.layer} | {one.exact:.1%} | {one.near:.1%} | {1 / x.shape[-1]:.1%} |")
    return "\n".join(rows)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    print(table(parser.parse_args().runs))


if __name__ == "__main__":
    main()

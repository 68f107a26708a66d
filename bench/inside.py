"""What trained sequence models do inside: what an answer costs, and which position a layer's spikes tell.

Energy is counted from the spikes of test samples, as papers count; `spikeproof.train.analysis.operations` says how.

A probe is a linear map: the spikes of a layer at a position, averaged over the spike steps, are its features, and a
ridge regression to the position as one of L classes is fitted on half of the samples and judged on the other half.
Guessing gets 1 / L.

    python bench/inside.py measure bench/results/inside.jsonl runs/grid/converged/*
    python bench/inside.py tables bench/results/inside.jsonl --into docs/results.md
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import converged
import converged_tables
import grid
import torch
from rich.console import Console
from rich.progress import track
from torch import nn

from spikeproof.export.arithmetic import Arithmetic
from spikeproof.train.analysis import operations
from spikeproof.train.runs.run import Run

SAMPLES = 512
_RIDGE = 1e-3

Line = dict[str, Any]


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
        recipe.seed in converged.SEEDS
        and all(getattr(recipe, key, value) == value for key, value in usual.items())
        and (recipe.model in converged.REAL or recipe.spike_steps == int(steps))
    )


def _place(line: Line) -> tuple[Any, ...]:
    listed = (*converged.FIRST, *converged.REST)
    datasets, models = [*converged.DATASETS], [*converged.MODELS]
    dataset, model = datasets.index(line["dataset"]), models.index(line["model"])
    return dataset, line["horizon"], model, listed.index(line["position"]), line["seed"]


def _groups(lines: Iterable[Line]) -> Iterable[tuple[list[str], list[Line]]]:
    """Return the first cells of a row, and the lines of all its seeds."""
    ordered = sorted(lines, key=_place)
    for _, group in itertools.groupby(ordered, lambda line: _place(line)[:-1]):
        same = list(group)
        first = same[0]
        dataset = f"{first['dataset']}, {first['horizon']}" if first["horizon"] else first["dataset"]
        yield [dataset, first["model"], first["position"], str(len(same))], same


def energy(lines: Iterable[Line]) -> str:
    """Return the table of what an answer costs."""
    rows = [
        "| dataset, horizon | model | position | seeds | MAC | AC | µJ an answer | µJ of the code |",
        "|---" * 8 + "|",
    ]
    for cells, same in _groups(lines):
        whole = [_sum(line["parts"].values()) for line in same]
        code = [_sum([line["parts"].get(operations.CODE, (0, 0))]) for line in same]
        mac, ac = (statistics.fmean(getattr(one, of) for one in whole) for of in ("mac", "ac"))
        spent = converged_tables.spread([one.joules * 1e6 for one in whole], 2)
        of_code = statistics.fmean(one.joules for one in code) * 1e6
        cells += [f"{mac:,.0f}", f"{ac:,.0f}", spent, f"{of_code:.2f}" if of_code else ""]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _sum(parts: Iterable[Sequence[float]]) -> Arithmetic:
    mac, ac = (sum(of) for of in zip(*parts, strict=True))
    return Arithmetic(mac=mac, ac=ac)


def told(lines: Iterable[Line]) -> str:
    """Return the table of how often the spikes of the encoder, the first and the last layer name a position, in %."""
    head = "| dataset, horizon | model | position | seeds | by chance | encoder | first layer | last layer |"
    rows = [head, "|---" * 8 + "|"]
    for cells, same in _groups(line for line in lines if line["probes"]):
        columns = zip(*([exact for _, exact, _ in line["probes"]] for line in same), strict=True)
        shares = [converged_tables.spread([100 * share for share in column]) for column in columns]
        names = [name for name, *_ in same[0]["probes"]]
        chance = f"{100 / same[0]['positions']:.1f}"
        cells += [chance, shares[names.index("encoder")], shares[names.index("first")], shares[-1]]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


BEGIN, END = "<!-- tables of inside.jsonl -->", "<!-- end of the tables of inside.jsonl -->"


def write_into(path: Path, lines: Sequence[Line]) -> None:
    """Put the tables between the two marks of a page."""
    text = path.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    path.write_text(f"{before}{BEGIN}\n\n{energy(lines)}\n\n{told(lines)}\n\n{after}", encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measured = commands.add_parser("measure", help="add a line for each run that has none")
    measured.add_argument("lines", type=Path)
    measured.add_argument("runs", type=Path, nargs="+", help="folders of runs of the grid `converged`")
    written = commands.add_parser("tables", help="print the tables")
    written.add_argument("lines", type=Path)
    written.add_argument("--into", type=Path, help="page whose tables are replaced, docs/results.md")
    asked = parser.parse_args()
    if asked.command == "measure":
        measure_all(asked.lines, asked.runs)
    elif asked.into:
        write_into(asked.into, grid.read(asked.lines))
    else:
        lines = grid.read(asked.lines)
        print(f"{energy(lines)}\n\n{told(lines)}")


if __name__ == "__main__":
    main()

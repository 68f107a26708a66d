"""Train a named grid of recipes one after another: a line of JSON a run, and a table of the lines.

A line holds what was asked for, the result and the learning curve. Runs that have a line are skipped, and one that was
killed goes on after its last whole epoch, so a grid can be started again as often as it takes.

    python bench/grid.py run ablation bench/results/ablation.jsonl
    python bench/grid.py table bench/results/ablation.jsonl
    python bench/grid.py compare bench/results/positions.jsonl
    python bench/grid.py delays bench/results/delays.jsonl
    python bench/grid.py plan converged
    python bench/grid.py run converged bench/results/converged.jsonl
    python bench/grid.py converged bench/results/converged.jsonl --into docs/results.md
"""

from __future__ import annotations

import argparse
import csv
import functools
import itertools
import json
import multiprocessing
import os
import signal
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import converged
import converged_tables
import delays
import positions
from rich.console import Console
from rich.progress import track

from spikeproof.train import tasks
from spikeproof.train.neurons import EMBEDDINGS
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import find

Point = tuple[str, tuple[str, ...]]
"""A recipe and the settings that change it."""

_NEURONS = ("ce-lif", "ce-lif-float", "lif", "plif", "alif", "glif", "ltmd")
_SMALL_LSTM = "hidden=48,32"  # 20,618 parameters beside CE-LIF's 20,202
_PEER_LSTM = "hidden=56,56"  # 39,033 parameters beside CE-LIF's 37,953 at 100 steps


_MANY = 10
"""Seeds of what takes less than a minute; with three, differences below a point are chance."""


def _seeds(points: Sequence[Point], count: int = 3) -> list[Point]:
    """Return the points with every seed, a whole round of points a seed."""
    return [(recipe, (*settings, f"seed={seed}")) for seed in range(count) for recipe, settings in points]


def _memory() -> list[Point]:
    """Return the adding and copy problems at two lengths, the short ones first."""
    contenders = {
        "ce-lif": ("hidden=64,128,128",),
        "lstm": (_PEER_LSTM,),
        "alif": ("hidden=64,128,128", "recurrent=true"),
    }
    lengths = {"epochs=10": (("adding", 100), ("copy", 100)), "epochs=4": (("adding", 400), ("copy", 300))}
    points = [
        (task, (f"neuron={neuron}", f"length={length}", *settings, epochs))
        for epochs, tasks in lengths.items()
        for neuron, settings in contenders.items()
        for task, length in tasks
    ]
    longer = [
        (task, (f"neuron={neuron}", f"length={length}", *contenders[neuron], f"epochs={epochs}"))
        for task, length, neuron, epochs in (
            ("adding", 400, "ce-lif", 10),
            ("adding", 400, "ce-lif", 30),
            ("adding", 400, "lstm", 30),
            ("copy", 300, "ce-lif", 30),
            ("adding", 100, "lstm", 30),
            ("adding", 100, "ce-lif", 30),
            ("copy", 100, "ce-lif", 30),
            ("copy", 100, "lstm", 30),
        )
    ]
    return [*points, *longer]


def _neurons() -> list[Point]:
    """Return every neuron at the recipe's learning rate, and at a smaller one with clipped gradients.

    The best of the others and the LSTM get five times the budget too, with one seed.
    """
    kinds: list[tuple[str, ...]] = [*((f"neuron={name}",) for name in _NEURONS), ("neuron=lstm", _SMALL_LSTM)]
    slow = ("learning_rate=3e-3", "gradient_clip=1.0")
    points: list[Point] = [("digits-plain", (*kind, "epochs=30", *rate)) for rate in ((), slow) for kind in kinds]
    slowest = (("neuron=glif",), ("neuron=lstm", _SMALL_LSTM))
    longer: list[Point] = [("digits-plain", (*kind, "epochs=150", *slow)) for kind in slowest]
    return [*_seeds(points, _MANY), *_seeds(longer, 1)]


def _embeddings() -> list[Point]:
    """Return the paper's ablation at 14x14 pixels, 196 steps, with every third image and the paper's larger network."""
    network = ("neuron=ce-lif-float", "hidden=64,152,152", "scales=", "ends=stop", "te_exp=9")
    budget = ("shrink=2", "stride=3", "epochs=30")
    return [
        (f"{task}-long", (*network, *budget, f"embedding={name}"))
        for name in EMBEDDINGS
        for task in ("s-mnist", "ps-mnist")
    ]


def _order() -> list[Point]:
    """Return digits without a recurrence or an encoder that knows their order: nothing but the code tells it."""
    model = ("model=spike-rnn", "neuron=lif", "hidden=64", "depth=1", "encoder=repeat", "spike_steps=2")
    small = ("batch_size=64", "learning_rate=0.01", "epochs=25")
    codes = [
        (f"position={code}", f"position_channels={channels}")
        for channels in (8, 16, 40)
        for code in ("cpg", "cpg-designed")
    ]
    return [("digits-plain", (*model, *small, *code)) for code in (*codes, ("position=none",))]


GRIDS: dict[str, list[Point]] = {
    "ablation": _seeds(
        [("digits-plain", ("neuron=ce-lif-float", f"embedding={name}", "epochs=30")) for name in EMBEDDINGS], _MANY
    ),
    "embeddings": _seeds(_embeddings()),
    "neurons": _neurons(),
    "rates": _seeds([("digits", (f"rate_penalty={penalty}",)) for penalty in (0.0, 0.003, 0.01, 0.03, 0.1)], _MANY),
    "driven": _seeds([("digits", ()), ("digits-driven", ())], _MANY),
    "memory": _memory(),
    "order": _seeds(_order(), _MANY),
    "positions": _seeds(positions.points()),
    "delay-rates": delays.rate_points(),
    "delays": delays.points(),
}
"""Name -> points, in the order in which they are trained."""
GROWING: dict[str, Callable[[Sequence[dict[str, Any]]], list[Point]]] = {"converged": converged.points}
"""Name -> a function of the lines that there are, which returns the points to train next and none at the end."""


def run(name: str, path: Path, folder: Path, jobs: int = 1, first: int | None = None) -> None:
    """Train every point of a grid, or of its first ones, that has no line yet."""
    while todo := _left(name, read(path), first):
        _run_all(name, todo, path, folder, jobs)
        if name in GRIDS or first is not None:
            break


def _left(name: str, lines: list[dict[str, Any]], first: int | None) -> list[Point]:
    """Return the points to train next."""
    if name in GROWING:
        return GROWING[name](lines)[:first]
    done = {(line["recipe"], tuple(line["settings"])) for line in lines}
    return [point for point in GRIDS[name][:first] if point not in done]


def _run_all(name: str, todo: Sequence[Point], path: Path, folder: Path, jobs: int) -> None:
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(jobs, context, _keep_tasks) as pool:
        trained = [pool.submit(train, point, folder / name) for point in todo]
        try:
            for one in track(as_completed(trained), name, len(todo), console=Console(stderr=True)):
                append(path, one.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _keep_tasks() -> None:
    """Load a process's tasks once: a run's data are most often those of the run before."""
    tasks.load = functools.lru_cache(2)(tasks.load)


def train(point: Point, folder: Path) -> dict[str, Any]:
    """Train a point and return its line."""
    recipe, settings = point
    place = folder / "-".join([recipe, *settings]).replace("=", "").replace(",", "x")
    trained = fit(find(recipe).replace(settings), place)
    with open(place / "log.csv", encoding="utf-8", newline="") as log:
        curve = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(log)]
    return {"recipe": recipe, "settings": settings, "result": trained.result(), "curve": curve}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines that there are; a last one that was not written to its end is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line, in place of one that was not written to its end, and see to it that it is on the disk."""
    with open(path, "a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def table(lines: list[dict[str, Any]]) -> str:
    """Return a Markdown table, a row for the seeds of one setting."""
    rows = [
        "| recipe | settings | parameters | seeds | test score | test loss | firing rates | seconds a run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (recipe, settings), group in itertools.groupby(sorted(lines, key=_setting), _setting):
        results = [line["result"] for line in group]
        layers = zip(*(one["firing_rates"] or () for one in results), strict=True)
        rates = ", ".join(f"{statistics.mean(of):.3f}" for of in layers) or "-"
        scores, losses = ([one[key] for one in results] for key in ("test_score", "test_loss"))
        seconds = statistics.mean(one["seconds"] for one in results)
        rows.append(
            f"| `{recipe}` | {', '.join(settings) or '-'} | {results[0]['parameters']:,} | {len(results)} | "
            f"{_spread(scores)} | {_spread(losses)} | {rates} | {seconds:.0f} |"
        )
    return "\n".join(rows)


def _setting(line: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    return line["recipe"], tuple(one for one in line["settings"] if not one.startswith("seed="))


def _spread(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.4f}"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="train what has no line yet")
    runs.add_argument("grid", choices=sorted([*GRIDS, *GROWING]))
    runs.add_argument("lines", type=Path, help="file of JSON lines; made if missing")
    runs.add_argument("--first", type=int, help="only so many points of the grid")
    runs.add_argument("--folder", type=Path, default=Path("runs/grid"), help="folder for the runs")
    runs.add_argument("-j", "--jobs", type=int, default=1, help="processes, of one thread each (default 1)")
    commands.add_parser("table", help="print a table of lines").add_argument("lines", type=Path)
    commands.add_parser("compare", help="compare positional encodings").add_argument("lines", type=Path)
    commands.add_parser("delays", help="compare delays").add_argument("lines", type=Path)
    of_converged = commands.add_parser("converged", help="tables of encodings in converged networks")
    of_converged.add_argument("lines", type=Path)
    of_converged.add_argument("--into", type=Path, help="page whose tables are replaced, docs/results.md")
    commands.add_parser("plan", help="print what a grid trains").add_argument("grid", choices=sorted(GROWING))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the processes of a grid end with it
    if asked.command == "run":
        run(asked.grid, asked.lines, asked.folder, asked.jobs, asked.first)
    elif asked.command == "converged" and asked.into:
        converged_tables.write_into(asked.into, read(asked.lines))
    elif asked.command == "plan":
        print(converged.plan())
    else:
        tables = {"table": table, "compare": positions.tables, "delays": delays.table}
        tables["converged"] = converged_tables.tables
        print(tables[asked.command](read(asked.lines)))


if __name__ == "__main__":
    main()

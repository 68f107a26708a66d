"""Train a named grid of recipes one after another: a line of JSON a run, and a table of the lines.

A line holds what was asked for, the result and the learning curve, column by column. Runs that have a line are skipped,
and one that was killed goes on after its last whole epoch, so a grid can be started again as often as it takes.

    python bench/grid.py run ablation bench/results/ablation.jsonl
    python bench/grid.py table bench/results/ablation.jsonl
    python bench/grid.py run converged bench/results/converged.jsonl
    python bench/grid.py plan converged

`bench/grids` has the grids, and `bench/docs.py` makes the tables of the documentation from lines.
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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from grids import GRIDS, GROWING, converged
from grids.point import Line, Point
from pages import markdown
from rich.console import Console
from rich.progress import track

from spikeproof.sim.report.machine import cpu
from spikeproof.train import tasks
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import find


def run(name: str, path: Path, folder: Path, jobs: int = 1, first: int | None = None) -> None:
    """Train every point of a grid, or of its first ones, that has no line yet."""
    while todo := _left(name, read(path), first):
        _run_all(name, todo, path, folder, jobs)
        if name in GRIDS or first is not None:
            break


def _left(name: str, lines: list[Line], first: int | None) -> list[Point]:
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


def train(point: Point, folder: Path) -> Line:
    """Train a point and return its line."""
    recipe, settings = point
    place = folder / "-".join([recipe, *settings]).replace("=", "").replace(",", "x")
    trained = fit(find(recipe).replace(settings), place)
    with open(place / "log.csv", encoding="utf-8", newline="") as log:
        rows = list(csv.DictReader(log))
    columns = [key for key in rows[0] if any(row[key] for row in rows)]
    curve = {key: [float(row[key]) if row[key] else None for row in rows] for key in columns}
    machine = {"cpu": cpu(), "cores": os.cpu_count(), "threads": trained.recipe().threads}
    return {"recipe": recipe, "settings": settings, "result": trained.result(), "curve": curve, "machine": machine}


def read(path: Path) -> list[Line]:
    """Return the lines that there are; a last one that was not written to its end is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def append(path: Path, line: Line) -> None:
    """Add a line, in place of one that was not written to its end, and see to it that it is on the disk."""
    with open(path, "a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def table(lines: list[Line]) -> str:
    """Return a Markdown table, a row for the seeds of one setting."""
    rows = []
    for (recipe, settings), group in itertools.groupby(sorted(lines, key=_setting), _setting):
        same = list(group)
        results = [line["result"] for line in same]
        scores, losses = (markdown.spread([one[key] for one in results], 4) for key in ("test_score", "test_loss"))
        seconds = statistics.mean(one["seconds"] for one in results)
        cells = (markdown.code(recipe), ", ".join(settings) or "-", f"{results[0]['parameters']:,}", len(same))
        rows.append((*cells, scores, losses, markdown.rates(same, 3) or "-", f"{seconds:.0f}"))
    head = ("recipe", "settings", "parameters", "seeds", "test score", "test loss", "firing rates", "seconds a run")
    return markdown.table(head, rows)


def _setting(line: Line) -> tuple[str, tuple[str, ...]]:
    return line["recipe"], tuple(one for one in line["settings"] if not one.startswith("seed="))


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
    commands.add_parser("plan", help="print what a grid trains").add_argument("grid", choices=sorted(GROWING))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the processes of a grid end with it
    if asked.command == "run":
        run(asked.grid, asked.lines, asked.folder, asked.jobs, asked.first)
    elif asked.command == "plan":
        print(converged.plan())
    else:
        print(table(read(asked.lines)))


if __name__ == "__main__":
    main()

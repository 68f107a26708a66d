"""The table of oscillators that learn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from grids.oscillators import POSITIONS, TASKS

from .markdown import Line, named, spread, table, worth
from .pairs import compare


class Score(NamedTuple):
    """What counts of a line: R² as the authors' code has it, or the accuracy, both times 100."""

    task: str
    position: str
    seed: int
    value: float


def score(line: Line) -> Score:
    """Return what counts of a line of the grid."""
    settings_of = named(line)
    for task, (recipe, settings) in TASKS.items():
        if line["recipe"] == recipe and set(settings) <= set(line["settings"]):
            return Score(task, settings_of["position"], int(settings_of["seed"]), worth(line))
    raise ValueError(f"{line['recipe']} with {line['settings']} is no point of the grid.")


def oscillators(lines: Sequence[Line]) -> str:
    """Return a row a task, with the mean difference of pairs that have the same seed and its 95 % interval."""
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for one in map(score, lines):
        found[one.task][one.position][one.seed] = one.value
    rows = []
    for task, by_position in found.items():
        seeds = sorted(set.intersection(*(set(by_position[position]) for position in POSITIONS)))
        values = {position: [by_position[position][seed] for seed in seeds] for position in POSITIONS}
        gains = [
            compare([ours - theirs for ours, theirs in zip(values["cpg-learned"], values[other], strict=True)])
            for other in POSITIONS[:2]
        ]
        rows.append((task, len(seeds), *map(spread, values.values()), *gains))
    head = ("", "seeds", "published", "designed", "learned", "learned - published", "learned - designed")
    return table(head, rows)

"""The grids that compare delays on spoken digits, and tables of their lines; `grid.py` trains them and prints these.

First every variant is trained with each learning rate and one seed, and the rate with the best score on the validation
part is chosen, for each variant by itself. Then every variant is trained with its rate and five other seeds.
Delays that stay as they are drawn get a second rate, for the validation part hardly tells the two apart.

    python bench/grid.py run delay-rates bench/results/delay-rates.jsonl
    python bench/grid.py run delays bench/results/delays.jsonl --first 7
    python bench/grid.py delays bench/results/delays.jsonl
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import Any

RECIPE = "fsdd-delays"
VARIANTS = {
    "none": ("delay=none",),
    "none, as many parameters as with a delay for each synapse": ("delay=none", "hidden=74,74"),
    "none, a membrane that loses 10 % in a step, not 50 %": ("delay=none", "voltage_decay=0.1"),
    "one for each neuron, learned": ("delay=axon",),
    "one for each synapse, as drawn": ("delay=synapse", "delay_rate=0"),
    "one for each synapse, learned": ("delay=synapse",),
}
"""What is delayed -> the settings of the recipe."""
_SLOW, _DRAWN = "none, a membrane that loses 10 % in a step, not 50 %", "one for each synapse, as drawn"
_RATES = ("4e-3", "1e-2", "2.5e-2")
_MORE_RATES = {_SLOW: ("1.6e-3",), _DRAWN: ("6e-2",)}
"""Variant whose best rate was at an end -> one further."""
CHOSEN = dict.fromkeys(VARIANTS, "1e-2") | {_SLOW: "4e-3", _DRAWN: "2.5e-2"}
"""Variant -> its learning rate, the best one of bench/results/delay-rates.jsonl on the validation part."""
_SEARCHED, _SEEDS = 10, range(5)

Line = dict[str, Any]
"""Of a file that `grid.py` writes."""


def rate_points() -> list[tuple[str, tuple[str, ...]]]:
    """Return the grid that chooses learning rates."""
    return [
        (RECIPE, (*settings, f"learning_rate={rate}", f"seed={_SEARCHED}"))
        for name, settings in VARIANTS.items()
        for rate in (*_RATES, *_MORE_RATES.get(name, ()))
    ]


def points() -> list[tuple[str, tuple[str, ...]]]:
    """Return the grid that is compared, a whole round of points a seed."""
    rated = [*CHOSEN.items(), (_DRAWN, "1e-2")]
    return [
        (RECIPE, (*VARIANTS[name], f"learning_rate={rate}", f"seed={seed}")) for seed in _SEEDS for name, rate in rated
    ]


def table(lines: Sequence[Line]) -> str:
    """Return a Markdown table, a row for the seeds of a variant at a learning rate."""
    rows = [
        "| delays | learning rate | parameters | seeds | validation accuracy | test accuracy | each seed | firing |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = {settings: name for name, settings in VARIANTS.items()}
    order = list(VARIANTS)

    def key(line: Line) -> tuple[int, float]:
        return order.index(names[tuple(line["settings"][:-2])]), float(line["settings"][-2].partition("=")[2])

    by_seed = sorted(lines, key=lambda line: int(line["settings"][-1].partition("=")[2]))
    for (place, rate), group in itertools.groupby(sorted(by_seed, key=key), key):
        results = [line["result"] for line in group]
        tests = [100 * one["test_score"] for one in results]
        rates = ", ".join(
            f"{statistics.fmean(of):.2f}" for of in zip(*(one["firing_rates"] for one in results), strict=True)
        )
        rows.append(
            f"| {order[place]} | {rate:g} | {results[0]['parameters']:,} | {len(results)} | "
            f"{_spread([100 * one['validation_score'] for one in results])} | {_spread(tests)} | "
            f"{', '.join(f'{one:.1f}' for one in tests)} | {rates} |"
        )
    return "\n".join(rows)


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.1f}"

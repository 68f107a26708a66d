"""The table of delays on spoken digits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from grids.delays import VARIANTS

from .markdown import Line, rates, spread, table


def delays(lines: Sequence[Line]) -> str:
    """Return a row for the seeds of a variant at a learning rate."""
    names = {settings: name for name, settings in VARIANTS.items()}
    order = list(VARIANTS)

    def key(line: Line) -> tuple[int, float]:
        return order.index(names[tuple(line["settings"][:-2])]), float(line["settings"][-2].partition("=")[2])

    rows = []
    by_seed = sorted(lines, key=lambda line: int(line["settings"][-1].partition("=")[2]))
    for (place, rate), group in itertools.groupby(sorted(by_seed, key=key), key):
        same = list(group)
        held_out, tests = (
            [100 * line["result"][which] for line in same] for which in ("validation_score", "test_score")
        )
        parameters = same[0]["result"]["parameters"]
        each = ", ".join(f"{one:.1f}" for one in tests)
        cells = (f"{rate:g}", f"{parameters:,}", len(same), spread(held_out), spread(tests), each, rates(same))
        rows.append((order[place], *cells))
    head = ("delays", "learning rate", "parameters", "seeds", "validation accuracy", "test accuracy", "each seed")
    return table((*head, "firing"), rows)

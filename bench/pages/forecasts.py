"""The table of codes beside the input of a forecasting network that is exported."""

from __future__ import annotations

from collections.abc import Sequence

from .markdown import Line, named, spread, table, worth
from .pairs import compare

_CODES = {"none": "none", "cpg": "published", "cpg-designed": "designed", "cpg-learned": "learned"}
_RECIPE = "etth1-spike-rnn"


def codes(without: Sequence[Line], with_one: Sequence[Line]) -> str:
    """Return a row for each code, and the difference to no code with the same seed."""
    values: dict[str, dict[int, float]] = {code: {} for code in _CODES}
    for line in (*without, *with_one):
        settings = named(line)
        if line["recipe"] == _RECIPE:
            values[settings["position"]][int(settings["seed"])] = worth(line)
    rows = []
    for code, told in _CODES.items():
        found = values[code]
        gains = [value - values["none"][seed] for seed, value in sorted(found.items())] if code != "none" else []
        each = ", ".join(f"{value:.1f}" for _, value in sorted(found.items()))
        rows.append((told, len(found), each, spread(list(found.values())), compare(gains) if gains else ""))
    return table(("code", "seeds", "R² of each seed, %", "mean ± sd", "more than none"), rows)

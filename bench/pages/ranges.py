"""Tables of how far registers go."""

from __future__ import annotations

from collections.abc import Sequence

from .markdown import Line, code, spread, table


def registers(lines: Sequence[Line]) -> str:
    """Return a row for each register, shares of its range in percent."""
    rows = [
        (
            code(line["network"]),
            f"{line['layer']} {code(line['register'])}",
            *(f"{line[key] / line['limit']:.1%}" for key in ("measured", "found", "bound")),
            "yes" if line["proven"] else "no",
        )
        for line in lines
    ]
    return table(("network", "register", "measured", "found by search", "bound", "proven"), rows)


def times(lines: Sequence[Line]) -> str:
    """Return what the bounds alone take."""
    rows = [
        (
            line["network"] if " " in line["network"] else code(line["network"]),
            f"{line['neurons']:,}",
            line["steps"],
            "yes" if line["proven"] else "no",
            f"{line['cpu_seconds']:.2f}",
            f"{line['megabytes']} MB",
        )
        for line in lines
    ]
    return table(("network", "neurons", "steps", "proven", "CPU seconds", "memory of the process"), rows)


def kept_provable(lines: Sequence[Line]) -> str:
    """Return what it costs to keep the network of the digits provable, by the part of the range that it keeps to."""
    parts: dict[float, list[Line]] = {}
    for line in lines:
        if line["recipe"] == "digits":
            parts.setdefault(line["keep_provable"], []).append(line)
    rows = [
        (
            f"{part:g}",
            spread([100 * one["test_score"] for one in same], 2, " %"),
            f"{_widest(same):.1%}".replace("%", " %"),
        )
        for part, same in sorted(parts.items(), key=lambda one: -one[0] or -2)  # 0 is none
    ]
    accuracy = "test accuracy, mean ± standard deviation of five seeds"
    return table((code("keep_provable"), accuracy, "widest register of the five, of its range"), rows)


def _widest(lines: Sequence[Line]) -> float:
    return max(float(line["widest"][2]) for line in lines)

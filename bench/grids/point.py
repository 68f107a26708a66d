"""A training run: a recipe and the settings that change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Point = tuple[str, tuple[str, ...]]
Line = dict[str, Any]
"""What `bench/grid.py` writes of a point: it, the result and the learning curve."""
MANY = 10
"""Seeds of what takes less than a minute; with three, differences below a point are chance."""


def seeds(points: Sequence[Point], count: int = 3) -> list[Point]:
    """Return the points with every seed, a whole round of points a seed."""
    return [(recipe, (*settings, f"seed={seed}")) for seed in range(count) for recipe, settings in points]

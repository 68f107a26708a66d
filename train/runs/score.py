"""What a run's score is, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_share(metric: str) -> bool:
    """Whether a metric is a share of what is right, told in per cent, and not the size of an error."""
    return "error" not in metric


def told(result: Mapping[str, Any]) -> str:
    """Return the test score of a run's result in words."""
    score: float = result["test_score"]
    return f"{score:.2%}" if is_share(result["metric"]) else f"{score:.4g}"

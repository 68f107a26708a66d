"""How often two backends answer the same, answer by answer, where a network has several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...contract.net import Net
from ..trace import Trace


class Same(NamedTuple):
    """What two backends answered in one of a network's output layers."""

    backends: tuple[str, str]
    layer: str
    samples: int
    values: int
    """Samples with equal read-out registers or spike counts."""
    classes: int
    """Samples with the same class: the first of the largest values."""

    def __str__(self) -> str:
        a, b = self.backends
        return (
            f"answer {self.layer!r}: {a} and {b} give the same values in {self.values:,} and the same class in "
            f"{self.classes:,} of {self.samples:,} samples"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**self._asdict(), "backends": list(self.backends)}


def count(net: Net, a: Trace, b: Trace) -> tuple[Same, ...]:
    """Count equal answers in two traces of the same samples; empty if the network has one answer.

    Parameters
    ----------
    net : Net
        The record.
    a, b : Trace
        Traces that hold every spike, and what a read-out holds after the last step.
    """
    if len(net.answers) < 2:
        return ()
    ours, theirs = a.outputs(net), b.outputs(net)
    found = []
    for name, one in ours.items():
        other = theirs[name]
        equal = int(np.count_nonzero((one == other).all(-1)))
        same = int(np.count_nonzero(one.argmax(-1) == other.argmax(-1)))
        found.append(Same((a.backend, b.backend), name, len(one), equal, same))
    return tuple(found)


def merge(parts: Sequence[tuple[Same, ...]]) -> tuple[Same, ...]:
    """Join the counts of different samples."""
    joined = []
    for of in zip(*parts, strict=True):
        sums = (sum(getattr(one, key) for one in of) for key in ("samples", "values", "classes"))
        joined.append(Same(of[0].backends, of[0].layer, *sums))
    return tuple(joined)

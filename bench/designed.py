"""Design codes for each length, certify them, and print a table of what they cost beside the published parameters.

``python bench/designed.py`` takes three minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from spikeproof.contract.sources import phase
from spikeproof.train.cpg.codes import design, fewest


class Row(NamedTuple):
    """One line of `table`."""

    length: int
    style: str
    min_distance: int
    num_neurons: int
    fewest: int
    """Lower bound of `num_neurons` for any code whatever."""
    rate: float
    """Spikes a channel and step."""
    neighbour_distance: float
    """Mean Hamming distance of consecutive positions."""
    state_words: int
    """Words of state: a phase a channel, and the sample's clock."""
    table_bits: int
    """Bits that a table of the same codes takes."""
    paper_10000: int
    """Distinct codes of the paper's oscillators over as many positions, N = 40, w_max = 10000."""
    paper_1000: int
    """The same with w_max = 1000."""


def table(
    lengths: Sequence[int] = (64, 672, 784, 5000, 50000),
    designs: Sequence[tuple[str, int]] = (
        *[("binary", 1), ("gray", 1), ("gray", 2), ("gray", 4), ("paper", 1), ("paper", 2), ("paper", 4)],
    ),
    seed: int = 0,
) -> list[Row]:
    """Design and certify codes for each length; beside them stands what the published parameters give.

    Parameters
    ----------
    lengths : sequence of int
        Numbers of positions.
    designs : sequence of (style, min_distance)
        Codes to design for each length.
    seed : int
        Seed of the searches.

    Returns
    -------
    list of Row
        One a length and design, all of them certified.
    """
    rows = []
    for length in lengths:
        distinct = [
            len(np.unique(np.packbits(phase.spikes(phase.Phase.from_paper(40, w), np.arange(length)), axis=1), axis=0))
            for w in (10000.0, 1000.0)
        ]
        for style, min_distance in designs:
            found = design(length, max_neurons=10**6, min_distance=min_distance, style=style, seed=seed).certificate
            n = found.num_neurons
            bound = fewest(length, min_distance)
            costs = (n + 1, length * n)
            smooth = (found.rate, found.neighbour_distance)
            rows.append(Row(length, style, min_distance, n, bound, *smooth, *costs, *distinct))
    return rows


def markdown(rows: Sequence[Any]) -> str:
    """Return NamedTuples of one kind as a Markdown table."""
    cells = [[f"{value:.3f}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    head = [list(rows[0]._fields), ["---"] * len(rows[0])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [*head, *cells])


if __name__ == "__main__":
    print(markdown(table()))

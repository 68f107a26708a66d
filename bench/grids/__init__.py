"""What is trained to be compared: grids of recipes and settings, which `bench/grid.py` trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import converged, delays, digits, embeddings, memory, mnist, oscillators, positions
from .point import MANY, Line, Point, seeds

GRIDS: dict[str, list[Point]] = {
    "ablation": seeds(digits.embeddings(), MANY),
    "neurons": digits.neurons(),
    "rates": seeds(digits.penalties(), MANY),
    "driven": seeds(digits.encodings(), MANY),
    "order": seeds(digits.order(), MANY),
    "memory": memory.points(),
    "mnist": mnist.points(),
    "embeddings": seeds(embeddings.points()),
    "positions": seeds(positions.points()),
    "oscillators": oscillators.points(),
    "forecasts": oscillators.without(),
    "oscillator-rates": oscillators.rate_points(),
    "delays": delays.points(),
    "delay-rates": delays.rate_points(),
}
"""Name -> points, in the order in which they are trained."""
GROWING: dict[str, Callable[[Sequence[Line]], list[Point]]] = {"converged": converged.points}
"""Name -> a function of the lines that there are, which returns the points to train next and none at the end."""

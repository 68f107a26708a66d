"""The paper's ablation at 14x14 pixels, 196 steps, with every third image and the paper's larger network."""

from __future__ import annotations

from spikeproof.train.neurons import EMBEDDINGS

from .mnist import FLOAT
from .point import Point


def points() -> list[Point]:
    """Return each embedding on both tasks."""
    network = (*FLOAT, "hidden=64,152,152")
    budget = ("shrink=2", "stride=3", "epochs=30")
    return [
        (f"{task}-long", (*network, *budget, f"embedding={name}"))
        for name in EMBEDDINGS
        for task in ("s-mnist", "ps-mnist")
    ]

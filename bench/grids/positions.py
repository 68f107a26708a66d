"""Positional encodings beside small networks, at a small budget, on three domains."""

from __future__ import annotations

from .point import Point

DATASETS = {
    "etth1": ("learning_rate=1e-2", "window=12", "horizon=6", "stride=3", "epochs=3"),
    "los": ("learning_rate=1e-2", "epochs=4"),
    "subj": ("learning_rate=3e-2", "stride=2", "epochs=1"),
    "cifar10": ("learning_rate=1e-2", "stride=3", "epochs=3"),
}
"""Recipe -> what makes it small."""
MODELS = {"spike-rnn": ("hidden=64",), "spike-tcn": ("hidden=32",), "spikformer": ("hidden=32",)}
SMALL = ("depth=1", "spike_steps=2")
POSITIONS = ("none", "random", "sinusoid", "relative", "learned", "cpg", "cpg-designed")
OURS = "cpg"
"""The encoding that others are compared with."""


def points() -> list[Point]:
    """Return the grid of one seed."""
    return [
        (recipe, (f"model={model}", f"position={position}", *SMALL, *width, *small))
        for recipe, small in DATASETS.items()
        for model, width in MODELS.items()
        for position in POSITIONS
    ]

"""Digits read pixel by pixel, 64 steps: neurons, their embeddings, rate penalties, encodings and codes of order."""

from __future__ import annotations

from spikeproof.train.neurons import EMBEDDINGS

from .point import MANY, Point, seeds

_NEURONS = ("ce-lif", "ce-lif-float", "lif", "plif", "alif", "glif", "ltmd")
_LSTM = ("neuron=lstm", "hidden=48,32")
"""20,618 parameters beside CE-LIF's 20,202."""


def embeddings() -> list[Point]:
    """Return the paper's ablation at a small size."""
    return [("digits-plain", ("neuron=ce-lif-float", f"embedding={name}", "epochs=30")) for name in EMBEDDINGS]


def neurons() -> list[Point]:
    """Return every neuron at the recipe's learning rate, and at a smaller one with clipped gradients.

    The best of the others and the LSTM get five times the budget too, with one seed.
    """
    kinds: list[tuple[str, ...]] = [*((f"neuron={name}",) for name in _NEURONS), _LSTM]
    slow = ("learning_rate=3e-3", "gradient_clip=1.0")
    points: list[Point] = [("digits-plain", (*kind, "epochs=30", *rate)) for rate in ((), slow) for kind in kinds]
    longer: list[Point] = [("digits-plain", (*kind, "epochs=150", *slow)) for kind in (("neuron=glif",), _LSTM)]
    return [*seeds(points, MANY), *seeds(longer, 1)]


def penalties() -> list[Point]:
    """Return how much firing is penalised."""
    return [("digits", (f"rate_penalty={penalty}",)) for penalty in (0.0, 0.003, 0.01, 0.03, 0.1)]


def encodings() -> list[Point]:
    """Return a temporal encoding that is a table, and one that oscillators drive."""
    return [("digits", ()), ("digits-driven", ())]


def order() -> list[Point]:
    """Return digits without a recurrence or an encoder that knows their order: nothing but the code tells it."""
    model = ("model=spike-rnn", "neuron=lif", "hidden=64", "depth=1", "encoder=repeat", "spike_steps=2")
    small = ("batch_size=64", "learning_rate=0.01", "epochs=25")
    codes = [
        (f"position={code}", f"position_channels={channels}")
        for channels in (8, 16, 40)
        for code in ("cpg", "cpg-designed")
    ]
    return [("digits-plain", (*model, *small, *code)) for code in (*codes, ("position=none",))]

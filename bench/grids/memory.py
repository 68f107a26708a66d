"""The adding and the copy memory problem, the short ones first."""

from __future__ import annotations

from .point import Point

_CONTENDERS = {
    "ce-lif": ("hidden=64,128,128",),
    "lstm": ("hidden=56,56",),  # 39,033 parameters beside CE-LIF's 37,953 at 100 steps
    "alif": ("hidden=64,128,128", "recurrent=true"),
}


def points() -> list[Point]:
    """Return two lengths of each problem for all neurons, and then longer runs of those that learn."""
    lengths = {"epochs=10": (("adding", 100), ("copy", 100)), "epochs=4": (("adding", 400), ("copy", 300))}
    short = [
        _point(task, length, neuron, epochs)
        for epochs, tasks in lengths.items()
        for neuron in _CONTENDERS
        for task, length in tasks
    ]
    longer = [
        _point(task, length, neuron, f"epochs={epochs}")
        for task, length, neuron, epochs in (
            ("adding", 400, "ce-lif", 10),
            ("adding", 400, "ce-lif", 30),
            ("adding", 400, "lstm", 30),
            ("copy", 300, "ce-lif", 30),
            ("adding", 100, "lstm", 30),
            ("adding", 100, "ce-lif", 30),
            ("copy", 100, "ce-lif", 30),
            ("copy", 100, "lstm", 30),
        )
    ]
    return [*short, *longer]


def _point(task: str, length: int, neuron: str, epochs: str) -> Point:
    # The recipe of the copy problem sets what CE-LIF forgets of its threshold, which no other neuron has.
    without = ("threshold_decay=0.01",) if task == "copy" and neuron != "ce-lif" else ()
    return task, (f"neuron={neuron}", *without, f"length={length}", *_CONTENDERS[neuron], epochs)

"""Oscillators that learn beside published and designed ones: on an exported network, and where codes alone tell order.

The factor on the learning rate of the oscillators was chosen before, on the validation part and with other seeds.
"""

from __future__ import annotations

from .point import Point

POSITIONS = ("cpg", "cpg-designed", "cpg-learned")
_READ = ("model=spike-rnn", "neuron=lif", "hidden=64", "depth=1", "encoder=repeat", "spike_steps=2")
_SMALL = ("batch_size=64", "learning_rate=0.01", "epochs=25")
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ETTh1, six hours from 24, N = 40": ("etth1-spike-rnn", ()),
    "digits pixel by pixel, N = 8": ("digits-plain", (*_READ, *_SMALL, "position_channels=8")),
    "digits pixel by pixel, N = 16": ("digits-plain", (*_READ, *_SMALL, "position_channels=16")),
}
"""What it is called -> recipe and settings: an exported integer network, and codes that alone tell the order."""
RATES = {"etth1-spike-rnn": "1", "digits-plain": "0.1"}
"""Recipe -> position_rate, the best one on the validation part for seeds 10 and 11."""
_SEEDS, _SEARCHED = range(5), (10, 11)


def _of(position: str, rate: str) -> tuple[str, ...]:
    """Return the settings of an encoding; a designed one has no w_max."""
    if position == "cpg-designed":
        return f"position={position}", "position_w_max=10000"
    return (f"position={position}", f"position_rate={rate}") if position == "cpg-learned" else (f"position={position}",)


def points() -> list[Point]:
    """Return the grid that is compared, a whole round of points a seed."""
    return [
        (recipe, (*settings, *_of(position, RATES[recipe]), f"seed={seed}"))
        for recipe, settings in TASKS.values()
        for seed in _SEEDS
        for position in POSITIONS
    ]


def without() -> list[Point]:
    """Return the exported network of the first task without a code."""
    recipe, settings = next(iter(TASKS.values()))
    return [(recipe, (*settings, "position=none", "position_w_max=10000", f"seed={seed}")) for seed in _SEEDS]


def rate_points() -> list[Point]:
    """Return the grid that chooses the rates; the digits have no validation part but what is held out."""
    chosen = [TASKS[name] for name in list(TASKS)[:2]]
    return [
        (recipe, (*settings, *held_out, *_of("cpg-learned", rate), f"seed={seed}"))
        for recipe, settings in chosen
        for held_out in ((("validation=0.1",) if recipe == "digits-plain" else ()),)
        for seed in _SEARCHED
        for rate in ("0.1", "0.3", "1", "3")
    ]

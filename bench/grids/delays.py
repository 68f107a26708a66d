"""Delays on spoken digits.

First every variant is trained with each learning rate and one seed, and the rate with the best score on the validation
part is chosen, for each variant by itself. Then every variant is trained with its rate and five other seeds.
Delays that stay as they are drawn get a second rate, for the validation part hardly tells the two apart.
"""

from __future__ import annotations

from .point import Point

RECIPE = "fsdd-delays"
VARIANTS = {
    "none": ("delay=none",),
    "none, as many parameters as with a delay for each synapse": ("delay=none", "hidden=74,74"),
    "none, a membrane that loses 10 % in a step, not 50 %": ("delay=none", "voltage_decay=0.1"),
    "one for each neuron, learned": ("delay=axon",),
    "one for each synapse, as drawn": ("delay=synapse", "delay_rate=0"),
    "one for each synapse, learned": ("delay=synapse",),
}
"""What is delayed -> the settings of the recipe."""
_SLOW, _DRAWN = "none, a membrane that loses 10 % in a step, not 50 %", "one for each synapse, as drawn"
_RATES = ("4e-3", "1e-2", "2.5e-2")
_MORE_RATES = {_SLOW: ("1.6e-3",), _DRAWN: ("6e-2",)}
"""Variant whose best rate was at an end -> one further."""
CHOSEN = dict.fromkeys(VARIANTS, "1e-2") | {_SLOW: "4e-3", _DRAWN: "2.5e-2"}
"""Variant -> its learning rate, the best one of bench/results/delay-rates.jsonl on the validation part."""
_SEARCHED, _SEEDS = 10, range(5)


def rate_points() -> list[Point]:
    """Return the grid that chooses learning rates."""
    return [
        (RECIPE, (*settings, f"learning_rate={rate}", f"seed={_SEARCHED}"))
        for name, settings in VARIANTS.items()
        for rate in (*_RATES, *_MORE_RATES.get(name, ()))
    ]


def points() -> list[Point]:
    """Return the grid that is compared, a whole round of points a seed."""
    rated = [*CHOSEN.items(), (_DRAWN, "1e-2")]
    return [
        (RECIPE, (*VARIANTS[name], f"learning_rate={rate}", f"seed={seed}")) for seed in _SEEDS for name, rate in rated
    ]

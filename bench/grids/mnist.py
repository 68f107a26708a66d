"""The programme on sequential MNIST: two tasks and two networks, beside the figures of the CE-LIF paper.

Each network is trained in integers with the best recipe, in integers with the paper's surrogate gradient alone, and in
floating point. A run takes one to three hours of a core.
"""

from __future__ import annotations

from .point import Point

Network = tuple[str, tuple[int, ...]]
"""Task and hidden layers."""
_WIDE = ("hidden=64,152,152", "keep_provable=1")
FLOAT = ("neuron=ce-lif-float", "scales=", "te_exp=9", "ends=stop")
"""What makes a recipe of integers one in floating point: the neuron, and no registers."""
NETWORKS: dict[Network, tuple[str, ...]] = {
    ("s-mnist", (64, 88, 88)): (),
    ("s-mnist", (64, 152, 152)): (*_WIDE, "epochs=50"),
    ("ps-mnist", (64, 88, 88)): (),
    ("ps-mnist", (64, 152, 152)): (*_WIDE, "epochs=40"),
}
"""Network -> what changes its task's recipe."""
VARIANTS = {
    "integers": (),
    "integers, half-width 0.2": ("half_width=0.2",),
    "floating point, trained alike": FLOAT,
}
"""What it is called -> what further changes the recipe."""


def point(network: Network, variant: str) -> Point:
    """Return a run of the programme; in floating point there is nothing to prove."""
    changes, further = NETWORKS[network], VARIANTS[variant]
    kept = [one for one in changes if further != FLOAT or not one.startswith("keep_provable")]
    return f"{network[0]}-augmented", (*kept, *further)


def points() -> list[Point]:
    """Return the programme, a variant at a time."""
    return [point(network, variant) for variant in VARIANTS for network in NETWORKS]

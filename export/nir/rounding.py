"""What rounding leaves of a layer: bits, relative errors, and when that is too little."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.fixed import DECAY_ONE
from .maps import Array

FEW_BITS = 4
"""With fewer bits than this, a warning is given."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What rounding does to one layer.

    Parameters
    ----------
    layer : str
        The layer's name in the record.
    node : str
        The node that it was made of.
    scale : int
        This many units of the threshold are 1.0.
    shift : int
        Bits by which the current is shifted before it reaches the membrane, a record's ``u_shift``.
    weight_bits, threshold_bits : int or None
        Bits of the largest weight without its sign, 7 at most, and of the threshold, 17 at most; None where all were 0.
    weight_error, threshold_error, bias_error, decay_error : float
        By how much they move, as a share of what they were: root mean square over all weights and biases, and the
        largest over the decays.
    weight_moved : float
        By how much a weight moves at most.
    zeroed : int
        Weights that were not 0 and are.
    """

    layer: str
    node: str
    scale: int
    shift: int
    weight_bits: int | None
    threshold_bits: int | None
    weight_error: float
    weight_moved: float
    threshold_error: float
    bias_error: float
    decay_error: float
    zeroed: int

    def __str__(self) -> str:
        weights = "no weights" if self.weight_bits is None else f"{self.weight_bits} of 7 of the weights"
        threshold = "" if self.threshold_bits is None else f" and {self.threshold_bits} of 17 of the threshold"
        shift = f", u_shift {self.shift}" if self.shift else ""
        return (
            f"node {self.node!r}: scale {self.scale}{shift}; bits left: {weights}{threshold}; rounding moves weights "
            f"by up to {self.weight_moved:.2g} ({self.weight_error:.2%}), thresholds by {self.threshold_error:.2%}, "
            f"biases by {self.bias_error:.2%} and decays by up to {self.decay_error:.2%}"
        )

    @property
    def warnings(self) -> list[str]:
        """What is left in too few bits."""
        return [
            f"warning: node {self.node!r}: only {bits} bits are left of the {what}, so expect other spikes than those "
            "of the tool. Bring the weights of the layer closer to each other, or its threshold closer to them."
            for what, bits in (("weights", self.weight_bits), ("threshold", self.threshold_bits))
            if bits is not None and bits < FEW_BITS
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def share(found: npt.ArrayLike, wanted: npt.ArrayLike) -> float:
    """Return by how much values move, as a share of what they were."""
    size = float(np.sqrt(np.square(wanted).sum()))
    return float(np.sqrt(np.square(np.asarray(found) - wanted).sum())) / size if size else 0.0


def refuse_nothing_left(
    node: str, real: Array, found: npt.NDArray[Any], largest: float, threshold: float | None
) -> None:
    """Refuse synapses whose weights all become 0."""
    if real.any() and not found.any():
        beside = f"weights up to {largest:.3g}" + ("" if threshold is None else f" and a threshold of {threshold:.3g}")
        raise UnsupportedError(
            f"node {node!r}: all weights round to 0: they act with up to {np.abs(real).max():.3g} beside {beside}. "
            "Give the time step that the network was trained with (--dt), or bring weights and threshold closer to "
            "each other."
        )


def refuse_lost_decay(node: str, lost: Array, dt: float) -> None:
    """Refuse decays so slow that they become none, or so fast that nothing else is left."""
    slow = (lost > 0) & (np.round(DECAY_ONE * lost) == 0)
    if slow.any():
        tau = dt / float(lost[slow].min())
        raise UnsupportedError(
            f"node {node!r}: its decay rounds to 0: a time constant of {tau:.3g} s loses {lost[slow].min():.3g} in a "
            f"step of {dt:g} s, and decays are multiples of 1/4096. Read the graph with a longer time step, "
            f"--dt {tau / 1000:.1g} say."
        )

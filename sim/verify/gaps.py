"""The two gaps between a trained network and the deployed one, kept apart.

Float to fixed is what quantisation costs: another network, whose answers may differ, see
`spikeproof.sim.verify.float_twin`. Fixed to Lava must be zero: the same integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compare import Comparison

FLOAT = (
    "float: the same trained parameters without rounding, in float64 registers that do not saturate; decays, "
    "thresholds and oscillators are the network's"
)
"""What "float" means, in words."""


@dataclass(frozen=True, kw_only=True)
class LayerGap:
    """The spikes of one layer without and with quantisation."""

    name: str
    spikes_float: int
    spikes_fixed: int
    differ: int
    """Entries of the raster that only one of them has."""
    entries: int
    """Entries of the raster."""


@dataclass(frozen=True, kw_only=True)
class FloatGap:
    """What quantisation does to a network's answers; see the head of this module for what float means.

    Parameters
    ----------
    output : ndarray of float64, shape (samples, outputs)
        What the float twin answers: the read-out summed over time in SLAYER's units, or spike counts.
    same_class : int or None
        Samples to which it gives the class that the integer network gives; None if the module answers with no classes.
    layers : tuple of LayerGap
        Spiking layers; empty if their spikes were not compared.
    classes : ndarray of int64, optional
        What the user's module makes of it, where it makes classes on the host. Default: the largest outputs.
    samples : ndarray of int64, optional
        Which samples were measured. Default: the first ones.
    moved : float or None
        Where outputs are numbers and no classes: root mean square of what they differ by, in SLAYER's units.
    meaning : str
        What float means, in words.
    """

    output: npt.NDArray[np.float64]
    same_class: int | None
    layers: tuple[LayerGap, ...]
    classes: npt.NDArray[np.int64] | None = None
    samples: npt.NDArray[np.int64] | None = None
    moved: float | None = None
    meaning: str = FLOAT

    @property
    def of(self) -> npt.NDArray[np.int64]:
        """The samples that were measured, in the order of `output`."""
        return np.arange(len(self.output)) if self.samples is None else self.samples

    @property
    def predictions(self) -> npt.NDArray[np.int64]:
        """The class of each sample: the user's module's, or the first of the largest outputs."""
        return np.asarray(self.output.argmax(-1), dtype=np.int64) if self.classes is None else self.classes

    def __str__(self) -> str:
        if not self.layers:
            return f"float to fixed: {self.answers}"
        fired = (sum(getattr(layer, key) for layer in self.layers) for key in ("spikes_float", "spikes_fixed"))
        without, with_it = (f"{count:,}" for count in fired)
        return f"float to fixed: {self.answers}; {without} spikes without rounding, {with_it} with it"

    @property
    def answers(self) -> str:
        """What becomes of the answers, in words."""
        if self.moved is not None:
            return f"the numbers of {len(self.output):,} samples move by {self.moved:.4g} (root mean square)"
        if self.same_class is None:
            return "module(x) returns neither scores nor classes, so none were compared"
        return f"{self.same_class:,} of {len(self.output):,} samples keep their class"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "measured": True,
            "meaning": self.meaning,
            "samples": len(self.output),
            **({"same_class": self.same_class} if self.moved is None else {"moved": self.moved}),
            "layers": [vars(layer) for layer in self.layers],
        }


def merge(parts: Sequence[FloatGap]) -> FloatGap:
    """Join the gaps of different samples."""
    layers, kept = [], [part.same_class for part in parts if part.same_class is not None]
    for counts in zip(*(part.layers for part in parts), strict=True):
        sums = {key: sum(vars(count)[key] for count in counts) for key in vars(counts[0]) if key != "name"}
        layers.append(LayerGap(name=counts[0].name, **sums))
    return FloatGap(
        output=np.concatenate([part.output for part in parts]),
        same_class=sum(kept) if len(kept) == len(parts) else None,
        classes=None
        if any(part.classes is None for part in parts)
        else np.concatenate([part.predictions for part in parts]),
        layers=tuple(layers),
        samples=np.concatenate([part.of for part in parts]),
        meaning=parts[0].meaning,
    )


@dataclass(frozen=True, kw_only=True)
class LavaGap:
    """What differs between the integer network and Lava; anything but zero is a fault."""

    backends: tuple[str, str]
    samples: int
    spikes_differ: int
    spikes_compared: int
    registers_differ: int
    registers_compared: int

    def __str__(self) -> str:
        return (
            f"fixed to Lava: {self.spikes_differ:,} of {self.spikes_compared:,} raster entries and "
            f"{self.registers_differ:,} of {self.registers_compared:,} register values differ over {self.samples:,} "
            "samples"
        )

    @property
    def zero(self) -> bool:
        """Whether nothing differs."""
        return not self.spikes_differ and not self.registers_differ


def lava_gap(comparisons: Sequence[Comparison]) -> LavaGap | None:
    """Return the gap between the integer network and Lava; None if Lava was not run."""
    for comparison in comparisons:
        if "lava" in comparison.backends:
            return LavaGap(
                backends=comparison.backends,
                samples=comparison.num_samples,
                spikes_differ=sum(layer.spikes_differ for layer in comparison.layers),
                spikes_compared=comparison.spikes_compared,
                registers_differ=sum(layer.registers_differ for layer in comparison.layers),
                registers_compared=comparison.registers_compared,
            )
    return None

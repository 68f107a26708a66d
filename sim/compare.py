"""Compares traces integer by integer and says where they first differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .trace import SPIKES, Trace

Order = Sequence[Sequence[int]]
"""In which order layers run: groups of their places in the network; those of a group feed each other."""


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first place in which two traces differ.

    Layers come first, in the order in which they run, since a fault spreads forward; then samples, steps and neurons.
    Of layers that feed each other in a circle, where a fault comes back, the earliest sample and step come first.
    """

    layer: str
    sample: int
    step: int
    neuron: int
    variables: tuple[str, ...]
    """The variables that differ there."""
    registers: Mapping[str, Mapping[str, int]]
    """Backend -> variable -> value: all variables of that neuron after that step."""

    def __str__(self) -> str:
        values = "; ".join(
            f"{backend}: " + ", ".join(f"{name} = {value}" for name, value in registers.items())
            for backend, registers in self.registers.items()
        )
        return f"layer {self.layer!r}, sample {self.sample}, step {self.step}, neuron {self.neuron}: {values}"


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """What was compared in one layer."""

    name: str
    spikes_fired: int
    """Spikes that the first backend saw."""
    spikes_compared: int
    """Entries of the raster that were compared, fired or not."""
    registers_compared: int
    """Register values that were compared."""
    spikes_differ: int
    registers_differ: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The outcome of comparing two traces of the same samples."""

    backends: tuple[str, str]
    num_samples: int
    layers: tuple[LayerCount, ...]
    outputs_compared: int
    """Final read-out registers (or spike counts) of what the network answers with."""
    first: Mismatch | None

    @property
    def verdict(self) -> Literal["exact", "mismatch", "nothing fired"]:
        """``exact`` only if everything was equal and something fired."""
        if self.first is not None:
            return "mismatch"
        return "exact" if self.spikes_fired else "nothing fired"

    @property
    def exact(self) -> bool:
        """Whether the traces are equal and the comparison proves something."""
        return self.verdict == "exact"

    @property
    def spikes_fired(self) -> int:
        """Spikes that the first backend saw in all layers."""
        return sum(layer.spikes_fired for layer in self.layers)

    @property
    def spikes_compared(self) -> int:
        """Raster entries compared in all layers."""
        return sum(layer.spikes_compared for layer in self.layers)

    @property
    def registers_compared(self) -> int:
        """Register values compared in all layers."""
        return sum(layer.registers_compared for layer in self.layers)

    @property
    def silent(self) -> tuple[str, ...]:
        """Spiking layers in which nothing fired: equal, but hardly tested."""
        return tuple(layer.name for layer in self.layers if layer.spikes_compared and not layer.spikes_fired)

    def __str__(self) -> str:
        a, b = self.backends
        counts = (
            f"{self.spikes_compared:,} raster entries ({self.spikes_fired:,} spikes) and "
            f"{self.registers_compared:,} register values over {self.num_samples} samples"
        )
        if self.first is not None:
            return f"{a} and {b} DIFFER, first in {self.first} (compared {counts})"
        if not self.exact:
            return f"{a} and {b} agree, but NOTHING FIRED, so this proves nothing ({counts})"
        silent = f"; no spike in {', '.join(self.silent)}" if self.silent else ""
        return f"{a} and {b} are exact: {counts} are equal{silent}"

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON."""
        return {
            "backends": list(self.backends),
            "verdict": self.verdict,
            "samples": self.num_samples,
            "spikes_fired": self.spikes_fired,
            "spikes_compared": self.spikes_compared,
            "registers_compared": self.registers_compared,
            "outputs_compared": self.outputs_compared,
            "layers": [asdict(layer) for layer in self.layers],
            "first": None if self.first is None else asdict(self.first),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Comparison:
        """Return the comparison that `as_dict` wrote."""
        first = plain["first"]
        return cls(
            backends=(plain["backends"][0], plain["backends"][1]),
            num_samples=plain["samples"],
            layers=tuple(LayerCount(**layer) for layer in plain["layers"]),
            outputs_compared=plain["outputs_compared"],
            first=None if first is None else Mismatch(**{**first, "variables": tuple(first["variables"])}),
        )


def compare(a: Trace, b: Trace, order: Order | None = None, answers: Sequence[str] | None = None) -> Comparison:
    """Compare two traces of the same samples, entry by entry and without tolerance.

    Parameters
    ----------
    a, b : Trace
        Traces with the same layers, variables and shapes.
    order : sequence of sequences of int, optional
        In which order the layers run, see `spikeproof.contract.net.Net.groups`. Default: one after the other.
    answers : sequence of str, optional
        The layers that the network answers with, see `spikeproof.contract.net.Net.answers`. Default: the last one.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        The traces are not of the same network and samples, so that some entry would go uncompared.
    """
    if list(a.layers) != list(b.layers):
        raise ValueError(f"traces of different layers: {list(a.layers)} and {list(b.layers)}")
    counts = []
    mismatches = []
    for name, of_a in a.layers.items():
        of_b = b.layers[name]
        shapes_a, shapes_b = ({key: array.shape for key, array in of.items()} for of in (of_a, of_b))
        if shapes_a != shapes_b:
            raise ValueError(f"layer {name!r}: traces of different variables or shapes: {shapes_a} and {shapes_b}")
        unequal = {key: of_a[key] != of_b[key] for key in of_a}
        differ = {key: int(np.count_nonzero(each)) for key, each in unequal.items()}
        registers = [key for key in of_a if key != SPIKES]
        counts.append(
            LayerCount(
                name=name,
                spikes_fired=int(np.count_nonzero(of_a[SPIKES] != 0)) if SPIKES in of_a else 0,
                spikes_compared=of_a[SPIKES].size if SPIKES in of_a else 0,
                registers_compared=sum(of_a[key].size for key in registers),
                spikes_differ=differ.get(SPIKES, 0),
                registers_differ=sum(differ[key] for key in registers),
            )
        )
        if any(differ.values()):
            anywhere = np.logical_or.reduce(list(unequal.values()))
            mismatches.append(_first(name, anywhere, unequal, a, b))
    answering = [next(iter(a.layers[name].values())) for name in answers or [*a.layers][-1:]]
    return Comparison(
        backends=(a.backend, b.backend),
        num_samples=a.num_samples,
        layers=tuple(counts),
        outputs_compared=sum(of.shape[0] * of.shape[1] for of in answering),
        first=first_of(mismatches, list(a.layers), order),
    )


def first_of(mismatches: Iterable[Mismatch], layers: Sequence[str], order: Order | None = None) -> Mismatch | None:
    """Return the mismatch that comes first, see `Mismatch`; None of none.

    Parameters
    ----------
    mismatches : iterable of Mismatch
        Of each layer the first one at least.
    layers : sequence of str
        Names of all layers.
    order : sequence of sequences of int, optional
        In which order they run, see `compare`.
    """
    groups = order or [(i,) for i in range(len(layers))]
    places = {layers[i]: (group, place) for group, of in enumerate(groups) for place, i in enumerate(of)}

    def rank(found: Mismatch) -> tuple[int, ...]:
        group, place = places[found.layer]
        return group, found.sample, found.step, place, found.neuron

    return min(mismatches, key=rank, default=None)


def merge(
    parts: Sequence[Comparison], samples: Sequence[npt.NDArray[np.int64]], order: Order | None = None
) -> Comparison:
    """Join comparisons of the same two backends on different samples into one.

    Parameters
    ----------
    parts : sequence of Comparison
        At least one.
    samples : sequence of ndarray of int64
        For each part, what its samples are called in the whole.
    order : sequence of sequences of int, optional
        In which order the layers run, see `compare`.

    Returns
    -------
    Comparison
        Counts are added; the first mismatch is that of the earliest layer, and there of the earliest sample.
    """
    mismatches = [
        replace(part.first, sample=int(names[part.first.sample]))
        for part, names in zip(parts, samples, strict=True)
        if part.first is not None
    ]
    layers = []
    for counts in zip(*(part.layers for part in parts), strict=True):
        sums = {
            field.name: sum(getattr(count, field.name) for count in counts)
            for field in fields(LayerCount)
            if field.name != "name"
        }
        layers.append(LayerCount(name=counts[0].name, **sums))
    return Comparison(
        backends=parts[0].backends,
        num_samples=sum(part.num_samples for part in parts),
        layers=tuple(layers),
        outputs_compared=sum(part.outputs_compared for part in parts),
        first=first_of(mismatches, [layer.name for layer in parts[0].layers], order),
    )


def _first(name: str, anywhere: Any, unequal: Mapping[str, Any], a: Trace, b: Trace) -> Mismatch:
    sample, step, neuron = (int(i) for i in np.argwhere(anywhere.transpose(0, 2, 1))[0])
    where = (sample, neuron, step)
    return Mismatch(
        layer=name,
        sample=sample,
        step=step,
        neuron=neuron,
        variables=tuple(key for key, differs in unequal.items() if differs[where]),
        registers={
            trace.backend: {key: int(array[where]) for key, array in trace.layers[name].items()} for trace in (a, b)
        },
    )

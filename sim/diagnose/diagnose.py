"""Says why two traces differ: what both sides held around the first mismatch, and the cause if it is a known one.

All layers before the first one that differs are equal on both sides, so its inputs are known to be good; where layers
feed each other, or themselves, each side had its own. On these, the contract's rules say which side departs from the
record, and `FAULTS` what made it depart: a cause is named only if the layer, run again with that fault, gives every
register of the departing side at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.net import Net
from ..compare import Mismatch
from ..reference import senders
from ..trace import Trace
from . import delays, edges, timing, values, weights
from .case import Case, Cause, Fault

FAULTS: tuple[Fault, ...] = (
    values.floating_point,
    weights.clipped_weight,
    weights.changed_weight,
    values.changed_decay,
    values.changed_bias,
    values.changed_threshold,
    timing.shifted_encoding,
    timing.early_bias,
    timing.reset_offset,
    timing.shifted_clock,
    delays.changed_axon,
    delays.changed_delay,
    edges.missing,
    edges.doubled,
    edges.leaking,
    timing.shifted_input,
    timing.lag,
)
"""The known faults, in the order in which they are tried; all are."""

_PLAIN = ("layer", "sample", "step", "neuron", "departs", "samples", "out_of_range")
_BEFORE, _AFTER = 3, 2
_SAMPLES = 32
"""A cause must reproduce this many samples, from the one before the mismatch on, or all if there are fewer."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is known about a mismatch.

    Parameters
    ----------
    backends : (str, str)
        The two sides.
    layer, sample, step, neuron
        Where they first differ.
    around : tuple of (step, values of the first side, values of the second side)
        Variables of that neuron in the steps around it.
    departs : str
        The side that does not follow the contract's rules for this record on the inputs that the layer had; ``"both"``
        if neither does.
    causes : tuple of Cause
        Known faults that reproduce that side exactly. Empty if there is none; several cannot be told apart.
    samples : int
        Over how many samples they reproduce it.
    out_of_range : str
        The register of the layer that had left its range by then, in words; empty if none had, or nobody looked.
    """

    backends: tuple[str, str]
    layer: str
    sample: int
    step: int
    neuron: int
    around: tuple[tuple[int, Mapping[str, int], Mapping[str, int]], ...]
    departs: str
    causes: tuple[Cause, ...]
    samples: int
    out_of_range: str = ""

    def __str__(self) -> str:
        return "\n".join([*self._table(), self.conclusion])

    @property
    def conclusion(self) -> str:
        """The cause in a sentence, or that it is unknown."""
        place = f"layer {self.layer!r}"
        if self.departs == "both":
            where = f"neither side follows the contract's rules in {place}"
        else:
            where = f"{self.departs} departs from the record in {place}"
        if not self.causes and self.out_of_range:
            return (
                f"likely cause: {self.out_of_range} had left its range by then, where the sides need not agree; no "
                "known fault reproduces the difference"
            )
        if not self.causes:
            return f"cause unknown: {where}, and no known fault reproduces it"
        proof = f"this reproduces {self.departs} exactly in all registers of {place} over {_count(self.samples)}"
        words = [f"{cause.name}: {cause.words}" for cause in self.causes]
        if len(words) == 1:
            return f"cause: {words[0]}; {proof}"
        return "cause: one of\n" + "\n".join(f"  {one}" for one in words) + f"\n  each of which {proof[5:]}"

    def _table(self) -> list[str]:
        rows = [["step", *(f"{name} {key}" for name, of in self._sides(0) for key in of)]]
        for i, (step, *_) in enumerate(self.around):
            mark = ">" if step == self.step else " "
            rows.append([f"{mark} {step}", *(str(value) for _, of in self._sides(i) for value in of.values())])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]

    def _sides(self, i: int) -> list[tuple[str, Mapping[str, int]]]:
        return list(zip(self.backends, self.around[i][1:], strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain values for JSON."""
        return {
            **{key: getattr(self, key) for key in _PLAIN},
            "backends": list(self.backends),
            "around": [{"step": step, "sides": [dict(a), dict(b)]} for step, a, b in self.around],
            "causes": [asdict(cause) for cause in self.causes],
            "conclusion": self.conclusion,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Diagnosis:
        """Return the diagnosis that `as_dict` wrote."""
        kept = {key: value for key, value in plain.items() if key != "conclusion"}
        kept |= {
            "backends": tuple(plain["backends"]),
            "around": tuple((row["step"], *row["sides"]) for row in plain["around"]),
            "causes": tuple(Cause(**cause) for cause in plain["causes"]),
        }
        return cls(**kept)

    def renamed(self, sample: int) -> Diagnosis:
        """Return the diagnosis with the sample called otherwise."""
        return replace(self, sample=sample)


def diagnose(
    net: Net,
    payload: npt.NDArray[np.int32],
    a: Trace,
    b: Trace,
    first: Mismatch,
    *,
    trained: Net | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Diagnosis:
    """Find out why two traces differ.

    Parameters
    ----------
    net : Net
        The record that was simulated.
    payload : ndarray of int32, shape (samples, channels, steps)
        The input of the samples that were traced.
    a, b : Trace
        Two traces of them.
    first : Mismatch
        Where they first differ, as `spikeproof.sim.compare.compare` says.
    trained : Net, optional
        The record that the first side ran, if it was not `net`.
    progress : callable, optional
        Called with (what runs, known faults tried, in all).

    Returns
    -------
    Diagnosis
    """
    index = net.index(first.layer)
    begin = max(0, first.sample - 1)
    window = slice(begin, begin + _SAMPLES)
    where = (first.sample - begin, first.step, first.neuron)
    cases = [Case(net, index, *_seen(net, index, trace, payload, window), where, begin == 0) for trace in (a, b)]
    follows = [each.reproduced_by(each.expected) for each in cases]
    case = cases[1]
    departs = "both" if not any(follows) else b.backend if follows[0] else a.backend
    causes: list[Cause] = []
    if follows[1]:
        case = cases[0]
        causes = list(values.altered_record(case, trained)) if trained is not None else []
    if not causes and departs != "both":
        head = case.up_to_the_first()
        for tried, fault in enumerate(FAULTS, start=1):
            if any(fault(head)):  # the other samples cost time
                causes += fault(case)
            if progress is not None:
                progress("known faults", tried, len(FAULTS))
    steps = range(max(0, first.step - _BEFORE), min(payload.shape[2], first.step + _AFTER + 1))

    def registers(trace: Trace, t: int) -> dict[str, int]:
        return {key: int(array[first.sample, first.neuron, t]) for key, array in trace.layers[first.layer].items()}

    return Diagnosis(
        backends=(a.backend, b.backend),
        layer=first.layer,
        sample=first.sample,
        step=first.step,
        neuron=first.neuron,
        around=tuple((t, registers(a, t), registers(b, t)) for t in steps),
        departs=departs,
        causes=tuple(causes),
        samples=len(case.payload),
    )


def _seen(
    net: Net, index: int, trace: Trace, payload: npt.NDArray[np.int32], window: slice
) -> tuple[dict[int, npt.NDArray[Any]], dict[str, npt.NDArray[np.int32]]]:
    """Return what a layer received in a run, by its own senders, and what it computed."""
    sent = senders(net, trace.layers, payload)
    received = {source: array[window] for source, array in sent.items()}
    return received, {key: array[window] for key, array in trace.layers[net.layers[index].name].items()}


def _count(samples: int) -> str:
    return "1 sample" if samples == 1 else f"{samples} samples"

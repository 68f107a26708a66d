"""Compares two backends on many samples, part by part.

No more than a part's traces are in memory, but for Lava's, which runs all samples in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.net import Net
from ..compare import Comparison, Mismatch, compare, merge
from ..diagnose.diagnose import Diagnosis, diagnose
from ..trace import VARIABLES, Trace
from . import gaps, headroom, same, whole
from .gaps import FloatGap
from .headroom import Headroom
from .same import Same
from .whole import Whole

_CHUNK_BYTES = 2**24
"""Size of a trace of the samples that are compared at once; more samples take their turn."""
_SHOWN_BYTES, _SHOWN = 2**27, 32
"""Size, and number of samples, of a trace in which the cause of a difference is looked for, if there are so many."""
_PICTURED = 4
"""Samples whose registers are run again for pictures when the comparison did without."""

Samples = npt.NDArray[np.int64]
"""Which of the samples."""
Run = Callable[[Sequence[Samples]], Iterator[Trace]]
"""Gives the traces of parts of the samples, one after the other, and keeps none of them."""


class Side(NamedTuple):
    """A backend that is compared."""

    name: str
    run: Run
    """Give every spike and register."""
    spikes: Run
    """Give the spikes, and what a read-out holds after the last step."""


def one_by_one(run: Callable[[Samples], Trace]) -> Run:
    """Return what runs each part by itself."""

    def each(parts: Sequence[Samples]) -> Iterator[Trace]:
        return (run(part) for part in parts)

    return each


def in_one_run(run: Callable[[Sequence[Samples]], Trace]) -> Run:
    """Return what runs all parts at once, as one stream, and gives them one after the other."""

    def each(parts: Sequence[Samples]) -> Iterator[Trace]:
        trace, ends = run(parts), np.cumsum([0, *map(len, parts)])
        for begin, end in pairwise(ends):
            layers = {name: {key: a[begin:end] for key, a in of.items()} for name, of in trace.layers.items()}
            yield Trace(backend=trace.backend, layers=layers)

    return each


class Ends(NamedTuple):
    """What is asked of the trained module beside the comparison."""

    replay: Callable[[Samples, Trace], Any]
    """Give what the module returns if its blocks put out what a trace says."""
    twin: Callable[[Samples, Trace], FloatGap] | None
    """Give what quantisation costs on samples, given a trace of them; None if there is no such twin."""


class Paired(NamedTuple):
    """What comparing two backends gave."""

    comparison: Comparison
    diagnosis: Diagnosis | None
    """Why they differ; None if they do not."""
    output: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    """What each of them answered, shape (samples, outputs)."""
    same: tuple[Same, ...]
    """How often they gave each of several answers alike; empty if there is one."""
    headroom: tuple[Headroom, ...]
    """How near the registers came to their limits; empty if they were not compared."""
    float_gap: FloatGap | None
    """What quantisation costs, if that was asked."""
    whole: Whole | None
    """Whether the module returns the same with the second backend's spikes; None if there is no module."""
    answers: tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]
    """What the module returned with each side's spikes, where that is a row of numbers a sample."""
    traces: tuple[Trace, Trace]
    """Both on some samples, registers included: those among which they differ first, or else the last ones."""
    traced: npt.NDArray[np.int64]
    """Which samples these are."""


def pair(
    net: Net,
    payload: Callable[[Samples], npt.NDArray[np.int32]],
    a: Side,
    b: Side,
    samples: npt.NDArray[np.int64],
    *,
    registers: bool = True,
    trained: Net | None = None,
    ends: Ends | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Paired:
    """Compare two backends.

    Parameters
    ----------
    net : Net
        The record that is simulated.
    payload : callable
        Gives the encoded input of the network for samples, int32 of shape (samples, channels, steps).
    a, b : Side
        The backends.
    samples : ndarray of int64
        Which of the samples to compare.
    registers : bool
        Whether to compare registers too, or spikes alone.
    trained : Net, optional
        The record that `a` runs, if it is not `net`.
    ends : Ends, optional
        What the trained module is asked; the first side is then its own run.
    progress : callable, optional
        Called with (what runs, done, in all).

    Returns
    -------
    Paired
    """
    size = max(1, _CHUNK_BYTES // _trace_bytes(net, registers=registers))
    parts = [samples[i : i + size] for i in range(0, len(samples), size)]
    runs = ((side.run if registers else side.spikes)(parts) for side in (a, b))
    found = _Found(net, registers=registers)
    for part, *traces in zip(parts, *runs, strict=True):
        found.add(part, (traces[0], traces[1]), payload, ends)
        if progress is not None and len(parts) > 1:
            progress(f"samples of {b.name}", found.done, len(samples))
    traced, shown, first = found.shown()
    if not registers:  # pictures and diagnoses show them
        traced = traced[[first.sample]] if first else traced[-_PICTURED:]
        shown = next(a.run([traced])), next(b.run([traced]))
        first = compare(*shown, net.groups).first
    why: Diagnosis | None = None
    if first is not None:
        why = diagnose(net, payload(traced), *shown, first, trained=trained, progress=progress)
        sample = int(traced[first.sample])
        gone = headroom.left_by(found.headroom, first.layer, sample, first.step)
        why = replace(why.renamed(sample), out_of_range=gone)
    return Paired(
        comparison=merge(found.comparisons, parts, net.groups),
        diagnosis=why,
        output=(np.concatenate(found.outputs[0]), np.concatenate(found.outputs[1])),
        same=same.merge(found.alike),
        headroom=found.headroom,
        float_gap=gaps.merge(found.rounding) if found.rounding else None,
        whole=None if ends is None else Whole(backend=b.name, samples=len(samples), difference=found.difference),
        answers=(whole.joined(found.answered[0]), whole.joined(found.answered[1])),
        traces=shown,
        traced=traced,
    )


class _Found:
    """What was found so far.

    Parameters
    ----------
    net : Net
        The record that is simulated.
    registers : bool
        Whether registers are compared too, and headroom is measured.
    """

    def __init__(self, net: Net, *, registers: bool) -> None:
        self._net, self._registers = net, registers
        self._group_of = {net.layers[i].name: at for at, group in enumerate(net.groups) for i in group}
        self.done = 0
        self.comparisons: list[Comparison] = []
        self.outputs: tuple[list[npt.NDArray[np.int64]], ...] = [], []
        self.answered: tuple[list[npt.NDArray[Any] | None], ...] = [], []
        self.alike: list[tuple[Same, ...]] = []
        self.rounding: list[FloatGap] = []
        self.headroom: tuple[Headroom, ...] = ()
        self.difference: whole.Difference | None = None
        self._first: Mismatch | None = None
        self._kept: list[tuple[Samples, tuple[Trace, Trace]]] = []

    def add(
        self,
        part: Samples,
        traces: tuple[Trace, Trace],
        payload: Callable[[Samples], npt.NDArray[np.int32]],
        ends: Ends | None,
    ) -> None:
        """Compare two traces of a part of the samples."""
        net = self._net
        comparison = compare(*traces, net.groups, net.answers)
        self.done += len(part)
        self.comparisons.append(comparison)
        self.alike.append(same.count(net, *traces))
        for outputs, trace in zip(self.outputs, traces, strict=True):
            outputs.append(trace.output(net))
        if self._registers:
            told = traces if comparison.first else traces[:1]
            self.headroom = headroom.measure(net, payload(part), told, part, self.headroom)
        if ends is not None:
            replayed = ends.replay(part, traces[1])
            self.difference = self.difference or whole.difference(traces[0].answer, replayed)
            for answers, answer in zip(self.answered, (traces[0].answer, replayed), strict=True):
                answers.append(whole.scores(answer, len(part)))
            if ends.twin is not None:
                self.rounding.append(replace(ends.twin(part, traces[0]), samples=part))
        self._keep(part, traces, comparison.first)

    def _keep(self, part: Samples, traces: tuple[Trace, Trace], first: Mismatch | None) -> None:
        """Keep the last traces, or those among which the first difference is and as many more as a diagnosis takes."""
        if first is not None and (
            self._first is None or self._group_of[first.layer] < self._group_of[self._first.layer]
        ):
            self._first, self._kept = first, [(part, traces)]
        elif self._first is None:
            self._kept = [(part, traces)]
        elif self._registers:
            fitting = min(_SHOWN, _SHOWN_BYTES // _trace_bytes(self._net, registers=True))
            if sum(len(kept) for kept, _ in self._kept) < fitting:
                self._kept.append((part, traces))

    def shown(self) -> tuple[Samples, tuple[Trace, Trace], Mismatch | None]:
        """Return traces to be shown, of which samples they are, and where they first differ."""
        if len(self._kept) == 1:
            return *self._kept[0], self._first
        a, b = (_joined([traces[side] for _, traces in self._kept]) for side in (0, 1))
        return np.concatenate([part for part, _ in self._kept]), (a, b), self._first


def _joined(traces: Sequence[Trace]) -> Trace:
    """Return traces of several parts of the samples as one."""
    layers = {
        name: {key: np.concatenate([trace.layers[name][key] for trace in traces]) for key in of}
        for name, of in traces[0].layers.items()
    }
    return Trace(backend=traces[0].backend, layers=layers)


def _trace_bytes(net: Net, *, registers: bool) -> int:
    """Return the size of one sample's trace; spikes alone count twice, for what torch makes of them."""
    variables = [len(VARIABLES[type(layer.neuron)]) if registers else 2 for layer in net.layers]
    return sum(4 * net.steps * layer.num_neurons * n for layer, n in zip(net.layers, variables, strict=True))

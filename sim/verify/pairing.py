"""Compares two backends on many samples, part by part, so that no more than a part's traces are in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.net import Net
from ..compare import Comparison, compare, merge
from ..diagnose.diagnose import Diagnosis, diagnose
from ..trace import VARIABLES, Trace
from . import gaps, headroom, same, whole
from .gaps import FloatGap
from .headroom import Headroom
from .same import Same
from .whole import Whole

_CHUNK_BYTES = 2**27
"""Size of a trace of the samples that are compared at once; more samples take their turn."""
_PICTURED = 4
"""Samples whose registers are run again for pictures when the comparison did without."""

Samples = npt.NDArray[np.int64]
"""Which of the samples."""
Run = Callable[[Samples], Trace]


class Side(NamedTuple):
    """A backend that is compared."""

    name: str
    run: Run
    """Give every spike and register of samples."""
    spikes: Run
    """Give their spikes, and what a read-out holds after the last step."""


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
    output: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
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
    at_once: bool = False,
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
    at_once : bool
        Whether all samples are one part, as Lava's are, which run in one stream.
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
    size = len(samples) if at_once else max(1, _CHUNK_BYTES // _trace_bytes(net, registers=registers))
    parts = [samples[i : i + size] for i in range(0, len(samples), size)]
    group_of = {net.layers[i].name: at for at, group in enumerate(net.groups) for i in group}
    run_a, run_b = (side.run if registers else side.spikes for side in (a, b))
    comparisons, outputs, alike, rounding, headrooms = [], [], [], [], []
    answered: list[list[npt.NDArray[Any] | None]] = []
    differs = ""
    earliest: tuple[Comparison, npt.NDArray[np.int64], tuple[Trace, Trace]] | None = None
    for done, part in enumerate(parts, start=1):
        traces = run_a(part), run_b(part)
        comparison = compare(*traces, net.groups)
        comparisons.append(comparison)
        outputs.append([trace.output(net) for trace in traces])
        alike.append(same.count(net, *traces))
        if registers:
            headrooms.append(headroom.measure(net, payload(part), traces))
        if ends is not None:
            replayed = ends.replay(part, traces[1])
            differs = differs or whole.difference(traces[0].answer, replayed)
            answered.append([whole.scores(each, len(part)) for each in (traces[0].answer, replayed)])
            if ends.twin is not None:
                rounding.append(ends.twin(part, traces[0]))
        before = earliest[0].first if earliest else None
        if comparison.first and (not before or group_of[comparison.first.layer] < group_of[before.layer]):
            earliest = comparison, part, traces
        if progress is not None and len(parts) > 1:
            progress(f"samples of {b.name}", min(size * done, len(samples)), len(samples))
    comparison, traced, shown = earliest or (comparisons[-1], parts[-1], traces)
    if not registers:  # pictures and diagnoses show them
        traced = traced[[comparison.first.sample]] if comparison.first else traced[-_PICTURED:]
        shown = a.run(traced), b.run(traced)
        comparison = compare(*shown, net.groups)
    why: Diagnosis | None = None
    if comparison.first is not None:
        why = diagnose(net, payload(traced), *shown, comparison.first, trained=trained, progress=progress)
        why = why.renamed(int(traced[comparison.first.sample]))
    return Paired(
        comparison=merge(comparisons, parts, net.groups),
        diagnosis=why,
        output=(np.concatenate([one for one, _ in outputs]), np.concatenate([one for _, one in outputs])),
        same=same.merge(alike),
        headroom=headroom.merge(headrooms, parts) if headrooms else (),
        float_gap=gaps.merge(rounding) if rounding else None,
        whole=None if ends is None else Whole(backend=b.name, samples=len(samples), differs=differs),
        answers=(whole.joined([one for one, _ in answered]), whole.joined([one for _, one in answered])),
        traces=shown,
        traced=traced,
    )


def _trace_bytes(net: Net, *, registers: bool) -> int:
    """Return the size of one sample's trace."""
    variables = [len(VARIABLES[type(layer.neuron)]) if registers else 1 for layer in net.layers]
    return sum(4 * net.steps * layer.num_neurons * n for layer, n in zip(net.layers, variables, strict=True))

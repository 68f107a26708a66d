"""Known faults in whole ways into a layer: it is missing, delivers twice, or leaks into the next sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .case import Case, Cause
from .way import IntArray, Way


def missing(case: Case) -> Iterator[Cause]:
    """Test ways that deliver nothing."""
    for way in case.ways:
        if case.reproduced_by(case.run(case.sums - way.delivered())):
            yield Cause("missing edge", f"the {way.label} {'are' if way.is_own else 'is'} missing")


def doubled(case: Case) -> Iterator[Cause]:
    """Test ways that deliver what they deliver twice."""
    for way in case.ways:
        if case.reproduced_by(case.run(case.sums + way.delivered())):
            yield Cause("doubled edge", f"the {way.label} {'deliver' if way.is_own else 'delivers'} twice")


def leaking(case: Case) -> Iterator[Cause]:
    """Test ways whose spikes under way are not dropped where a sample ends, as those of Lava's DelayDense are not."""
    late = [way for way in case.ways if way.incoming.longest]
    choices: list[tuple[Sequence[Way], str]] = [([way], f" on the {way.label}") for way in late]
    if len(late) > 1:
        choices.append((late, " on every way into the layer that has delays"))
    for ways, where in choices:
        if case.reproduced_by(case.run(case.sums + sum(_leaked(way, case.begins) for way in ways))):
            yield Cause("leak", f"what a sample leaves under way{where} reaches the next one")


def _leaked(way: Way, begins: bool) -> IntArray:
    """Return what a way delivers of the samples before."""
    more = way.streamed() - way.delivered()
    if not begins:
        more[:, 0] = 0  # what the samples before these sent is not known, and the first of these is no wrong one
    return more

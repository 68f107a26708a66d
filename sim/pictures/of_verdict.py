"""The figures of a verdict: what two backends saw of one sample, where they first differ if they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compare import compare
from ..trace import without_registers
from .figures import Figure, oscillators, rasters, states

if TYPE_CHECKING:
    from ..verify.verdict import Verdict


def figures_of(verdict: Verdict) -> list[Figure]:
    """Return the figures of a verdict that kept traces: where the two backends first differ, if they do."""
    if not verdict.traces:
        return []
    net, (expected, found) = verdict.net, (verdict.traces[0], verdict.traces[-1])
    # Traces are numbered as they ran; the mismatch to be shown is looked for among them.
    first = compare(expected, found, net.groups).first
    firing = compare(without_registers(expected, net), without_registers(found, net), net.groups).first
    differing = (first.layer, first.step, first.neuron) if first else None
    spikes, membranes = (one.sample if one else 0 for one in (firing or first, first))
    made = (
        rasters(net, expected, found, spikes, int(verdict.traced[spikes])),
        states(net, expected, found, membranes, int(verdict.traced[membranes]), differing),
        oscillators(net),
    )
    return [figure for figure in made if figure is not None]

"""Known faults in the weights of every way into a layer.

To find the value that a fault put in place of another, the neuron that differs is run on the sums of each candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.fixed import ACCUMULATOR_SHIFT, WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP
from ..trace import SPIKES
from .case import Case, Cause
from .way import IntArray, Way

_MOST = 16
"""So many of the values that fit one sample are tried on the others."""
_CELLS = 2**22
"""So many sums are tried for one weight: candidates times steps."""


def clipped_weight(case: Case) -> Iterator[Cause]:
    """Test weights that were set to a limit: two of them at least, or one at an end of a range of 7 or 8 bits."""
    choices: list[tuple[Sequence[Way], str, str]] = [
        ([way], "" if way.is_own else f" of {way.label}", "the layer's weights" if way.is_own else "its weights")
        for way in case.ways
    ]
    if len(case.ways) > 1:
        choices.append((case.ways, " of every way into the layer", "them"))
    for ways, of, which in choices:
        yield from _clipped(case, ways, of, which)


def _clipped(case: Case, ways: Sequence[Way], of: str, which: str) -> Iterator[Cause]:
    limits = np.arange(1, -WEIGHT_MIN)
    seen: list[list[IntArray]] = []
    for low, high, words in (
        (-limits, limits, "weights beyond -{0}..{0}{1} were clipped"),
        (np.full_like(limits, WEIGHT_MIN), limits, "weights above {0}{1} were clipped"),
        (-limits, np.full_like(limits, WEIGHT_MAX), "weights below -{0}{1} were clipped"),
    ):
        changed = sum(_when_clipped(case, way, low, high) for way in ways)
        trying = np.flatnonzero(np.any(changed, axis=(1, 2)))
        for fits in case.fitting(_sums(case) + changed[trying])[:_MOST]:  # type: ignore[index]
            limit = int(limits[trying[fits]])
            clipped = [np.clip(way.weight, low[limit - 1], high[limit - 1]) for way in ways]
            if any(all(map(np.array_equal, clipped, one)) for one in seen):
                continue
            seen.append(clipped)
            count = sum(int((one != way.weight).sum()) for one, way in zip(clipped, ways, strict=True))
            at_an_end = limit in (2**7 - 2, 2**7 - 1, 2**7, 2**8 - 2, 2**8 - 1)
            if ways[1:] and sum(bool((one != way.weight).any()) for one, way in zip(clipped, ways, strict=True)) < 2:
                continue  # said of that way alone
            more = sum(way.with_weight(one) for way, one in zip(ways, clipped, strict=True))
            if (count > 1 or at_an_end) and case.reproduced_by(case.run(case.sums + more)):
                yield Cause("clipped weight", f"{words.format(limit, of)}, which changes {count} of {which}")


def _when_clipped(case: Case, way: Way, low: IntArray, high: IntArray) -> npt.NDArray[Any]:
    """Return by how much each pair of limits changes the sums of the neuron, shape (limits, sums a neuron, steps)."""
    found = []
    for row in case.rows:
        places, columns = way.entries(row)
        recorded = way.weight[tuple(np.transpose(places))] if places else np.zeros(0, np.int64)
        change = np.clip(recorded, low[:, None], high[:, None]) - recorded
        arrived = way.arriving(row)[case.where[0], columns]
        found.append((change.astype(np.float64) @ arrived.astype(np.float64)).astype(np.int64))
    return np.stack(found, axis=1)


def changed_weight(case: Case) -> Iterator[Cause]:
    """Test another value of one weight, which the register's difference in the first wrong step tells."""
    params = case.layer.neuron
    registers = params.registers[:2] if params.sums == 2 else (params.charged,)
    for way in case.ways:
        for part, register in enumerate(registers):
            yield from _of_row(case, way, part, register)


def _of_row(case: Case, way: Way, part: int, register: str) -> Iterator[Cause]:
    """Test the weights of one sum of the neuron that is wrong first."""
    sample, row, weight = case.where[0], case.rows[part], way.weight
    places, columns = way.entries(row)
    if not register or not places:
        return
    arrived = way.arriving(row)[sample, columns].astype(np.int64)
    recorded = weight[tuple(np.transpose(places))]
    which, value = _candidates(case, register, recorded, arrived)
    sums = np.repeat(_sums(case), len(which), axis=0)
    sums[:, part] += (value - recorded[which])[:, None] * arrived[which]
    for fits in case.fitting(sums)[:_MOST]:
        place, new = places[which[fits]], int(value[fits])
        changed = weight.copy()
        changed[place] = new
        if case.reproduced_by(case.run(case.sums + way.with_weight(changed))):
            where = f"[{', '.join(map(str, place))}]"
            of = f"(from input {place[1]})" if way.is_own and len(place) == 2 else f"of {way.label}"
            words = f"synapse.weight{where} {of} is {weight[place]} in the record and {new} there"
            yield Cause("changed weight", words)


def _candidates(case: Case, register: str, recorded: IntArray, arrived: IntArray) -> tuple[IntArray, IntArray]:
    """Return which weights of a row to try, and with which values."""
    sample, step, neuron = case.where
    shift = getattr(case.layer.neuron, "a_shift", ACCUMULATOR_SHIFT)
    if SPIKES in case.found and any(of[SPIKES][sample, neuron, step] for of in (case.found, case.expected)):
        # A neuron that fired has reset its register, perhaps: it tells nothing.
        every = np.arange(WEIGHT_MIN, WEIGHT_MAX + 1, WEIGHT_STEP)
        active = np.flatnonzero(arrived[:, : step + 1].any(1))
        active = active[np.argsort(arrived[active, step] == 0, kind="stable")]
        which, value = np.repeat(active, len(every)), np.tile(every, len(active))
        kept = (value != recorded[which]).nonzero()[0][: _CELLS // arrived.shape[1]]
        return which[kept], value[kept]
    wrong, right = (int(of[register][sample, neuron, step]) for of in (case.found, case.expected))
    more, rest = divmod(wrong - right, 1 << shift) if shift >= 0 else (0, 1)
    active = np.flatnonzero(arrived[:, step])
    active = active[more % arrived[active, step] == 0]
    change = more // arrived[active, step]
    value = recorded[active] + change
    fine = (value % WEIGHT_STEP == 0) & (value >= WEIGHT_MIN) & (value <= WEIGHT_MAX) & (change != 0) & (rest == 0)
    return active[fine], value[fine]


def _sums(case: Case) -> npt.NDArray[np.int64]:
    """Return the sums of the neuron that is wrong first in that sample, shape (1, sums a neuron, steps)."""
    return case.sums[:, case.where[0], case.rows].T[None]

"""Known faults in delays: those of axons, and those of every way into a layer, all, one sender's or one synapse's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...contract.synapses import axon, delays
from ...contract.synapses.delays import delayed
from ...contract.synapses.dense import Dense
from .case import Case, Cause
from .way import IntArray, Way

_NEURONS = 128
"""So many axons are tried one by one."""
_MOST = 16
"""So many of the delays that fit one sample are tried on the others."""
_FARTHEST = 128
"""Delays up to this one are tried, and a few beyond the longest of the record."""
_CELLS = 2**22
"""So many sums are tried of one way: candidates times steps."""


def changed_axon(case: Case) -> Iterator[Cause]:
    """Test axonal delays of a layer that sends spikes here: dropped, of all its neurons or of one, or a step off."""
    for source in dict.fromkeys(way.incoming.source for way in case.ways):
        ways = [way for way in case.ways if way.incoming.source == source and not way.is_feedback]
        if not ways or not ways[0].axon.any():
            continue
        delay = ways[0].axon
        of = f"layer {case.net.layers[source].name!r}"
        choices = [
            ("dropped delay", f"the axonal delays of {of} are dropped", np.zeros_like(delay)),
            ("changed delay", f"the axonal delays of {of} are 1 step less", np.maximum(delay - 1, 0)),
            ("changed delay", f"the axonal delays of {of} are 1 step more", np.minimum(delay + 1, axon.MAX_DELAY)),
        ]
        for neuron in np.flatnonzero(delay)[:_NEURONS] if len(delay) > 1 else []:
            words = f"the axonal delay of neuron {neuron} of {of}, {delay[neuron]}, is dropped"
            choices.append(("dropped delay", words, np.where(np.arange(len(delay)) == neuron, 0, delay)))
        for name, words, changed in choices:
            more = sum(way.with_delay(delays.simplest(way.delay + changed)) for way in ways)
            if case.reproduced_by(case.run(case.sums + more)):
                yield Cause(name, words)


def changed_delay(case: Case) -> Iterator[Cause]:
    """Test other delays of one way: all by as much, those of one sender, or one synapse's."""
    for way in case.ways:
        if way.is_own and not way.delay.any() and (way.axon.any() or len(case.ways) == 1):
            continue  # other faults speak of inputs that are late, and of axons
        yield from _of_all(case, way)
        yield from _of_one(case, way)


def _of_all(case: Case, way: Way) -> Iterator[Cause]:
    """Test all delays of a way, dropped or changed by as much."""
    whole, least = np.asarray(way.incoming.delay, np.int64), int(way.delay.min())
    first = _column(case, way, whole - least)
    base = case.sums[:, case.where[0], case.rows].T - _later(first, least)
    tried, choices = [], []
    for k in _by(case, way):
        tried.append(_later(first, least + k))
        choices.append((f"are {_steps(abs(k))} {'more' if k > 0 else 'less'}", whole + k))
    if way.delay.any() and way.axon.min() >= _least(case, way):
        dropped = np.broadcast_to(way.axon, whole.shape) if whole.ndim else whole - least
        tried.append(_column(case, way, dropped))
        choices.append(("are dropped", dropped))
    for fits in case.fitting(base + np.array(tried).reshape(-1, *base.shape))[:_MOST]:
        words, changed = choices[fits]
        if case.reproduced_by(case.run(case.sums + way.with_delay(changed))):
            name = "dropped delay" if words == "are dropped" else "changed delay"
            yield Cause(name, f"the delays of {way.label} {words}")


def _by(case: Case, way: Way) -> list[int]:
    """Return by how many steps all delays of a way may have changed, but for what drops them all."""
    least, whole = int(way.delay.min()), way.incoming.delay
    farthest = min(_FARTHEST, delays.MAX_DELAY - int(way.delay.max()), case.steps)
    fewest = max(-least, _least(case, way) - int(whole.min()))
    uniform = bool((way.delay == least).all())
    return [k for k in range(fewest, farthest + 1) if k and not (uniform and k == -least)]


def _least(case: Case, way: Way) -> int:
    """Return the shortest delay of a way: what a layer sends itself arrives in the next step at the earliest."""
    return int(way.incoming.source == case.index)


def _later(column: IntArray, by: int) -> IntArray:
    """Return sums, shape (sums a neuron, steps), some steps later."""
    return delayed(column, by)


def _column(case: Case, way: Way, delay: IntArray) -> IntArray:
    """Return what the way with other delays adds to the sums of the neuron, shape (sums a neuron, steps)."""
    sent = way.sent[way.incoming.source][case.where[0]][None]
    changed = way.incoming._replace(delay=np.asarray(delay))
    if isinstance(changed.synapse, Dense):
        rows = delay[case.rows] if delay.ndim == 2 else delay
        changed = changed._replace(
            synapse=replace(changed.synapse, weight=changed.synapse.weight[case.rows]), delay=rows
        )
        return changed.delivered(sent)[:, 0].T
    return changed.delivered(sent)[:, 0, case.rows].T


def _of_one(case: Case, way: Way) -> Iterator[Cause]:
    """Test the delay of one sender, at all synapses or at one."""
    whole, synapse = np.asarray(way.incoming.delay, np.int64), way.incoming.synapse
    senders, sums = synapse.num_inputs, synapse.num_neurons
    every = np.broadcast_to(whole, (sums, senders)) if whole.ndim == 2 else np.broadcast_to(whole, senders)[None]
    scopes: list[tuple[str, list[int]]] = []
    if whole.ndim < 2 and senders > 1:
        scopes.append(("sender", list(range(len(case.rows)))))
    if isinstance(synapse, Dense) and sums > 1:
        scopes += [("synapse", [part]) for part in range(len(case.rows))]
    for scope, parts in scopes:
        row = case.rows[parts[0]]
        which, value, more = _candidates(case, way, every[row % len(every)], [case.rows[part] for part in parts])
        tried = np.repeat(case.sums[:, case.where[0], case.rows].T[None], len(which), axis=0)
        tried[:, parts] += more
        for fits in case.fitting(tried)[:_MOST]:
            j, new, off = int(which[fits]), int(value[fits]), int(way.axon[which[fits]])
            old = int(every[row % len(every), j])
            changed = np.broadcast_to(whole, (sums, senders) if scope == "synapse" else (senders,)).copy()
            changed[(row, j) if scope == "synapse" else j] = new
            if case.reproduced_by(case.run(case.sums + way.with_delay(changed))):
                one = f"synapse [{row}, {j}]" if scope == "synapse" else f"sender {j}"
                name = "dropped delay" if new == off else "changed delay"
                told = f"is {old - off} in the record and {new - off} there"
                yield Cause(name, f"the delay of {one} of {way.label} {told}")


def _candidates(
    case: Case, way: Way, recorded: IntArray, rows: list[int]
) -> tuple[IntArray, IntArray, npt.NDArray[np.int64]]:
    """Return senders and delays to try for them, and by how much they change the sums of rows in the sample."""
    sent = way.sent[way.incoming.source][case.where[0]].astype(np.int64)
    weights, worth = np.zeros((len(rows), len(sent)), np.int64), way.incoming.synapse.worth
    for at, row in enumerate(rows):
        places, columns = way.entries(row)
        known = columns < len(sent)  # the others are oscillators
        weights[at, columns[known]] = [worth[place] for place, kept in zip(places, known, strict=True) if kept]
    arrived, usable = delayed(sent, recorded), weights.any(0)
    which, value, more, room = [], [], [], _CELLS // case.steps
    farthest = min(case.steps, max(_FARTHEST, int(recorded.max()) + 8), delays.MAX_DELAY)
    for d in sorted(range(_least(case, way), farthest + 1), key=lambda d: abs(d - int(recorded.min()))):
        change = delayed(sent, d) - arrived
        seen = change[:, : case.where[1] + 1].any(1)  # nothing else can make a difference so early
        tried = np.flatnonzero(usable & seen & (d >= way.axon))[: max(room, 0)]
        room -= len(tried)
        which.append(tried)
        value.append(np.full(len(tried), d))
        more.append(weights[:, tried].T[:, :, None] * change[tried, None])
    return np.concatenate(which), np.concatenate(value), np.concatenate(more)


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"

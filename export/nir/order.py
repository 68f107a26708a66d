"""In which order layers stand in a record, and how many steps the ways back take.

A way back is one to a layer that it has come from, seen from the inputs. Within a step it would have to know what is
only computed from it, so every tool takes what was sent a step before. On Loihi each synapse takes a step, so a way
back over k layers needs k steps of delay in all; see `spikeproof.contract.net.graph`.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Link(NamedTuple):
    """A way from one layer or input to another, and its shortest delay."""

    source: str
    target: str
    delay: int


def ways_back(starts: Sequence[str], links: Sequence[Link]) -> set[int]:
    """Return which of the links lead back to where they came from."""
    after: dict[str, list[int]] = {}
    for number, link in enumerate(links):
        after.setdefault(link.source, []).append(number)
    found: set[int] = set()
    done: set[str] = set()
    for start in starts:
        if start in done:
            continue
        path, open_ = [(start, iter(after.get(start, ())))], {start}
        while path:
            name, rest = path[-1]
            at = next(rest, None)
            if at is None:
                path.pop()
                open_.discard(name)
                done.add(name)
                continue
            target = links[at].target
            if target in open_:
                found.add(at)
            elif target not in done:
                path.append((target, iter(after.get(target, ()))))
                open_.add(target)
    return found


def ordered(names: Sequence[str], links: Sequence[Link], back: set[int]) -> list[str]:
    """Return layers in an order in which each comes behind what feeds it, but for ways back.

    Of those that could come next, the first of `names` does.
    """
    place = {name: number for number, name in enumerate(names)}
    onward = [link for at, link in enumerate(links) if at not in back and link.source in place]
    after: dict[str, list[str]] = {}
    waits = dict.fromkeys(names, 0)
    for link in onward:
        after.setdefault(link.source, []).append(link.target)
        waits[link.target] += 1
    ready = [place[name] for name in names if not waits[name]]
    heapq.heapify(ready)
    found: list[str] = []
    while ready:
        found.append(names[heapq.heappop(ready)])
        for target in after.get(found[-1], ()):
            waits[target] -= 1
            if not waits[target]:
                heapq.heappush(ready, place[target])
    return found


def latencies(order: Sequence[str], links: Sequence[Link], back: set[int]) -> dict[str, int]:
    """Return by how many steps each layer works behind the inputs, but for ways back."""
    before: dict[str, list[Link]] = {}
    for at, link in enumerate(links):
        if at not in back:
            before.setdefault(link.target, []).append(link)
    found: dict[str, int] = {}
    for name in order:
        found[name] = max([1, *(found.get(link.source, 0) + 1 - link.delay for link in before.get(name, ()))])
    return found


def missing(link: Link, late: Mapping[str, int]) -> int:
    """Return how many steps of delay a way back lacks."""
    return max(0, late[link.source] + 1 - late[link.target] - link.delay)

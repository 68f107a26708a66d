"""Prove by exhaustion how far apart the codes of phase oscillators are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError, UnsupportedError
from ...contract.sources import phase

Words = npt.NDArray[np.uint64]
"""Codes, 64 bits a word: shape (positions, words)."""

MAX_LENGTH = 2**23
MAX_COMPARED = 2**17
"""Most positions whose pairs are compared one by one: 2**33 pairs, some minutes."""
_MAX_PAIRS = 40_000_000
_BLOCK = 2**17
"""Pairs compared at a time; few enough for the cache."""


class Certificate(NamedTuple):
    """What the check of the codes of positions 0..`length` - 1 found."""

    length: int
    """Number of positions checked, at least 2."""
    num_neurons: int
    """Bits of a code."""
    distinct: int
    """Number of different codes; `length` when every position has its own."""
    min_distance: int
    """Smallest Hamming distance of two positions; 0 when two share a code."""
    closest: tuple[int, int]
    """Two positions at that distance, the smaller one first."""
    rate: float
    """Mean number of spikes a channel and step."""
    neighbour_distance: float
    """Mean Hamming distance of consecutive positions; small for a code that changes smoothly."""


def certify(params: phase.Phase, length: int) -> Certificate:
    """Check the codes of positions 0..`length` - 1 exhaustively; nothing is sampled.

    Equal codes are found by sorting. Then every code is looked up with each choice of 1, 2, ... bits flipped, as long
    as that is less work than to compare every pair, which is done otherwise.

    Parameters
    ----------
    params : spikeproof.contract.sources.phase.Phase
        Any phase oscillators.
    length : int
        Number of positions, 2..2**23.

    Returns
    -------
    Certificate

    Raises
    ------
    InputError
        `length` lies outside its range.
    UnsupportedError
        More than 2**17 positions, all different, with more than 64 channels or a distance above 2.

    Examples
    --------
    >>> certify(phase.Phase.from_paper(40), 672).distinct
    568
    """
    if not 2 <= length <= MAX_LENGTH:
        raise InputError(f"certify: length = {length} is outside 2..2**23; a distance needs two positions.")
    words, spikes = codes(params, length)
    order = np.lexsort(words.T)
    equal = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    if equal.any():
        at = int(np.argmax(equal))
        distance, closest = 0, (int(order[at]), int(order[at + 1]))
    else:
        distance, closest = _closest(words, order)
    return Certificate(
        length=length,
        num_neurons=params.num_neurons,
        distinct=length - int(equal.sum()),
        min_distance=distance,
        closest=(min(closest), max(closest)),
        rate=spikes / (length * params.num_neurons),
        neighbour_distance=float(_weight(words[1:] ^ words[:-1]).mean()),
    )


def close_pairs(params: phase.Phase, length: int, distance: int) -> tuple[npt.NDArray[Any], ...]:
    """Find every pair of positions whose codes differ in fewer than `distance` bits.

    Parameters
    ----------
    params : spikeproof.contract.sources.phase.Phase
        Any phase oscillators.
    length : int
        Number of positions, 2..2**17.
    distance : int
        Pairs below this Hamming distance are listed.

    Returns
    -------
    first, second, distance : ndarray of shape (pairs,)
        Positions, int32, and their distance, int64.

    Raises
    ------
    UnsupportedError
        There are more than 40 million such pairs, or too many positions.
    """
    if length > MAX_COMPARED:
        raise UnsupportedError(
            f"{length} positions are too many to compare in pairs; the limit is {MAX_COMPARED}. "
            "Use min_distance 1, or 2 with style 'gray'."
        )
    words, _ = codes(params, length)
    found: list[tuple[npt.NDArray[Any], ...]] = []
    count = 0
    for row, distances in _blocks(words):
        r, c = np.nonzero(distances < distance)
        found.append(((r + row).astype(np.int32), (c + row + 1).astype(np.int32), distances[r, c].astype(np.int64)))
        count += r.size
        if count > _MAX_PAIRS:
            raise UnsupportedError(
                f"More than {_MAX_PAIRS} of the pairs of {length} positions are closer than {distance} bits, too "
                "many for the search. Lower min_distance or length, or use style 'gray'."
            )
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def codes(params: phase.Phase, length: int) -> tuple[Words, int]:
    """Return the codes of positions 0..`length` - 1, packed, and their number of spikes."""
    packed = np.zeros((length, 8 * -(-params.num_neurons // 64)), dtype=np.uint8)
    rows, spikes = max(1, 2**22 // params.num_neurons), 0
    for low in range(0, length, rows):
        bits = phase.spikes(params, np.arange(low, min(length, low + rows)))
        row = np.packbits(bits.astype(np.uint8), axis=1)
        packed[low : low + rows, : row.shape[1]] = row
        spikes += int(bits.sum())
    return packed.view(np.uint64), spikes


def _swar_popcount(x: Words) -> npt.NDArray[np.uint8]:
    """Count the ones of each word by adding neighbouring fields; NumPy before 2.0 has no ``bitwise_count``."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((x * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)


_popcount: Callable[[Words], npt.NDArray[np.uint8]] = getattr(np, "bitwise_count", _swar_popcount)


def _weight(words: Words) -> npt.NDArray[Any]:
    """Hamming weight of codes, the words along the last axis."""
    if words.shape[-1] == 1:
        return _popcount(words[..., 0])
    return np.asarray(_popcount(words).sum(axis=-1, dtype=np.int32))


def _blocks(words: Words) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield (row, distances) so that each pair of positions appears once.

    Entry [r, c] is the distance of positions ``row + r`` and ``row + 1 + c``; where ``c < r`` it is the type's largest
    value, because those pairs have had their turn.
    """
    row, last = 0, len(words) - 1
    while row < last:
        rows = min(last - row, max(1, _BLOCK // (last - row)))
        distances = _weight(words[row : row + rows, None] ^ words[None, row + 1 :])
        distances[np.tril_indices(rows, -1, distances.shape[1])] = np.iinfo(distances.dtype).max
        yield row, distances
        row += rows


def _closest(words: Words, order: npt.NDArray[np.intp]) -> tuple[int, tuple[int, int]]:
    """Return the smallest distance of distinct codes, sorted by `order`, and two positions that have it."""
    length, radius = len(words), 1
    if words.shape[1] == 1:
        ranked = words[order, 0]
        ever = int(np.bitwise_or.reduce(ranked))  # a bit that no code has set leads to no other code
        masks = [np.uint64(1 << k) for k in range(64) if ever >> k & 1]
        # A lookup takes about as long as to compare 30 pairs.
        while 30 * math.comb(len(masks), radius) < length / 2 or (length > MAX_COMPARED and radius <= 2):
            for choice in itertools.combinations(masks, radius):
                flipped = ranked ^ np.bitwise_or.reduce(choice)
                at = np.minimum(np.searchsorted(ranked, flipped), length - 1)
                hit = np.flatnonzero(ranked[at] == flipped)
                if hit.size:
                    return radius, (int(order[hit[0]]), int(order[at[hit[0]]]))
            radius += 1
    if length > MAX_COMPARED:
        raise UnsupportedError(
            f"certify: {length} positions are too many to compare in pairs; the limit is {MAX_COMPARED}. "
            "Certify fewer positions."
        )
    best, closest = words.shape[1] * 64 + 1, (0, 0)
    for row, distances in _blocks(words):
        least = int(distances.min())
        if least < best:
            r, c = np.unravel_index(int(np.argmin(distances)), distances.shape)
            best, closest = least, (row + int(r), row + 1 + int(c))
        if best <= radius:  # nothing is closer: the lookups found no pair below `radius`
            break
    return best, closest

"""Choose phase oscillators whose codes are all different, and prove that they are.

The published parameters do not give every position its own code; ``bench/designed.py`` counts those that they give.
Here frequencies and initial phases are chosen so that they do, or so that any two codes differ in `min_distance` bits.
The codes of all positions are then checked exhaustively. Only NumPy is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError, UnsupportedError
from ...contract.sources import phase
from .certificates import MAX_COMPARED, MAX_LENGTH, Certificate, certify, close_pairs

Channels = list[tuple[int, int]]
"""(increment, initial phase) a channel, in units of 2**-24 turn; the window is that of the style."""

_QUARTER, _HALF = phase.TURN // 4, phase.TURN // 2
_SINE = phase.Phase.from_paper(1)
WINDOWS = {
    "binary": (_HALF, _HALF),
    "gray": (_QUARTER, _HALF),
    "paper": (int(_SINE.start[0]), int(_SINE.length[0])),
}
"""Window of each style, (start, length) in units of 2**-24 turn."""
_CANDIDATES = 256
_RESTARTS = 4
_SCORED_PAIRS = 200_000


class Design(NamedTuple):
    """Oscillators, and the proof that their codes are what was asked for."""

    params: phase.Phase
    """The oscillators; their period is the length."""
    certificate: Certificate
    """The check of every position."""


def design(length: int, max_neurons: int = 128, min_distance: int = 1, style: str = "gray", seed: int = 0) -> Design:
    """Choose phase oscillators whose codes differ pairwise in at least `min_distance` bits.

    - ``"binary"``: bit k of the position, a half-turn window at ``2**-(k+1)`` turn a step: ``ceil(log2(length))``
      oscillators, the fewest possible. Neighbours may differ in every bit.
    - ``"gray"``: half the frequency and a quarter turn later, the reflected Gray code: as few oscillators, and
      neighbours differ in one bit. One oscillator more, at half a turn a step, makes every weight even and so the
      distance 2, again with the fewest possible.
    - ``"paper"``: the paper's window, ``sin >= 0.8``; frequencies and initial phases are searched for.

    For distances beyond these, oscillators are added one at a time, each the best of a seeded random choice at
    telling close pairs apart; or a whole code is repeated, where that takes fewer or where the close pairs are too
    many to search. Neither is known to be optimal.

    Parameters
    ----------
    length : int
        Number of positions, 2..2**23; 2..2**17 for style "paper" and wherever pairs have to be compared.
    max_neurons : int
        Most oscillators to use, at least 1.
    min_distance : int
        Smallest Hamming distance that two codes may have, at least 1.
    style : {"gray", "binary", "paper"}
        Windows of the oscillators.
    seed : int
        Seed of the search, at least 0; the same arguments always give the same oscillators.

    Returns
    -------
    Design

    Raises
    ------
    InputError
        An argument lies outside its range.
    UnsupportedError
        The best code found needs more than `max_neurons`; or its distance is beyond what `certify` can check.

    Examples
    --------
    >>> design(1000).certificate.num_neurons
    10
    """
    if style not in WINDOWS:
        raise InputError(f"design: style {style!r} is not known; use one of {', '.join(WINDOWS)}.")
    limits = {
        "length": (length, 2, MAX_COMPARED if style == "paper" else MAX_LENGTH),
        "min_distance": (min_distance, 1, 64),
        "max_neurons": (max_neurons, 1, 2**31 - 1),
        "seed": (seed, 0, 2**63 - 1),
    }
    for name, (value, low, high) in limits.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise InputError(f"design: {name} = {value!r} is not a whole number in {low}..{high}.")
    channels = min(_options(length, style, min_distance, seed), key=len)
    if len(channels) > max_neurons:
        raise UnsupportedError(
            f"design: the best {style!r} code found for {length} positions at min_distance {min_distance} has "
            f"{len(channels)} neurons, above max_neurons = {max_neurons}. Raise max_neurons, lower min_distance or "
            f"length, or try another style; below {fewest(length, min_distance)} neurons there is none in any style."
        )
    params = _record(channels, style, length)
    certificate = certify(params, length)
    assert certificate.min_distance >= min_distance, (certificate, min_distance)
    return Design(params, certificate)


def fewest(length: int, min_distance: int = 1) -> int:
    """Return the sphere-packing bound: no `length` codes at `min_distance` have fewer bits."""
    radius, bits = (min_distance - 1) // 2, 1
    while length * sum(math.comb(bits, i) for i in range(radius + 1)) > 2**bits:
        bits += 1
    return bits + (min_distance + 1) % 2  # an even distance is an odd one and a parity bit


def _record(channels: Channels, style: str, length: int) -> phase.Phase:
    increment, initial = np.array(channels).T
    start, window = WINDOWS[style]
    return phase.Phase(
        num_neurons=len(channels),
        increment=increment,
        start=np.full(len(channels), start),
        length=np.full(len(channels), window),
        initial=initial,
        period=length,
    )


def _options(length: int, style: str, min_distance: int, seed: int) -> Iterator[Channels]:
    """Yield codes that have the distance."""
    bits = (length - 1).bit_length()
    if style == "paper":
        rngs = [np.random.default_rng([seed, restart]) for restart in range(_RESTARTS)]
        starts: list[Channels] = [_fifths(length), *[[] for _ in rngs]]
        rngs = [np.random.default_rng(seed), *rngs]
        base = min((_tell_apart(length, s, style, rng) for s, rng in zip(starts, rngs, strict=True)), key=len)
        yield base * min_distance
    elif style == "binary":
        base = [(_HALF >> k, 0) for k in range(bits)]
        yield base * min_distance
    else:
        gray = [(_QUARTER >> k, 0) for k in range(bits)]
        even = [*gray, (_HALF, 0)]
        yield even * (min_distance // 2) + gray * (min_distance % 2)
        base = even if min_distance > 1 else gray
    known = 2 if style == "gray" else 1
    if min_distance > known and length <= MAX_COMPARED:
        try:
            yield _spread(length, base, style, min_distance, np.random.default_rng(seed))
        except UnsupportedError:  # more close pairs than fit in memory: the repeated code stands
            return


def _fifths(length: int) -> Channels:
    """Return the digits of the position in base 5, four windows of about a fifth of a turn a digit.

    The paper's window is a little more than a fifth. The windows end at the fifths of the turn, half a position before
    the digit changes, and begin earlier; a digit 4 is the silence of all four.
    """
    start, window = WINDOWS["paper"]
    channels, period = [], 5
    while True:
        increment = round(phase.TURN / period)
        for digit in range(4):
            end = round((digit + 1) * phase.TURN / 5) - increment // 2
            channels.append((increment, (start + window - end) % phase.TURN))
            if length <= (digit + 2) * (period // 5):
                return channels
        period *= 5


def _candidates(length: int, rng: np.random.Generator, anywhere: bool) -> Channels:
    """Draw oscillators, their frequencies even on a logarithmic scale up to half a turn a step."""
    log = rng.uniform(math.log(phase.TURN / (8 * length)), math.log(_HALF), _CANDIDATES)
    increment = np.maximum(1, np.exp(log)).astype(np.int64)
    # The paper's two initial phases, sine and cosine, or any.
    initial = rng.integers(0, phase.TURN, _CANDIDATES) if anywhere else _QUARTER * rng.integers(0, 2, _CANDIDATES)
    return list(zip(increment.tolist(), initial.tolist(), strict=True))


def _bits(channels: Channels, style: str, positions: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield each channel's spikes at `positions`."""
    several = max(1, 2**20 // max(1, positions.size))
    for low in range(0, len(channels), several):
        params = _record(channels[low : low + several], style, 0)
        yield from phase.spikes(params, positions).T.astype(bool)


def _tell_apart(length: int, channels: Channels, style: str, rng: np.random.Generator) -> Channels:
    """Add the oscillator that leaves the fewest pairs of equal codes, until there is none."""
    chosen, positions = list(channels), np.arange(length)
    group = np.zeros(length, dtype=np.int64)  # positions with equal codes so far share a number

    def split(bit: npt.NDArray[np.bool_]) -> None:
        nonlocal positions, group
        _, group, size = np.unique(2 * group + bit, return_inverse=True, return_counts=True)
        alone = size[group] == 1
        positions, group = positions[~alone], group[~alone]

    def pairs(bit: npt.NDArray[np.bool_]) -> int:
        return int(np.square(np.bincount(2 * group + bit)).sum())

    for channel in channels:
        split(next(_bits([channel], style, positions)))
    while positions.size:
        drawn = _candidates(length, rng, anywhere=False)
        best = drawn[int(np.argmin([pairs(bit) for bit in _bits(drawn, style, positions)]))]
        split(next(_bits([best], style, positions)))
        chosen.append(best)
    return chosen


def _spread(length: int, channels: Channels, style: str, min_distance: int, rng: np.random.Generator) -> Channels:
    """Add the oscillator that separates most close pairs, the closest counting most, until none is left."""
    chosen = list(channels)
    first, second, distance = close_pairs(_record(chosen, style, length), length, min_distance)
    positions = np.arange(length)
    while first.size:
        some = rng.choice(first.size, min(first.size, _SCORED_PAIRS), replace=False)
        i, j, weight = first[some], second[some], 4.0 ** (min_distance - distance[some])
        drawn = _candidates(length, rng, anywhere=True)
        gain = [weight[bit[i] != bit[j]].sum() for bit in _bits(drawn, style, positions)]
        best = drawn[int(np.argmax(gain))]
        bit = next(_bits([best], style, positions))
        distance += bit[first] != bit[second]
        close = distance < min_distance
        first, second, distance = first[close], second[close], distance[close]
        chosen.append(best)
    return chosen

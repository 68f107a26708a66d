"""CPG spike oscillators: a position told by spikes, one 24-bit phase a channel.

Channels 2i and 2i+1 of the paper spike while ``sin(p omega_i)`` and ``cos(p omega_i)`` are at least a
threshold. Here a turn is ``2**24``, and one step is, in this order::

    s     = 1 if (phase - start) mod 2**24 < length else 0
    phase = (phase + increment) mod 2**24

- Fires while the phase lies in its window ``[start, start + length)``, both taken modulo a turn.
- Order: compare, then advance. The state is the phase of the position to come: the first step emits
  position 0, and position p has the phase ``initial + p * increment mod 2**24`` for every p. Nothing drifts.
- Reset: `period` steps after a sample began, the phases return to `initial`.

`coupled` runs the paper's coupled pair instead.

References
----------
CPG-PE, arXiv 2405.14362; the spike form and its index are those of the authors' code (microsoft/SeqSNN).
The paper's N is `num_neurons`, v_thres is `threshold`, tau is `w_max`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError, RecordError
from ..fixed import STATE_BITS, IntArray, as_integers, as_whole, per_neuron
from ..record import Record

TURN = 2**STATE_BITS
"""One turn of a phase."""
NYQUIST = TURN // 2
"""Largest increment: half a turn a step."""
_COUNT_MAX = 2**31 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Phase(Record):
    """Phase oscillators, one a channel.

    Parameters
    ----------
    num_neurons : int
        Number of channels n, at least 1.
    increment : array_like of int, shape () or (n,)
        Advance of the phase a step, 0..2**23 in units of 2**-24 turn. Kept as int32 of shape (n,), as are all.
    start : array_like of int, shape () or (n,)
        First phase of the window, 0..2**24 - 1.
    length : array_like of int, shape () or (n,)
        Number of phases in the window, 0 (never spikes) .. 2**24 (always spikes).
    initial : array_like of int, shape () or (n,)
        Phase of position 0, 0..2**24 - 1.
    period : int
        Steps of a sample, after which the phases start again; 0 lets them run on.

    Raises
    ------
    RecordError
        A value lies outside its range, or an increment is more than half a turn.
    """

    num_neurons: int
    increment: npt.NDArray[Any]
    start: npt.NDArray[Any]
    length: npt.NDArray[Any]
    initial: npt.NDArray[Any] = 0  # type: ignore[assignment]
    period: int = 0

    def __post_init__(self) -> None:
        n = as_whole("Phase num_neurons", self.num_neurons, 1, _COUNT_MAX)
        increment = per_neuron("Phase increment", self.increment, n, 0, TURN - 1)
        start = per_neuron("Phase start", self.start, n, 0, TURN - 1)
        length = per_neuron("Phase length", self.length, n, 0, TURN)
        initial = per_neuron("Phase initial", self.initial, n, 0, TURN - 1)
        if (increment > NYQUIST).any():
            i = int(np.argmax(increment > NYQUIST))
            slow = slower(increment, start, length, initial)
            raise RecordError(
                f"Phase increment[{i}] = {increment[i]} is more than half a turn (2**23) a step: in whole steps "
                f"that is a slower oscillator run backwards. Give it increment {slow.increment[i]}, initial "
                f"{slow.initial[i]} and start {slow.start[i]} for the same spikes."
            )
        self._set(
            num_neurons=n,
            increment=increment,
            start=start,
            length=length,
            initial=initial,
            period=as_whole("Phase period", self.period, 0, _COUNT_MAX),
        )

    @classmethod
    def from_paper(cls, num_neurons: int, w_max: float = 10000.0, threshold: float = 0.8, period: int = 0) -> Phase:
        """Return the paper's ``H(sin(p omega_i) - threshold)`` and ``H(cos(p omega_i) - threshold)``.

        ``omega_i = w_max ** (-2 i / N)``, H(0) = 1; with an odd N the last channel is a sine. The increment is
        ``round(2**24 omega / (2 pi))``, so after p steps a phase is at most ``p / 2`` units of 2**-24 turn
        off. At its integer phase each test is exact: the window's ends are rounded inward.

        Parameters
        ----------
        num_neurons : int
            N, the number of channels (not of pairs).
        w_max : float
            Scale of the frequencies, 10000 or 1000 in the authors' code; positive.
        threshold : float
            v_thres, between -1 and 1, both excluded.
        period : int
            Steps of a sample; 0 lets the phases run on.

        Raises
        ------
        RecordError
            A parameter lies outside its range, or an oscillator would turn by more than half a turn a step.

        Examples
        --------
        >>> spikes(Phase.from_paper(10), range(4)).tolist()[3]
        [0, 0, 0, 1, 0, 1, 0, 1, 0, 1]
        """
        n, omega = paper_frequencies(num_neurons, w_max, threshold)
        turns = omega / (2 * math.pi)
        if turns.max() > 0.5:
            i = int(np.argmax(turns > 0.5))
            raise RecordError(
                f"from_paper: w_max = {w_max} gives channel {2 * i} {turns[i]:.4g} turns a step; above half a "
                "turn whole steps cannot tell it from a slower one. Use w_max >= 1."
            )
        # cos(2 pi k / 2**24) >= threshold holds for |k| <= end; a sine is a cosine a quarter turn later.
        end = int(math.acos(threshold) / (2 * math.pi) * TURN)
        while math.cos(2 * math.pi * end / TURN) < threshold:
            end -= 1
        while math.cos(2 * math.pi * (end + 1) / TURN) >= threshold:
            end += 1
        return cls(
            num_neurons=n,
            increment=np.repeat(np.round(turns * TURN), 2)[:n],
            start=np.where(np.arange(n) % 2 == 0, TURN // 4 - end, -end) % TURN,
            length=np.full(n, 2 * end + 1),
            period=period,
        )


class Slower(NamedTuple):
    """Fields of `Phase`, int64 arrays."""

    increment: IntArray
    start: IntArray
    initial: IntArray


def slower(increment: npt.ArrayLike, start: npt.ArrayLike, length: npt.ArrayLike, initial: npt.ArrayLike) -> Slower:
    """Return oscillators that advance by at most half a turn a step, and spike as those given do in every step.

    One that advances by more is, in whole steps, a slower one run backwards: its phases and its window are mirrored.

    Parameters
    ----------
    increment, start, length, initial : array_like of int, shape (n,)
        As of `Phase`, but that increments go up to ``2**24 - 1``.
    """
    increment, start, length, initial = (np.asarray(one, np.int64) for one in (increment, start, length, initial))
    backwards = increment > NYQUIST
    return Slower(
        increment=np.where(backwards, TURN - increment, increment),
        start=np.where(backwards, 1 - start - length, start) % TURN,
        initial=np.where(backwards, -initial, initial) % TURN,
    )


class PhaseState(NamedTuple):
    """Registers of `Phase` before a step."""

    phase: IntArray
    """Phase of the position that the step will emit, shape (..., n), 0..2**24 - 1."""
    t: IntArray
    """Steps since the sample began, shape (...); stays below `period`. One word for all channels."""


def reset(params: Phase, batch: tuple[int, ...] = ()) -> PhaseState:
    """Return the state before a sample's first step, of shapes ``(*batch, n)`` and ``batch``."""
    phase = np.broadcast_to(params.initial.astype(np.int64), (*batch, params.num_neurons))
    return PhaseState(phase=phase.copy(), t=np.zeros(batch, dtype=np.int64))


def _in_window(params: Phase, phase: IntArray) -> IntArray:
    return np.asarray(((phase - params.start) & (TURN - 1)) < params.length, dtype=np.int64)


def step(params: Phase, state: PhaseState) -> tuple[IntArray, PhaseState]:
    """Emit the spikes of one position and move on to the next; the rule stands at the head of this module.

    Parameters
    ----------
    params : Phase
        Oscillators of n channels.
    state : PhaseState
        Registers before this step, or `reset`.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        1 where a channel fired.
    state : PhaseState
        Registers before the next step.
    """
    phase = (state.phase + params.increment) & (TURN - 1)
    t = state.t + 1
    if params.period:
        over = t >= params.period
        phase = np.where(np.asarray(over)[..., None], params.initial, phase)
        t = np.where(over, 0, t)
    return _in_window(params, state.phase), PhaseState(phase=phase, t=np.asarray(t, dtype=np.int64))


def phases(params: Phase, positions: npt.ArrayLike) -> IntArray:
    """Return the phases of `positions` in closed form, ``initial + p * increment mod 2**24``.

    Parameters
    ----------
    params : Phase
        Oscillators of n channels.
    positions : array_like of int, any shape
        Positions p, 0..2**63 - 1; with a `period`, p counts modulo the period.

    Returns
    -------
    ndarray of int64, shape (*positions.shape, n)

    Raises
    ------
    InputError
        A position is negative or not a whole number.
    """
    p = np.asarray(positions)
    if p.dtype.kind not in "iu" or (p.size and (p.min() < 0 or p.max() > np.iinfo(np.int64).max)):
        raise InputError(
            f"positions: expected whole numbers in 0..2**63 - 1, got {p.dtype} such as {p.reshape(-1)[:4]}."
        )
    p = p.astype(np.int64)
    if params.period:
        p = p % params.period
    # Multiples of a turn drop out first, so that no product passes 2**47.
    phase = params.initial + (p & (TURN - 1))[..., None] * params.increment
    return np.asarray(phase & (TURN - 1), dtype=np.int64)


def spikes(params: Phase, positions: npt.ArrayLike) -> IntArray:
    """Return the codes of `positions`, equal to what `step` emits there; parameters and errors of `phases`.

    Returns
    -------
    ndarray of int64, shape (*positions.shape, n)
        0 or 1.
    """
    return _in_window(params, phases(params, positions))


def position(t_s: npt.ArrayLike, index: npt.ArrayLike, length: int) -> IntArray:
    """Return the position ``p = t_s * length + index`` that the authors' code gives to a sequence element.

    Their tensors are flattened with the spiking step first, so each of the T_s steps of each element has a
    position of its own; a plain ``p = index`` would repeat the codes at every step.

    Parameters
    ----------
    t_s : array_like of int
        Spiking step, at least 0.
    index : array_like of int
        Element of the sequence (the paper's l), 0..`length` - 1; broadcast against `t_s`.
    length : int
        Length L of the sequence.

    Returns
    -------
    ndarray of int64

    Raises
    ------
    RecordError
        A value lies outside its range.
    """
    length = as_whole("position: length", length, 1, _COUNT_MAX)
    steps = as_integers("position: t_s", t_s, np.int64, 0, _COUNT_MAX)
    return np.asarray(steps * length + as_integers("position: index", index, np.int64, 0, length - 1), dtype=np.int64)


def paper_frequencies(num_neurons: int, w_max: float, threshold: float) -> tuple[int, npt.NDArray[np.float64]]:
    """Check the paper's parameters; return N and the frequencies of the pairs, rad a step."""
    n = as_whole("from_paper: num_neurons", num_neurons, 1, _COUNT_MAX)
    if not (math.isfinite(w_max) and w_max > 0):
        raise RecordError(f"from_paper: w_max = {w_max} is not a positive number; the authors use 10000 or 1000.")
    if not -1 < threshold < 1:
        raise RecordError(
            f"from_paper: threshold = {threshold} is not between -1 and 1, so no sine crosses it. The paper uses 0.8."
        )
    return n, float(w_max) ** (-2.0 * np.arange((n + 1) // 2) / n)

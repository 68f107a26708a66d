"""Oscillators that learn: frequency, phase and window of every channel are trained, in the integers that are exported.

The forward pass is the contract's rule of `spikeproof.contract.sources.phase`: parameters are rounded to units of
``2**-24`` turn, and a spike is H(window test) of whole numbers. Gradients pass straight through the rounding, and a
spike has the surrogate gradient of the distance, along the circle, between its phase and the nearer edge of the window.

A window is centred on phase 0, since to move it is to move the phase. So a channel is
``H(cos(2 pi (phase + p * turns / steps)) - cos(pi * window))``, the paper's form, with three numbers that learn.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ...contract.errors import InputError, UnsupportedError
from ...contract.fixed import as_whole
from ...contract.sources.phase import TURN, Phase, slower
from .blocks import Encoding

_REACH_MAX = TURN // 2 - 1
_STEPS_MAX = 2**23
SURROGATE_REACH = 0.25
"""Of the surrogate, in turns."""


class _Integers(NamedTuple):
    """Oscillators in units of ``2**-24`` turn, int64 tensors of shape (n,)."""

    increment: torch.Tensor
    """0..2**24 - 1: more than half a turn runs backwards."""
    initial: torch.Tensor
    reach: torch.Tensor
    """A channel spikes while its phase is at most so far from 0."""


class _Window(torch.autograd.Function):
    """Spikes of positions, shape (positions, n), and their surrogate gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        turns: torch.Tensor,
        phase: torch.Tensor,
        window: torch.Tensor,
        positions: torch.Tensor,
        steps: int,
        surrogate_reach: float,
    ) -> torch.Tensor:
        whole = _rounded(turns, phase, window, steps)
        at = (whole.initial + (positions & (TURN - 1))[:, None] * whole.increment) & (TURN - 1)
        distance = at - TURN * (at >= TURN // 2)  # from phase 0, the shorter way round
        ctx.save_for_backward(window, positions, distance, whole.reach)
        ctx.steps, ctx.surrogate_reach = steps, surrogate_reach
        return (distance.abs() <= whole.reach).to(turns.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        window, positions, distance, reach = ctx.saved_tensors
        inside = (reach + 0.5 - distance.abs()).to(grad.dtype) / TURN
        slope = grad * (1 - inside.abs() / ctx.surrogate_reach).clamp(min=0) / ctx.surrogate_reach
        of_phase = -slope * distance.sign()
        of_turns = of_phase * (positions / ctx.steps).to(grad.dtype)[:, None]
        of_window = slope.sum(0) / 2
        outward = ((window <= 0) & (of_window > 0)) | ((window >= 1) & (of_window < 0))
        return of_turns.sum(0), of_phase.sum(0), of_window.masked_fill(outward, 0), None, None, None


class Learned(Encoding):
    """CPG oscillators that learn, in the place of an `Encoding`.

    It begins with the published oscillators, or with others, and its spikes are those of `record` in every step of the
    training. A frequency is any real number: one above half a turn a step spikes as a slower one run backwards, and
    `record` writes that one, so no increment is ever refused.

    Parameters
    ----------
    num_neurons : int
        Number of channels N.
    steps : int
        Positions that are trained on, 1..2**23. It is the unit of the frequency: a change by 1 moves the phase of the
        last position by one turn, and that of position p by ``p / steps``. So one learning rate suits all three
        parameters, however long a sample is.
    w_max, threshold : float
        Of the published oscillators that it begins with, as for `Encoding`.
    params : Phase, optional
        Oscillators to begin with instead, such as ``design(length).params``; `num_neurons`, `w_max` and `threshold` are
        then not looked at. A window of even length loses its last phase.
    surrogate_reach : float
        The surrogate of a spike's derivative is a triangle of area 1 over the distance to the window's edge; this is
        how far it reaches, in turns, more than 0.

    Attributes
    ----------
    oscillator_turns : Parameter, shape (N,)
        Turns over `steps` positions.
    oscillator_phase : Parameter, shape (N,)
        Phase of position 0 in turns, counted from the middle of the window.
    oscillator_window : Parameter, shape (N,)
        Length of the window in turns; outside 0..1 it counts as the nearest window that there is.

    Raises
    ------
    RecordError
        An argument is out of range.
    UnsupportedError
        `params` are no phase oscillators, or `surrogate_reach` is not above 0.

    References
    ----------
    arXiv 2405.14362, CPG-PE in spike form, whose frequencies and threshold are fixed.

    Examples
    --------
    >>> encoding = Learned(8, steps=24, w_max=100.0)
    >>> encoding(24).shape, type(encoding.record()).__name__
    (torch.Size([8, 24]), 'Phase')
    """

    def __init__(
        self,
        num_neurons: int = 0,
        steps: int = 1,
        w_max: float = 10000.0,
        threshold: float = 0.8,
        *,
        params: Phase | None = None,
        surrogate_reach: float = SURROGATE_REACH,
    ) -> None:
        super().__init__(num_neurons, w_max, threshold, params=params)
        self.oscillator_turns: nn.Parameter
        self.oscillator_phase: nn.Parameter
        self.oscillator_window: nn.Parameter
        first = self._params
        if not isinstance(first, Phase):
            raise UnsupportedError(
                f"params: {type(first).__name__} oscillators have no phase that could learn. Give phase oscillators."
            )
        if not surrogate_reach > 0:
            raise UnsupportedError(f"surrogate_reach = {surrogate_reach} is not above 0; a quarter of a turn is usual.")
        self.steps, self.surrogate_reach, self.period = (
            as_whole("Learned steps", steps, 1, _STEPS_MAX),
            surrogate_reach,
            0,
        )
        for name in ("turns", "phase", "window"):
            self.register_parameter(f"oscillator_{name}", nn.Parameter(torch.empty(first.num_neurons)))
        self.load(first)

    @property
    def num_neurons(self) -> int:
        """Number of channels."""
        return len(self.oscillator_turns)

    def load(self, params: Phase) -> None:
        """Set the parameters to those of other oscillators.

        Parameters
        ----------
        params : Phase
            As many as there are. Those of a `record` are taken as they are; any others spike alike, but that a window
            of even length loses its last phase.

        Raises
        ------
        InputError
            There are more or fewer.
        """
        if params.num_neurons != self.num_neurons:
            raise InputError(f"load: {params.num_neurons} oscillators for {self.num_neurons} that learn.")
        length = params.length.astype(np.int64)
        reach = np.maximum(length - 1, 0) // 2
        initial = (params.initial.astype(np.int64) - params.start - reach) % TURN
        values = {
            "turns": params.increment * (self.steps / TURN),
            "phase": initial / TURN,
            "window": np.where(length > 0, 2 * reach + 1, 0) / TURN,
        }
        with torch.no_grad():
            for name, value in values.items():
                getattr(self, f"oscillator_{name}").copy_(torch.from_numpy(value))
        self.period = params.period

    def forward(self, steps: int) -> torch.Tensor:
        """Return the spikes of a sample's first `steps` steps, shape (N, steps), 0 or 1, with gradients."""
        positions = torch.arange(steps, device=self.oscillator_turns.device)
        if self.period:
            positions = positions % self.period
        given = (self.oscillator_turns, self.oscillator_phase, self.oscillator_window)
        found: torch.Tensor = _Window.apply(*given, positions, self.steps, self.surrogate_reach)
        return found.T

    @property
    def params(self) -> Phase:
        """The integers of the oscillators as they are now."""
        given = (self.oscillator_turns, self.oscillator_phase, self.oscillator_window)
        with torch.no_grad():
            whole = [one.cpu().numpy() for one in _rounded(*given, self.steps)]
        increment, initial, reach = whole
        length = 2 * reach + 1
        slow = slower(increment, -reach, length, initial)
        return Phase(num_neurons=self.num_neurons, length=length, period=self.period, **slow._asdict())


def _rounded(turns: torch.Tensor, phase: torch.Tensor, window: torch.Tensor, steps: int) -> _Integers:
    """Round parameters to whole units; in double precision, so that every device gives the same ones."""
    increment, initial, length = (one.detach().double() * TURN for one in (turns, phase, window))
    return _Integers(
        increment=torch.round(increment / steps).long() & (TURN - 1),
        initial=torch.round(initial).long() & (TURN - 1),
        reach=torch.round((length - 1) / 2).clamp(0, _REACH_MAX).long(),
    )

"""What blocks of CUBA neurons have in common: which of them loops may run, and what becomes of their spikes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from . import cuba, plain
from .arrays import Array, is_float32
from .products import padded

_SLAYER = "lava.lib.dl.slayer."
FEWEST_STEPS = 4
"""Stock is left alone below: there is hardly a loop to compile."""

Forward = Callable[[Any, torch.Tensor], Any]


class Stock:
    """The parts of lava-dl that loops stand in for, as they were found."""

    def __init__(self) -> None:
        neuron = importlib.import_module(_SLAYER + "neuron.cuba")
        self._neuron = {name: vars(neuron.Neuron)[name] for name in ("forward", "dynamics", "spike", "clamp")}
        self._surrogate = neuron.SCALE_RHO_MULT, neuron.TAU_RHO_MULT
        self.quantize = neuron.quantize
        self._delay = vars(importlib.import_module(_SLAYER + "axon.delay").Delay)["forward"]
        self._drop = vars(importlib.import_module(_SLAYER + "neuron.dropout").Dropout)["forward"]

    def may_run(self, block: Any, x: torch.Tensor, *, persistent: bool = False) -> bool:
        """Say whether a block's neurons, delays and dropout are as their classes made them, and such as loops hold."""
        neuron = block.neuron
        return (
            x.shape[-1] >= FEWEST_STEPS  # first, so that little is lost where stock stays
            and is_float32(x)
            and x.numel() > 0
            and not plain.is_heard()
            and plain.runs(neuron, **self._neuron)
            and plain.has_plain_parameters(neuron)
            and (neuron.norm, neuron.graded_spike, neuron.debug) == (None, False, False)
            and bool(neuron.persistent_state) == persistent
            and (neuron.shared_param is True or x.dim() == 3)  # else stock takes decays for those of columns
            and plain.is_power_of_two(neuron.s_scale)
            and plain.is_power_of_two(neuron.w_scale)
            and neuron.threshold > 0
            and neuron.tau_rho > 0
            and (neuron.drop is None or plain.runs(neuron.drop, forward=self._drop))
            and (block.delay is None or self._may_delay(block.delay))
        )

    def _may_delay(self, delay: Any) -> bool:
        return (
            plain.runs(delay, forward=self._delay)
            and plain.has_plain_parameters(delay)
            and delay.sampling_time == 1
            and bool((delay.delay.detach().abs() < 2**31).all())  # not if it is nan
        )

    def prepare(self, neuron: Any, samples: int, shape: torch.Size) -> None:
        """Let a neuron set its sizes, decays and states, as it does before its first step."""
        if neuron.shape != shape or neuron.current_state.shape != (samples, *shape):
            persistent, neuron.persistent_state = neuron.persistent_state, False
            try:
                with torch.no_grad():
                    neuron.dynamics(torch.empty(samples, *shape, 0))
            finally:
                neuron.persistent_state = persistent
        elif neuron.requires_grad is True:
            neuron.clamp()

    def neurons(self, neuron: Any, decays: list[torch.Tensor], place: Array) -> cuba.Neurons:
        """Return what loops need to know of a neuron, given where each one's row is in a raster."""
        scale_mult, tau_mult = self._surrogate
        tau, scale = float(np.float32(neuron.tau_rho * tau_mult)), neuron.s_scale
        return cuba.Neurons(
            size=len(place),
            place=place,
            keep_u=_keep(decays[0], len(place)),
            keep_v=_keep(decays[1], len(place)),
            # As stock compares, in float32.
            threshold=float(np.float32((neuron.threshold + neuron.threshold_eps) * scale)),
            per_width=1 / (tau * scale),
            height=neuron.scale_rho * scale_mult / 2 / tau,
            scale=scale,
        )


def stand_in(
    found: Forward,
    stock: Stock,
    fits: Callable[[Any, torch.Tensor], bool],
    sent: Callable[[Any, torch.Tensor, Stock], torch.Tensor | None],
) -> Forward:
    """Return a forward pass of a block; what it does not hold is left to `found`.

    Parameters
    ----------
    found : callable
        The forward pass in whose place it stands.
    stock : Stock
        Stock's parts.
    fits : callable
        ``fits(block, x)`` says whether the block is such as loops hold.
    sent : callable
        ``sent(block, x, stock)`` returns what the block sends, or None if loops do not hold it after all.
    """

    def forward(self: Any, x: torch.Tensor) -> Any:
        y = sent(self, x, stock) if fits(self, x) else None
        if y is None:
            return found(self, x)
        return (y, torch.mean(y > 0)) if self.count_log is True else y

    return forward


def _keep(decay: torch.Tensor, count: int) -> Array:
    kept = ((4096 - decay.detach().to(torch.int64)).to(torch.float32) / 4096).numpy()
    found = np.zeros(padded(count), np.float32)
    found[:count] = kept
    return found


def layer(
    block: Any,
    stock: Stock,
    x: torch.Tensor,
    weight: torch.Tensor,
    shape: torch.Size,
    place: Array,
    arriving: cuba.Arriving,
) -> torch.Tensor | None:
    """Return what a block puts out, given what arrives at its neurons.

    Parameters
    ----------
    block : Module
        A block of CUBA neurons that `Stock.may_run`.
    stock : Stock
        Stock's parts.
    x, weight : Tensor
        Its input and its weights as they are used.
    shape : Size
        That of its neurons.
    place : ndarray
        Row of each neuron in a raster.
    arriving : Arriving
        What arrives.

    Returns
    -------
    Tensor, shape (N, ..., T), or None
        None if loops cannot hold the states: then nothing random has been drawn.
    """
    neuron, samples, steps = block.neuron, len(x), x.shape[-1]
    stock.prepare(neuron, samples, shape)
    decays = [stock.quantize(neuron.current_decay), stock.quantize(neuron.voltage_decay)]
    neurons = stock.neurons(neuron, decays, place)
    did = cuba.run(neurons, neuron.current_state, neuron.voltage_state, steps, arriving)
    if did is None:
        return None
    gain = _gain(neuron.drop, samples, shape)
    delay = delays(block.delay, samples, shape)
    waits = np.zeros(len(place), np.int64) if delay is None else delay.detach().to(torch.int64).numpy()
    if block.delay_shift is True:
        waits = waits + 1
        if not hasattr(block, "delay_buffer"):  # as stock leaves it
            block.delay_buffer = None
    sending = cuba.Sending(waits, gain)
    sent = cuba.send(neurons, did, sending, torch.Size((samples, *shape, steps)))
    scale = 1.0 if delay is None else block.delay.grad_scale
    return cuba.Layer.apply(x, weight, *decays, delay, sent, cuba.Held(neurons, did, sending, arriving, scale))  # type: ignore[no-any-return, no-untyped-call]


def _gain(drop: Any, samples: int, shape: torch.Size) -> Array:
    """Return what a dropout makes of each neuron's spikes, (N, neurons); it draws one random number for each."""
    ones = torch.ones(samples, *shape, 1)
    found: Array = (ones if drop is None else drop(ones)).reshape(samples, -1).numpy()
    return found


def delays(delay: Any, samples: int, shape: torch.Size) -> torch.Tensor | None:
    """Return the learned delay of each row, clamped as its block clamps it, and drawn if this is the first call."""
    if delay is None:
        return None
    if delay.init is False:
        with torch.no_grad():
            delay(torch.zeros(samples, *shape, 1))
    delay.clamp()
    each: torch.Tensor = delay.delay.reshape(-1, 1).expand(-1, shape[1:].numel()).reshape(-1)
    return each

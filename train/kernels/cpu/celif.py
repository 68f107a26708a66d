"""CE-LIF neurons: the loops of `loops`, bound to a layer's parameters and shared out among threads.

The membrane and the two bits that the backward pass needs of a step travel in one int32,
``v << 2 | near << 1 | s``: 24 + 2 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ....contract.compiled import memory
from ....contract.fixed import STATE_MAX
from ..api import CELIFConstants, Fired, Integers, Registers
from . import loops
from .arrays import Array, as_array, as_nct, deal, forward_operands, gradient_of, partial_sums

ForwardRunner = Callable[[Array, float, "CELIFStates"], None]
"""A function of currents, of what 1 stands for there in SLAYER's units, a power of two, and of what it writes."""

BackwardRunner = tuple[Callable[[int, Array, Array, Array], None], Callable[[], tuple[torch.Tensor, torch.Tensor]]]
"""A function of a part, of the gradient to spikes, of the trace and of the gradient to currents, which it writes; and
one that sums up what the parts have gathered, the gradients of encoding and bias.
"""


class CELIFStates(NamedTuple):
    """What the forward kernel writes: arrays of shape (N, T, C)."""

    spikes: Array
    """0 or 1, of the dtype of the currents."""
    packed: npt.NDArray[np.int32]
    """Membranes with two bits, see above."""
    h: Array
    """Threshold adaptation in state units; empty unless asked for."""

    @classmethod
    def room(cls, shape: tuple[int, ...], dtype: Any, *, with_h: bool = False) -> CELIFStates:
        """Return room for the states of neurons (N, T, C)."""
        h = memory.empty(shape if with_h else (shape[0], 0, 0), np.float64)
        return cls(memory.empty(shape, dtype), memory.empty(shape, np.int32), h)

    def of(self, samples: slice) -> CELIFStates:
        """Return the views of some samples."""
        return CELIFStates(self.spikes[samples], self.packed[samples], self.h[samples])


def celif_states(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants, *, with_h: bool = False) -> CELIFStates:
    """Run the neurons forward; currents must be finite."""
    z_in = as_array(z.transpose(1, 2), z.dtype)
    states = CELIFStates.room(z_in.shape, z_in.dtype, with_h=with_h)
    run = forward_runner(z_in.dtype.type, None, te, constants)
    deal(len(z_in), lambda part, n: run(z_in[n], 1, states.of(n)))
    return states


def celif_scan(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Registers:
    """Do as `reference.celif_scan`, bit for bit."""
    spikes, packed, h = celif_states(z, te, constants, with_h=True)
    theta = np.minimum(constants.threshold / constants.unit + h, STATE_MAX)
    states = (packed >> 2, h, theta)
    return Registers(as_nct(spikes), *(as_nct((x * constants.unit).astype(spikes.dtype)) for x in states))


def celif_integers(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Integers:
    """Do as `reference.celif_integers`; every register is written once, where it stays."""
    z_in = as_array(z.transpose(1, 2), z.dtype)
    found = [memory.empty(z_in.shape, np.int32) for _ in Integers._fields]
    layer, te_in, _ = forward_operands(z_in.dtype.type, None, te, constants)
    deal(len(z_in), lambda part, n: loops.celif_integers(z_in[n], te_in, layer, *(x[n] for x in found)))
    return Integers(*map(as_nct, found))


def celif_forward(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Fired:
    """Do as `reference.celif_forward`, bit for bit."""
    states = celif_states(z, te, constants)
    return as_nct(states.spikes), (torch.from_numpy(states.packed),)


def celif_backward(
    grad: torch.Tensor, te: torch.Tensor, constants: CELIFConstants, trace: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `reference.celif_backward`; sums over the batch add in another order, the same on any machine."""
    packed = trace[0].numpy()
    grad_in = gradient_of(grad)
    grad_z = memory.empty(packed.shape, grad_in.dtype)
    run, sums = backward_runner(grad_in.dtype.type, packed.shape, te, constants)
    deal(len(packed), lambda part, n: run(part, grad_in[n], packed[n], grad_z[n]))
    return as_nct(grad_z), sums()[0]


def count(x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Do as `reference.count`."""
    x_in = as_array(x.transpose(1, 2), x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32)
    total = np.zeros((len(x_in), x_in.shape[2]))
    lows: list[float] = []
    if x_in.size:
        deal(len(x_in), lambda part, n: lows.append(float(loops.count(x_in[n], total[n]))))
    return torch.from_numpy(total), min(lows, default=0.0)


def forward_runner(
    dtype: type[Any], bias: torch.Tensor | None, te: torch.Tensor, constants: CELIFConstants
) -> ForwardRunner:
    """Bind a layer's parameters to the forward loop."""
    layer, te_in, near = forward_operands(dtype, bias, te, constants)

    def run(z: Array, quantum: float, states: CELIFStates) -> None:
        per_current = type(layer.per_current)(layer.per_current * quantum)
        loops.celif_forward(z, te_in, layer._replace(per_current=per_current), near, *states)

    return run


def backward_runner(
    dtype: type[Any],
    shape: tuple[int, ...],
    te: torch.Tensor,
    constants: CELIFConstants,
    loop: Callable[..., None] = loops.celif_backward,
) -> BackwardRunner:
    """Bind a layer's parameters to the backward loop, or to another one that takes and writes what it does."""
    layer, te_in, partial_te = partial_sums(dtype, shape, te, constants)
    partial_bias = np.zeros((len(partial_te), shape[2]))

    def run(part: int, grad: Array, packed: Array, grad_z: Array) -> None:
        loop(grad, te_in, layer, packed, grad_z, partial_te[part], partial_bias[part])

    def sums() -> tuple[torch.Tensor, torch.Tensor]:
        with np.errstate(invalid="ignore", over="ignore"):  # a gradient that is no number is told of by who trains
            return torch.from_numpy(partial_te.sum(0)).T, torch.from_numpy(partial_bias.sum(0).astype(dtype))

    return run, sums

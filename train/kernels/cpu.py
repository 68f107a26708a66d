"""The kernels for CPUs: numba, SIMD over neurons, threads over samples.

Inside, tensors are (N, T, C): batch, time, channel. Neurons lie side by side there, so a step is one vector loop,
and that is the layout in which a matrix product over all steps and samples writes its result. The functions take
and return NCT tensors that are views of it, as ``channels_last`` images are; other layouts are copied.

The membrane and the two bits that the backward pass needs of a step travel in one int32,
``v << 2 | near << 1 | s``: 24 + 2 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ...contract.compiled import memory
from ...contract.fixed import STATE_MAX
from . import cpu_loops
from .api import (
    CELIFConstants,
    CELIFDense,
    CELIFRecurrent,
    Fired,
    GatedKernels,
    Integers,
    LIFKernels,
    NormedLIFKernels,
    Registers,
)
from .cpu_arrays import PARTS, Array, as_array, as_nct, deal, empty, forward_operands, gradient_of, partial_sums
from .cpu_gated import gated_backward, gated_forward
from .cpu_lif import lif_backward, lif_forward
from .cpu_normed import moments, normed_backward, normed_forward
from .cpu_recurrent import recurrent_backward, recurrent_forward

_BLOCK_BYTES = 2**21
"""Currents of a block of samples, between a matrix product and the neurons: small enough for a core's cache."""


class CELIFStates(NamedTuple):
    """What the forward kernel writes: arrays of shape (N, T, C)."""

    spikes: Array
    """0 or 1, of the dtype of the currents."""
    packed: npt.NDArray[np.int32]
    """Membranes with two bits, see above."""
    h: Array
    """Threshold adaptation in state units; empty unless asked for."""

    def of(self, samples: slice) -> CELIFStates:
        """Return the views of some samples."""
        return CELIFStates(self.spikes[samples], self.packed[samples], self.h[samples])


def celif_states(z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants, *, with_h: bool = False) -> CELIFStates:
    """Run the neurons forward; currents must be finite."""
    z_in = as_array(z.transpose(1, 2), z.dtype)
    h = memory.empty(z_in.shape if with_h else (len(z_in), 0, 0), np.float64)
    states = _states(z_in.shape, z_in.dtype, h)
    run = _forward_runner(z_in.dtype.type, None, te, constants)
    deal(len(z_in), lambda part, n: run(z_in[n], states.of(n)))
    return states


def _states(shape: tuple[int, ...], dtype: Any, h: Array) -> CELIFStates:
    """Return room for the states of neurons (N, T, C)."""
    return CELIFStates(memory.empty(shape, dtype), memory.empty(shape, np.int32), h)


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
    deal(len(z_in), lambda part, n: cpu_loops.celif_integers(z_in[n], te_in, layer, *(x[n] for x in found)))
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
    run, sums = _backward_runner(grad_in.dtype.type, packed.shape, te, constants)
    deal(len(packed), lambda part, n: run(part, grad_in[n], packed[n], grad_z[n]))
    return as_nct(grad_z), sums()[0]


@torch.autocast("cpu", enabled=False)  # a product in half precision would round
def celif_dense_forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, te: torch.Tensor, constants: CELIFConstants
) -> Fired:
    """Do as `api.CELIFDense.forward`.

    The currents exist for a chunk of samples at a time, which saves the passes over memory that they would cost.
    """
    x_tm, weight_t = x.detach().transpose(1, 2).contiguous(), weight.detach().T
    samples, steps, inputs = x_tm.shape
    states = _states((samples, steps, len(weight)), x_tm.numpy().dtype, np.empty((samples, 0, 0)))
    neurons = _forward_runner(states.spikes.dtype.type, bias, te, constants)

    def run(part: int, n: slice) -> None:
        for b in _blocks(n, states.spikes):
            z = torch.mm(x_tm[b].view(-1, inputs), weight_t).view(-1, steps, len(weight)).numpy()
            neurons(z, states.of(b))

    deal(samples, run)
    return as_nct(states.spikes), (x_tm, torch.from_numpy(states.packed))


@torch.autocast("cpu", enabled=False)
def celif_dense_backward(
    grad: torch.Tensor,
    weight: torch.Tensor,
    te: torch.Tensor,
    constants: CELIFConstants,
    trace: Sequence[torch.Tensor],
    needs_x: bool,
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do as `api.CELIFDense.backward`."""
    x_tm, packed = trace[0], trace[1].numpy()
    weight, grad_in = weight.detach(), gradient_of(grad)
    inputs, channels = x_tm.shape[-1], packed.shape[-1]
    grad_x = empty(*x_tm.shape, dtype=x_tm.numpy().dtype) if needs_x else None
    partial_weight = torch.zeros((min(PARTS, len(packed)), *weight.shape), dtype=weight.dtype)
    neurons, sums = _backward_runner(grad_in.dtype.type, packed.shape, te, constants)

    def run(part: int, n: slice) -> None:
        for b in _blocks(n, packed):
            grad_z = np.empty(packed[b].shape, grad_in.dtype)
            neurons(part, grad_in[b], packed[b], grad_z)
            flat = torch.from_numpy(grad_z).view(-1, channels)
            partial_weight[part].addmm_(flat.T, x_tm[b].view(-1, inputs))
            if grad_x is not None:
                torch.mm(flat, weight, out=grad_x[b].view(-1, inputs))

    deal(len(packed), run)
    grad_te, grad_bias = sums()
    return None if grad_x is None else grad_x.transpose(1, 2), _sum(partial_weight.numpy()), grad_bias, grad_te


celif_dense = CELIFDense(celif_dense_forward, celif_dense_backward)
celif_recurrent = CELIFRecurrent(recurrent_forward, recurrent_backward)
lif = LIFKernels(lif_forward, lif_backward)
normed_lif = NormedLIFKernels(moments, normed_forward, normed_backward)
gated = GatedKernels(gated_forward, gated_backward)


def count(x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Do as `reference.count`."""
    x_in = as_array(x.transpose(1, 2), x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32)
    total = np.zeros((len(x_in), x_in.shape[2]))
    lows: list[float] = []
    if x_in.size:
        deal(len(x_in), lambda part, n: lows.append(float(cpu_loops.count(x_in[n], total[n]))))
    return torch.from_numpy(total), min(lows, default=0.0)


def _forward_runner(
    dtype: type[Any], bias: torch.Tensor | None, te: torch.Tensor, constants: CELIFConstants
) -> Callable[[Array, CELIFStates], None]:
    """Bind a layer's parameters to the forward loop: a function of currents and of what it writes."""
    layer, te_in, near = forward_operands(dtype, bias, te, constants)

    def run(z: Array, states: CELIFStates) -> None:
        cpu_loops.celif_forward(z, te_in, layer, near, *states)

    return run


def _backward_runner(
    dtype: type[Any], shape: tuple[int, ...], te: torch.Tensor, constants: CELIFConstants
) -> tuple[Callable[[int, Array, Array, Array], None], Callable[[], tuple[torch.Tensor, torch.Tensor]]]:
    """Bind a layer's parameters to the backward loop, and return how to sum up what its parts have gathered."""
    layer, te_in, partial_te = partial_sums(dtype, shape, te, constants)
    partial_bias = np.zeros((len(partial_te), shape[2]))

    def run(part: int, grad: Array, packed: Array, grad_z: Array) -> None:
        cpu_loops.celif_backward(grad, te_in, layer, packed, grad_z, partial_te[part], partial_bias[part])

    def sums() -> tuple[torch.Tensor, torch.Tensor]:
        with np.errstate(invalid="ignore", over="ignore"):  # a gradient that is no number is told of by who trains
            return _sum(partial_te).T, torch.from_numpy(partial_bias.sum(0).astype(dtype))

    return run, sums


def _blocks(samples: slice, x: Array) -> list[slice]:
    """Cut a part into blocks of about `_BLOCK_BYTES` of an array (N, T, C), one sample at least."""
    size = max(1, _BLOCK_BYTES // max(1, x[:1].size * 4))
    return [slice(b, min(b + size, samples.stop)) for b in range(samples.start, samples.stop, size)]


def _sum(parts: Array) -> torch.Tensor:
    """Add up parts, in NumPy: torch's threads would spin beside the next layer's."""
    return torch.from_numpy(parts.sum(0))

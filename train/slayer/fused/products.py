"""Products of a weight matrix with events, and of events with gradients: one addition of a row for each event.

Neurons are dealt with in blocks, as many as the cache holds, since long rows are read fastest. Their number is filled
up to a multiple of `LANES`: loops without a remainder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ....contract.compiled import memory
from ....contract.fixed import FLOAT32_WHOLE
from ...kernels.cpu.threads import share
from .arrays import Array
from .events import Events
from .loops import products as loops
from .loops.turning import LANES

ROOM = 2**18
"""Currents of a block of neurons over all steps, which the second cache should hold."""
_LONGEST = 512
"""Events of a sender whose gradients are added up in one go, about."""
WIDEST = 4096
"""Neurons of a block, whose states the first cache should hold."""
_EVENT, _EVENT_NEURON, _STEP = 15.0, 0.1, 120.0
_ENTRY, _ENTRY_NEURON = 0.25, 0.0125
"""What products cost in ns, by bench/products.py on one core with AVX-512: an event, and each of its neurons; a step,
in which events are looked up; an entry of a matrix, and each of its neurons."""


def padded(neurons: int) -> int:
    """Return a number of neurons filled up to whole lanes."""
    return -(-neurons // LANES) * LANES


def blocks(neurons: int, steps: int) -> list[slice]:
    """Return the blocks of a number of neurons, which is filled up."""
    width, most = padded(neurons), max(min(ROOM // steps, WIDEST) // LANES * LANES, 8 * LANES)
    return [slice(start, min(start + most, width)) for start in range(0, width, most)]


def densest_sums(senders: int, neurons: int) -> float:
    """Return the share of entries that are not zero, up to which adding up events is faster than torch's product."""
    event, entry = _EVENT + _EVENT_NEURON * padded(neurons), _ENTRY + _ENTRY_NEURON * neurons
    return max(entry - _STEP / senders, 0.0) / event


def densest_gradient(neurons: int) -> float:
    """Return the same for the gradient of the weights, whose events have been looked up."""
    return (_ENTRY + _ENTRY_NEURON * neurons) / (_EVENT + _EVENT_NEURON * padded(neurons))


class Weights(NamedTuple):
    """Weights as the loops read them."""

    packed: Array
    """Block after block, in each a row of the block's neurons for each sender; flat, float32 or int8."""
    one: np.float32
    """What one stands for there, a power of two."""
    senders: int
    largest: float
    """Largest size in units of 1/unit; infinite unless all are whole there."""

    def of(self, block: slice) -> Array:
        """Return a block's weights, (senders, neurons)."""
        part = self.packed[self.senders * block.start : self.senders * block.stop]
        return part.reshape(self.senders, block.stop - block.start)

    def scaled(self, block: slice) -> tuple[Array, np.float32]:
        """Return a block's weights as loops take them: rows, and what one stands for."""
        return self.of(block), self.one

    def exact_with(self, largest: float) -> bool:
        """Say whether every sum of these weights times whole numbers of up to a size is exact in float32."""
        return self.largest * largest * self.senders < FLOAT32_WHOLE


def pack(weight: torch.Tensor, unit: int, scale: int, parts: list[slice], *, as_bytes: bool = False) -> Weights:
    """Return weights of shape (neurons, ...) times `scale`, for loops over blocks; `unit` is a power of two.

    They count as whole if they are multiples of ``1 / unit``. Whole ones may become bytes, if they fit into them.
    """
    matrix = weight.detach().reshape(len(weight), -1).contiguous().numpy()
    neurons, senders = matrix.shape
    low, high, bits, misfits = loops.survey(matrix, np.float32(unit))
    step = int(bits) & -int(bits)  # the largest power of two that all are multiples of
    small = as_bytes and step > 0 and not misfits and -128 * step <= low and high <= 127 * step
    largest = np.inf if misfits else float(max(-int(low), int(high)))
    room = memory.empty((senders * padded(neurons),), np.int8 if small else np.float32)
    found = Weights(room, np.float32(scale * step / unit if small else 1), senders, largest)
    factor = np.float32(unit / step if small else scale)

    def run(i: int) -> None:
        loops.pack(matrix[parts[i].start : parts[i].stop], factor, found.of(parts[i]))

    share(run, len(parts))
    return found


def _zeros(name: str, shape: tuple[int, ...]) -> Array:
    found = memory.scratch(name, shape, np.float32)
    found[:] = 0
    return found


def gradient(events: Events, grad: Array, neurons: int, senders: int) -> torch.Tensor:
    """Return the gradient of a weight matrix (neurons, senders), given that of the sums, (N, T, padded neurons)."""
    matrix = np.empty((neurons, senders), np.float32)
    parts = blocks(neurons, grad.shape[1])

    # Long sums in float32 lose digits, so those of some samples are added up apart.
    shares = min(len(grad), max(1, len(events.values) // (_LONGEST * senders)))
    cuts = [slice(len(grad) * i // shares, len(grad) * (i + 1) // shares) for i in range(shares)]

    def run(i: int) -> None:
        part = parts[i]
        total = _zeros("total", (senders, part.stop - part.start))
        for n in cuts:
            some = _zeros("some", total.shape) if shares > 1 else total
            loops.gradient(events.starts[n], events.senders, events.values, grad[n], part.start, some)
            if shares > 1:
                total += some
        loops.unpack(total, matrix[part.start : part.stop])

    share(run, len(parts))
    return torch.from_numpy(matrix)

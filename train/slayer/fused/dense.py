"""``block.cuba.Dense`` in fused passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from . import cuba, events, plain, products
from .arrays import Array, Kept, empty, is_float32, rows
from .block import Forward, Stock, layer, stand_in
from .loops import cuba as loops

_FORWARD, _FORWARD_NARROW, _NARROW = 0.10, 0.05, 32
"""Share of entries that are not zero, up to which adding events pays; fewer with few neurons, whose rows are short."""
GRADIENT = 0.20
"""The same for the gradient of the weights."""


def forward(found: Forward, stock: Stock, synapse: Forward) -> Forward:
    """Return a stand-in for ``AbstractDense.forward``; what it does not hold is left to `found`.

    `synapse` is the forward pass of a dense synapse.
    """
    return stand_in(found, stock, lambda block, x: _fits(block, x, stock, synapse), _sent)


def _fits(block: Any, x: torch.Tensor, stock: Stock, synapse: Forward) -> bool:
    ways, mask = block.synapse, block.mask
    if not stock.may_run(block, x) or not plain.runs(ways, forward=synapse):
        return False
    kernel = (ways.in_channels, *ways.kernel_size[:2])
    return (
        (x.shape[1:-1] == kernel if x.dim() == 5 else x.dim() == 3 and x.shape[1] == np.prod(kernel))
        and (mask is None or mask.dtype == torch.bool)  # such a mask may be used twice
        and (block.delay is None or block.delay.init is False or len(block.delay.delay) == ways.out_channels)
        and len(block.neuron.current_decay) in (1, ways.out_channels)
    )


def _sent(block: Any, x: torch.Tensor, stock: Stock) -> torch.Tensor | None:
    """Return what a block sends, or None if loops do not hold it."""
    ways, neuron = block.synapse, block.neuron
    if block.mask is not None:
        ways.weight.data *= block.mask
    weight = plain.weight(ways, x)
    if not is_float32(weight):
        return None
    arriving = Arriving(x, weight, neuron.w_scale, neuron.s_scale)
    count = ways.out_channels
    shape = torch.Size((count,) if x.dim() == 3 else (count, 1, 1))
    return layer(block, stock, x, weight, shape, np.arange(count), arriving)


@torch.no_grad()
def _product(weight: torch.Tensor, x: torch.Tensor, exact: bool) -> torch.Tensor:
    """Return torch's product, the one that stock uses unless every other gives the same."""
    if exact:
        return torch.matmul(weight.reshape(len(weight), -1), x.reshape(len(x), -1, x.shape[-1]))
    return functional.conv3d(x.reshape(len(x), -1, 1, 1, x.shape[-1]), weight.reshape(len(weight), -1, 1, 1, 1))


class Arriving:
    """What arrives at the neurons of a dense layer: sums over events where that pays and is exact, or torch's product.

    Parameters
    ----------
    x, weight : Tensor
        Input and weights.
    unit, scale : int
        Units in 1.0, of weights and of states.
    """

    def __init__(self, x: torch.Tensor, weight: torch.Tensor, unit: int, scale: int) -> None:
        seen = events.find(x, GRADIENT)
        self._x, self._events, self._scale = Kept(x) if seen is None else None, seen, np.float32(scale)
        self._shape = x.shape
        self._sums: Array | None = None
        sums_pay = seen is not None and seen.density <= (_FORWARD if len(weight) >= _NARROW else _FORWARD_NARROW)
        largest = events.largest(x) if seen is None else seen.largest if seen.is_whole else np.inf
        if np.isfinite(largest):
            self._packed = products.pack(weight, unit, scale, self.blocks(len(weight), x.shape[-1]))
        exact = np.isfinite(largest) and self._packed.exact_with(largest)
        if not (exact and sums_pay):
            self._sums = rows(_product(weight, x, exact))

    def blocks(self, neurons: int, steps: int) -> list[slice]:
        """See `cuba.Arriving`."""
        return products.blocks(neurons, steps)

    @property
    def events(self) -> tuple[Array, Array, Array]:
        """Starts, senders and values of the events that arrive."""
        assert self._events is not None
        return self._events[:3]

    def scan(self, part: cuba.Part, z: Array, *neurons: Any) -> None:
        """See `cuba.Arriving`."""
        n, block = part
        if self._sums is not None:
            loops.scan_sums(self._sums[n], self._scale, z, *neurons)
        else:
            starts, senders, values = self.events
            loops.scan_events(starts[n], senders, values, self._packed.of(block), z, *neurons)

    def gradients(
        self, weight: torch.Tensor, grad: Array, needs_x: bool, needs_weight: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """See `cuba.Arriving`."""
        count, (samples, steps, width) = len(weight), grad.shape
        matrix, senders = weight.reshape(count, -1), weight[0].numel()
        of_sums = torch.from_numpy(grad)
        of_x = of_weight = None
        if needs_x:
            of_x = empty(samples, senders, steps)
            torch.matmul(matrix.T.expand(samples, senders, count), of_sums[..., :count].transpose(1, 2), out=of_x)
            of_x = of_x.view(self._shape)
        if needs_weight and self._events is not None:
            of_weight = products.gradient(self._events, grad, count, senders).reshape(weight.shape)
        elif needs_weight:
            assert self._x is not None
            by_row = self._x.get().reshape(samples, senders, steps).transpose(1, 2).reshape(-1, senders)
            of_weight = torch.mm(of_sums.view(-1, width)[:, :count].mT, by_row).reshape(weight.shape)
        return of_x, of_weight

"""``block.cuba.Dense`` in fused passes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from ...kernels.cpu.arrays import empty
from ...kernels.cpu.bytes import as_bytes
from . import cuba, events, order, plain, products
from .arrays import Array, Kept, is_float32, over_samples, rows
from .block import Forward, Stock, layer, stand_in
from .loops import cuba as loops


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


class _Sums(NamedTuple):
    """What arrives, computed with integers."""

    sums: Array
    """Int32, (N, neurons, T)."""
    quantum: float
    """What one stands for in the weights' and inputs' own units."""
    largest: float
    """Bound of the input's sizes."""


def _of_bytes(weight: torch.Tensor, x: torch.Tensor) -> _Sums | None:
    """Return the product of weights and input, or None where they are not bytes."""
    entries, small = x.detach().reshape(len(x), -1, x.shape[-1]), as_bytes(weight.detach().reshape(len(weight), -1))
    if small is None:
        return None
    sums, bounds = empty(len(x), len(weight), x.shape[-1], dtype=np.int32), np.zeros(len(x), np.int64)

    def run(some: slice) -> None:
        for n in range(some.start, some.stop):
            if bounds.min() >= 0:
                bounds[n] = small.product_with(entries[n], sums[n])

    over_samples(len(x), run)
    return _Sums(sums.numpy(), small.quantum, float(bounds.max())) if bounds.min(initial=0) >= 0 else None


@torch.no_grad()
def _product(weight: torch.Tensor, x: torch.Tensor, exact: bool) -> Array:
    """Return torch's product, the one that stock uses unless every other gives the same."""
    if not exact:
        return rows(order.product(weight, x))
    samples, count, steps = len(x), len(weight), x.shape[-1]
    matrices = weight.reshape(count, -1).expand(samples, -1, -1)
    return torch.bmm(matrices, x.reshape(samples, -1, steps), out=empty(samples, count, steps)).numpy()


class Arriving:
    """What arrives at the neurons of a dense layer: sums over events where that pays and is exact, or torch's product.

    Parameters
    ----------
    x, weight : Tensor
        Input and weights.
    unit, scale : int
        Units in 1.0, of weights and of states.
    """

    in_order = True
    """Whether sums over events may be such that only their order makes them torch's."""

    def __init__(self, x: torch.Tensor, weight: torch.Tensor, unit: int, scale: int) -> None:
        count, senders = len(weight), weight[0].numel()
        of_sums, of_gradient = products.densest_sums(senders, count), products.densest_gradient(count)
        seen = events.find(x, max(of_sums, of_gradient))
        self._scale, self._shape = np.float32(scale), x.shape
        self._sums: Array | None = None
        sums_pay = seen is not None and seen.density <= of_sums
        whole = _of_bytes(weight, x) if seen is None or (not sums_pay and seen.is_whole) else None
        if seen is None:
            largest = whole.largest if whole else events.largest(x)
        else:
            largest = seen.largest if seen.is_whole else np.inf
        if sums_pay or np.isfinite(largest):
            self._packed = products.pack(weight, unit, scale, self.blocks(count, x.shape[-1]), as_bytes=True)
        exact = np.isfinite(largest) and self._packed.exact_with(largest)
        ordered = self.in_order and sums_pay and not exact
        self._block = order.block(weight, x.shape, seen) if ordered and seen is not None else 0
        if not (sums_pay and (exact or self._block)):
            self._sums = whole.sums if exact and whole else _product(weight, x, exact)
            self._scale *= np.float32(whole.quantum if exact and whole else 1)
        gradient_pays = seen is not None and seen.density <= of_gradient
        self._events = seen if gradient_pays or self._sums is None else None
        self._x = None if gradient_pays else Kept(x)

    def blocks(self, neurons: int, steps: int) -> list[slice]:
        """See `cuba.Arriving`."""
        return products.blocks(neurons, steps)

    @property
    def events(self) -> events.Events:
        """The events that arrive."""
        assert self._events is not None
        return self._events

    def scan(self, part: cuba.Part, z: Array, *neurons: Any) -> None:
        """See `cuba.Arriving`."""
        n, block = part
        if self._sums is not None:
            loops.scan_sums(self._sums[n], self._scale, z, *neurons)
            return
        starts, senders, values = self.events[:3]
        arriving = starts[n], senders, values, self._packed.scaled(block)
        if self._block:
            loops.scan_in_order(*arriving, self._block, z, *neurons)
        else:
            loops.scan_events(*arriving, z, *neurons)

    def gradients(
        self, weight: torch.Tensor, grad: Array, needs_x: bool, needs_weight: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """See `cuba.Arriving`."""
        count, (samples, steps, _) = len(weight), grad.shape
        matrix, senders = weight.reshape(count, -1), weight[0].numel()
        of_sums = torch.from_numpy(grad)
        of_x = of_weight = None
        if needs_x:
            of_x = empty(samples, senders, steps)
            torch.matmul(matrix.T.expand(samples, senders, count), of_sums[..., :count].transpose(1, 2), out=of_x)
            of_x = of_x.view(self._shape)
        if needs_weight and self._x is None:
            of_weight = products.gradient(self.events, grad, count, senders).reshape(weight.shape)
        elif needs_weight:
            assert self._x is not None
            of_weight = _of_weight(self._x.get(), of_sums[..., :count]).reshape(weight.shape)
        return of_x, of_weight


def _of_weight(x: torch.Tensor, of_sums: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a weight matrix (neurons, senders), given that of the sums, (N, T, neurons).

    A sample at a time: its input is used as it lies, where a product over all samples would need it turned.
    """
    entries = x.reshape(len(x), -1, x.shape[-1])
    total = torch.zeros(entries.shape[1], of_sums.shape[-1])
    for rows_of, grad in zip(entries, of_sums, strict=True):
        total.addmm_(rows_of, grad)
    return total.T.contiguous()

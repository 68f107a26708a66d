"""``block.cuba.Conv`` and ``block.cuba.Pool`` in fused passes."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ...kernels.cpu.arrays import empty
from ...kernels.cpu.threads import share
from . import cuba, events, plain, products
from .arrays import Array, Kept, is_float32, rows
from .block import Forward, Stock, layer, stand_in
from .loops import conv as loops
from .loops import cuba as cuba_loops
from .loops.turning import LANES

_LIMIT = 0.08
"""Share of entries that are not zero, up to which adding events pays."""
_PARTS = 8
"""Shares of samples whose gradients of the kernel are added up apart."""
_Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Sizes of a convolution or pooling over images."""

    image: _Pair
    kernel: _Pair
    stride: _Pair
    padding: _Pair
    dilation: _Pair

    @property
    def out(self) -> _Pair:
        """Rows and columns that come out."""
        y, x = (
            (i + 2 * p - d * (k - 1) - 1) // s + 1
            for i, k, s, p, d in zip(self.image, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        )
        return y, x


def _geometry(synapse: Any, x: torch.Tensor) -> Geometry:
    sizes = (x.shape[2:4], synapse.kernel_size, synapse.stride, synapse.padding, synapse.dilation)
    return Geometry(*((int(size[0]), int(size[1])) for size in sizes))


@lru_cache(maxsize=64)
def _reach(geometry: Geometry) -> tuple[Array, Array]:
    """Return what each pixel reaches; see `loops`."""
    starts = np.empty(math.prod(geometry.image) + 1, np.int64)
    targets = np.empty((math.prod(geometry.image) * math.prod(geometry.kernel), 2), np.int64)
    loops.reach(*geometry.image, *geometry[1:], geometry.out, starts, targets)
    return starts, targets[: starts[-1]].copy()


def convolution(found: Forward, stock: Stock, synapse: Forward) -> Forward:
    """Return a stand-in for ``AbstractConv.forward``; what it does not hold is left to `found`.

    `synapse` is the forward pass of a convolution's synapse.
    """
    return _block(found, stock, synapse, _may_convolve, _convolved)


def pooling(found: Forward, stock: Stock, synapse: Forward) -> Forward:
    """Return a stand-in for ``AbstractPool.forward``, likewise."""
    return _block(found, stock, synapse, _may_pool, _pooled)


def _block(found: Forward, stock: Stock, synapse: Forward, may: Any, sent: Any) -> Forward:
    def fits(block: Any, x: torch.Tensor) -> bool:
        runs = stock.may_run(block, x) and plain.runs(block.synapse, forward=synapse)
        return runs and x.dim() == 5 and bool(may(block, x))

    return stand_in(found, stock, fits, sent)


def _may_convolve(block: Any, x: torch.Tensor) -> bool:
    ways, delay = block.synapse, block.delay
    out = _geometry(ways, x).out
    return (
        x.shape[1] == ways.in_channels
        and (ways.groups, ways.bias, ways.padding[2], ways.kernel_size[2]) == (1, None, 0, 1)
        and min(out) > 0
        and (delay is None or delay.init is False or len(delay.delay) == ways.out_channels)
    )


def _convolved(block: Any, x: torch.Tensor, stock: Stock) -> torch.Tensor | None:
    ways = block.synapse
    weight = plain.weight(ways, x)
    if not is_float32(weight):
        return None
    geometry, channels = _geometry(ways, x), ways.out_channels
    shape = torch.Size((channels, *geometry.out))
    seen = events.find(x, _LIMIT)
    arriving: cuba.Arriving
    if seen is not None and seen.is_whole:
        packed = products.pack(
            weight, block.neuron.w_scale, block.neuron.s_scale, [slice(0, products.padded(channels))]
        )
        if packed.exact_with(seen.largest):
            place = np.arange(shape.numel()).reshape(channels, -1).T.ravel().copy()
            arriving = _Events(seen, geometry, packed, channels, x.shape)
            return layer(block, stock, x, weight, shape, place, arriving)
    arriving = _Sums(x, weight, geometry, block.neuron.s_scale)
    return layer(block, stock, x, weight, shape, np.arange(shape.numel()), arriving)


class _Events:
    """What events add up to behind a convolution; neurons in the order position, channel."""

    def __init__(
        self, seen: events.Events, geometry: Geometry, packed: products.Weights, channels: int, shape: torch.Size
    ) -> None:
        self._seen, self._geometry, self._channels, self._shape = seen, geometry, channels, shape
        self._weight = packed.of(slice(0, products.padded(channels)))
        self._kernel = math.prod(geometry.kernel)

    def blocks(self, neurons: int, steps: int) -> list[slice]:
        """See `cuba.Arriving`: rows of positions, in whole lanes."""
        of_row = self._geometry.out[1] * self._channels
        lanes = of_row * LANES // math.gcd(LANES, of_row)
        most, width = max(min(products.ROOM // steps, products.WIDEST) // lanes, 1) * lanes, products.padded(neurons)
        return [slice(start, min(start + most, width)) for start in range(0, width, most)]

    def scan(self, part: cuba.Part, z: Array, *neurons: Any) -> None:
        """See `cuba.Arriving`."""
        starts, senders, values = self._seen[:3]
        reached = *_reach(self._geometry), self._kernel
        loops.scan(starts[part.samples], senders, values, *reached, self._weight, self._channels, z, *neurons)

    def gradients(
        self, weight: torch.Tensor, grad: Array, needs_x: bool, needs_weight: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """See `cuba.Arriving`."""
        of_x = self._of_x(weight, grad) if needs_x else None
        return of_x, self._of_weight(weight, grad) if needs_weight else None

    def _of_x(self, weight: torch.Tensor, grad: Array) -> torch.Tensor:
        samples, _, *image, steps = self._shape
        kernel, stride, padding, dilation = self._geometry[1:]
        out, channels = self._geometry.out, self._channels
        left = [
            i - ((o - 1) * s - 2 * p + d * (k - 1) + 1)
            for i, o, k, s, p, d in zip(image, out, kernel, stride, padding, dilation, strict=True)
        ]
        used = torch.from_numpy(grad)[..., : math.prod(out) * channels]
        # Each step is an image, with its channels last: torch is faster so than on images that have steps.
        images = used.reshape(-1, *out, channels).permute(0, 3, 1, 2)
        flat = weight[..., 0].contiguous(memory_format=torch.channels_last)
        found = functional.conv_transpose2d(images, flat, None, stride, padding, left, 1, dilation)
        return empty(*self._shape).copy_(found.unflatten(0, (samples, steps)).permute(0, 2, 3, 4, 1))

    def _of_weight(self, weight: torch.Tensor, grad: Array) -> torch.Tensor:
        starts, senders, values = self._seen[:3]
        samples, count = len(grad), min(_PARTS, len(grad))
        totals = np.zeros((count, *self._weight.shape), np.float32)
        reached = *_reach(self._geometry), self._kernel

        def one(i: int) -> None:
            n = slice(samples * i // count, samples * (i + 1) // count)
            loops.gradient(starts[n], senders, values, *reached, self._channels, grad[n], totals[i])

        share(one, count)
        total = torch.from_numpy(totals.sum(0)[:, : self._channels].T.copy())
        return total.reshape(weight.shape)


class _Sums:
    """Torch's own convolution, in front of loops; neurons in the order of rasters."""

    def __init__(self, x: torch.Tensor, weight: torch.Tensor, geometry: Geometry, scale: int) -> None:
        self._x, self._scale = Kept(x), np.float32(scale)
        self._sizes = [(*pair, last) for pair, last in zip(geometry[2:], (1, 0, 1), strict=True)]
        with torch.no_grad():
            stride, padding, dilation = self._sizes
            sums = functional.conv3d(x, weight, None, stride, padding, dilation)
        self._shape, self._sums = sums.shape, rows(sums)

    def blocks(self, neurons: int, steps: int) -> list[slice]:
        """See `cuba.Arriving`."""
        return products.blocks(neurons, steps)

    def scan(self, part: cuba.Part, z: Array, *neurons: Any) -> None:
        """See `cuba.Arriving`."""
        cuba_loops.scan_sums(self._sums[part.samples], self._scale, z, *neurons)

    def gradients(
        self, weight: torch.Tensor, grad: Array, needs_x: bool, needs_weight: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """See `cuba.Arriving`."""
        turned = torch.from_numpy(grad)[..., : self._shape[1:-1].numel()].transpose(1, 2).reshape(self._shape)
        stride, padding, dilation = self._sizes
        wanted = (needs_x, needs_weight, False)
        found = torch.ops.aten.convolution_backward(
            turned, self._x.get(), weight, None, stride, padding, dilation, False, (0, 0, 0), 1, wanted
        )
        return found[0], found[1]


def _may_pool(block: Any, x: torch.Tensor) -> bool:
    ways, delay, weight = block.synapse, block.delay, block.synapse.weight
    image, kernel, stride, padding, dilation = _geometry(ways, x)
    return (
        (stride, padding, dilation) == (kernel, (0, 0), (1, 1))
        and not any(size % k for size, k in zip(image, kernel, strict=True))  # else windows see two channels
        and not weight.requires_grad
        and (ways.bias, ways.kernel_size[2]) == (None, 1)
        and (delay is None or delay.init is False or len(delay.delay) == x.shape[1])
    )


def _pooled(block: Any, x: torch.Tensor, stock: Stock) -> torch.Tensor | None:
    weight = plain.weight(block.synapse, x)
    seen = events.find(x, _LIMIT)
    if seen is None or not is_float32(weight):
        return None
    packed = products.pack(weight, block.neuron.w_scale, 1, [slice(0, LANES)])
    if not packed.exact_with(seen.largest) or not seen.is_whole:
        return None
    geometry = _geometry(block.synapse, x)
    shape = torch.Size((x.shape[1], *geometry.out))
    arriving = _Windows(seen, geometry, weight, block.neuron.s_scale, x.shape)
    return layer(block, stock, x, weight, shape, np.arange(shape.numel()), arriving)


class _Windows:
    """What events add up to behind a pooling, each of whose inputs belongs to one window."""

    def __init__(
        self, seen: events.Events, geometry: Geometry, weight: torch.Tensor, scale: int, shape: torch.Size
    ) -> None:
        self._seen, self._scale, self._shape = seen, scale, shape
        channels, *image = shape[1:4]
        y, x = np.indices(image)
        (rows_k, columns_k), out = geometry.kernel, geometry.out
        window = y // rows_k * out[1] + x // columns_k
        self._target = (np.arange(channels)[:, None] * math.prod(out) + window.ravel()).ravel()
        each = weight.detach().reshape(geometry.kernel).numpy()[y % rows_k, x % columns_k].ravel()
        self._weight = np.tile(each * np.float32(scale), channels)

    def blocks(self, neurons: int, steps: int) -> list[slice]:
        """See `cuba.Arriving`."""
        return products.blocks(neurons, steps)

    def scan(self, part: cuba.Part, z: Array, *neurons: Any) -> None:
        """See `cuba.Arriving`."""
        starts, senders, values = self._seen[:3]
        loops.scan_pool(starts[part.samples], senders, values, self._target, self._weight, z, *neurons)

    def gradients(
        self, weight: torch.Tensor, grad: Array, needs_x: bool, needs_weight: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """See `cuba.Arriving`."""
        if not needs_x:
            return None, None
        of_x = empty(*self._shape)
        out, count = rows(of_x), min(_PARTS, len(grad))

        def one(i: int) -> None:
            n = slice(len(grad) * i // count, len(grad) * (i + 1) // count)
            loops.spread(grad[n], self._target, self._weight, np.float32(1 / self._scale), out[n])

        share(one, count)
        return of_x, None

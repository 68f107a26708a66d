"""Events on images: what they add up to in the neurons of convolutions and poolings, and gradients.

`starts` and `targets` list for each pixel, ``row * columns + column``, which positions of the output it reaches, and by
which weight of the kernel: pairs ``(position, weight)``.
"""

from __future__ import annotations

from .....contract.compiled.compiling import compiled
from . import cuba


@compiled
def reach(rows, columns, kernel, stride, padding, dilation, out, starts, targets):  # type: ignore[no-untyped-def]
    """Fill `starts` (rows * columns + 1) and `targets`; sizes are pairs, `out` that of the output."""
    count = 0
    for y in range(rows):
        for x in range(columns):
            starts[y * columns + x] = count
            for i in range(kernel[0]):
                above = y + padding[0] - i * dilation[0]
                if above % stride[0] or not 0 <= above // stride[0] < out[0]:
                    continue
                for j in range(kernel[1]):
                    left = x + padding[1] - j * dilation[1]
                    if left % stride[1] or not 0 <= left // stride[1] < out[1]:
                        continue
                    targets[count, 0] = above // stride[0] * out[1] + left // stride[1]
                    targets[count, 1] = i * kernel[1] + j
                    count += 1
    starts[rows * columns] = count


@compiled
def _forward(starts, senders, values, reached, targets, kernel, weight, channels, first, z):  # type: ignore[no-untyped-def]
    """Write what a sample's events add up to in the neurons from `first` on, whose order is position, channel."""
    pixels, last = len(reached) - 1, first + z.shape[1]
    for t in range(len(z)):
        row = z[t]
        row[:] = 0
        for e in range(starts[t], starts[t + 1]):
            channel = senders[e] // pixels
            pixel = senders[e] - channel * pixels
            for k in range(reached[pixel], reached[pixel + 1]):
                to = targets[k, 0] * channels
                if first <= to < last:
                    by, to, value = channel * kernel + targets[k, 1], to - first, values[e]
                    for o in range(channels):
                        row[to + o] += value * weight[by, o]


@compiled
def scan(  # type: ignore[no-untyped-def]
    starts,
    senders,
    values,
    reached,
    targets,
    kernel,
    weight,
    channels,
    z,
    u,
    v,
    keep_u,
    keep_v,
    threshold,
    first,
    neurons,
    levels,
    codes,
    ends,
):
    """Do as `cuba.scan_events`, for a convolution of `channels` outputs and `kernel` weights a channel."""
    count = 0
    for n in range(len(starts)):
        _forward(starts[n], senders, values, reached, targets, kernel, weight, channels, first, z)
        of = cuba.scan(z, u[n], v[n], keep_u, keep_v, threshold, first, neurons, levels[n], codes[count:])
        count += of
        ends[n] = count
        if of < 0:
            ends[-1] = -1
            return


@compiled
def gradient(starts, senders, values, reached, targets, kernel, channels, grad, total):  # type: ignore[no-untyped-def]
    """Add to the gradient of a kernel, (senders' channels * kernel, K), that of sums, (N, T, neurons)."""
    pixels = len(reached) - 1
    for n in range(len(grad)):
        for t in range(grad.shape[1]):
            row = grad[n, t]
            for e in range(starts[n, t], starts[n, t + 1]):
                channel = senders[e] // pixels
                pixel = senders[e] - channel * pixels
                for k in range(reached[pixel], reached[pixel + 1]):
                    to, by, value = targets[k, 0] * channels, channel * kernel + targets[k, 1], values[e]
                    for o in range(channels):
                        total[by, o] += value * row[to + o]


@compiled
def scan_pool(  # type: ignore[no-untyped-def]
    starts, senders, values, target, weight, z, u, v, keep_u, keep_v, threshold, first, neurons, levels, codes, ends
):
    """Do as `cuba.scan_events`, where every sender reaches one neuron, `target`, by one `weight`."""
    count, last = 0, first + z.shape[1]
    for n in range(len(starts)):
        z[:] = 0
        for t in range(len(z)):
            for e in range(starts[n, t], starts[n, t + 1]):
                to = target[senders[e]]
                if first <= to < last:
                    z[t, to - first] += values[e] * weight[senders[e]]
        of = cuba.scan(z, u[n], v[n], keep_u, keep_v, threshold, first, neurons, levels[n], codes[count:])
        count += of
        ends[n] = count
        if of < 0:
            ends[-1] = -1
            return


@compiled
def spread(grad, target, weight, scale, grad_x):  # type: ignore[no-untyped-def]
    """Write gradients to inputs, (N, senders, T), of which each reached one neuron of (N, T, neurons)."""
    tile = 16
    steps = grad.shape[1]
    for n in range(len(grad)):
        for begin in range(0, len(target), tile):
            for start in range(0, steps, tile):
                for row in range(begin, min(begin + tile, len(target))):
                    to, factor = target[row], weight[row] * scale
                    for t in range(start, min(start + tile, steps)):
                        grad_x[n, row, t] = grad[n, t, to] * factor

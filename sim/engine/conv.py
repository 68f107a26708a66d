"""The convolution of the batch engine, compiled by numba."""

# mypy: ignore-errors
# (numba's functions have no types of their own: they are compiled for those that they meet)

from __future__ import annotations

import numpy as np

from ...contract.compiled.compiling import compiled


@compiled
def conv_events(x, weight, in_shape, stride, padding, dilation, out_shape, z):
    """Write a convolution's sums into `z`, at a cost that grows with the entries of `x` that are not 0.

    `x` is (rows, inputs) and `z` (rows, neurons), images flattened; `weight` is (input channels, kernel rows, kernel
    columns, outputs of the channel's group).
    """
    inputs = x.shape[1]
    image, width = in_shape[1] * in_shape[2], in_shape[2]
    kernel_rows, kernel_columns, of_group = weight.shape[1:]
    outputs, out_rows, out_columns = out_shape[0], out_shape[1], out_shape[2]
    channels_of_group = in_shape[0] // (outputs // of_group)
    number = weight.dtype.type
    found = np.empty(inputs + 1, np.int64)
    total = np.empty((out_rows, out_columns, outputs), weight.dtype)
    for r in range(len(x)):
        x_r, z_r = x[r], z[r]
        num = 0
        for p in range(inputs):  # without a branch that could be mispredicted
            found[num] = p
            num += np.int64(x_r[p] != 0)
        total[:] = 0
        for event in range(num):
            p = found[event]
            channel, pixel = p // image, p % image
            row, column = pixel // width + padding[0], pixel % width + padding[1]
            first = channel // channels_of_group * of_group
            payload = number(x_r[p])
            for i in range(kernel_rows):
                y = row - i * dilation[0]
                if y < 0 or y % stride[0] or y >= out_rows * stride[0]:
                    continue
                for j in range(kernel_columns):
                    c = column - j * dilation[1]
                    if c < 0 or c % stride[1] or c >= out_columns * stride[1]:
                        continue
                    to, w = total[y // stride[0], c // stride[1]], weight[channel, i, j]
                    for o in range(of_group):
                        to[first + o] += payload * w[o]
        for o in range(outputs):
            for y in range(out_rows):
                at = (o * out_rows + y) * out_columns
                for c in range(out_columns):
                    z_r[at + c] = total[y, c, o]

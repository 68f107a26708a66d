"""Spike-TCN."""

from __future__ import annotations

import torch
from torch import nn

from .layer import Layer, taps


class TCNLevel(nn.Module):
    """Two causal convolutions along the sequence, each with a norm and LIF neurons, and the input added to them.

    Parameters
    ----------
    width : int
        Number of channels D.
    kernel, dilation : int
        Taps of a convolution, and positions from one to the next.
    """

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.first, self.second = Layer(kernel * width, width), Layer(kernel * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the level's output, shape (T_s, N, L, D)."""
        found: torch.Tensor = x
        for layer in (self.first, self.second):
            found = layer(taps(found, self.kernel, self.dilation))
        return x + found


def spike_tcn(width: int, depth: int, kernel: int) -> nn.Sequential:
    """Return `depth` levels; level i takes every 2**i-th position.

    References
    ----------
    SeqSNN (arXiv 2402.01533); S. Bai et al., arXiv 1803.01271.
    """
    return nn.Sequential(*(TCNLevel(width, kernel, 2**i) for i in range(depth)))

"""Spike-TCN."""

from __future__ import annotations

import torch
from torch import nn

from .coded import Body, layer
from .layer import taps


class TCNLevel(nn.Module):
    """Two causal convolutions along the sequence, each with a norm and LIF neurons, and the input added to them.

    Parameters
    ----------
    width : int
        Number of channels D.
    kernel, dilation : int
        Taps of a convolution, and positions from one to the next.
    columns : int
        Of a code that stands beside what both convolutions hear, that of the position for which they answer.
    """

    def __init__(self, width: int, kernel: int, dilation: int, columns: int = 0) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.first, self.second = (layer(kernel * width, width, columns) for _ in range(2))

    def forward(self, x: torch.Tensor, code: torch.Tensor | None = None) -> torch.Tensor:
        """Return the level's output, shape (T_s, N, L, D)."""
        found: torch.Tensor = x
        for one in (self.first, self.second):
            heard = taps(found, self.kernel, self.dilation)
            found = one(heard) if code is None else one(heard, code)
        return x + found


def spike_tcn(width: int, depth: int, kernel: int, columns: int = 0) -> Body:
    """Return `depth` levels; level i takes every 2**i-th position.

    References
    ----------
    SeqSNN (arXiv 2402.01533); S. Bai et al., arXiv 1803.01271.
    """
    return Body(*(TCNLevel(width, kernel, 2**i, columns) for i in range(depth)))

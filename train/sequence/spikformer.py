"""Spikformer: a transformer whose queries, keys and values are spikes."""

from __future__ import annotations

import torch
from torch import nn

from .layer import Layer, Neurons

_SCALE = 0.125
_EXPANSION = 4


class Attention(nn.Module):
    """Spiking self-attention, ``SN((Q K^T) V * 0.125)`` without a softmax, and a layer behind it.

    Parameters
    ----------
    width, heads : int
        Number of channels D, and of heads, which divides it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = Layer(width, 3 * width)  # queries, keys and values in one product
        self.attend = Neurons(width)
        self.out = Layer(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes, shape (T_s, N, L, D)."""
        steps, samples, length, width = x.shape
        split = self.project(x).view(steps * samples, length, 3, self.heads, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        # Sums of products of spikes are whole numbers, so both orders are equal to the bit: the cheaper one.
        found = q @ (k.transpose(-1, -2) @ v) if length > width // self.heads else (q @ k.transpose(-1, -2)) @ v
        found = found.transpose(1, 2).reshape(x.shape)
        spikes: torch.Tensor = self.out(self.attend.scaled(found, _SCALE))
        return spikes


class Block(nn.Module):
    """Attention and a two-layer network for each position, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.each = nn.Sequential(Layer(width, _EXPANSION * width), Layer(_EXPANSION * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output, shape (T_s, N, L, D)."""
        x = x + self.attention(x)
        found: torch.Tensor = x + self.each(x)
        return found


def spikformer(width: int, depth: int, heads: int) -> nn.Sequential:
    """Return `depth` blocks.

    References
    ----------
    Z. Zhou et al., "Spikformer", arXiv 2209.15425.
    """
    return nn.Sequential(*(Block(width, heads) for _ in range(depth)))

"""Spikformer: a transformer whose queries, keys and values are spikes."""

from __future__ import annotations

import torch
from torch import nn

from .coded import Body, layer
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
        steps, samples, length, _ = x.shape
        split = self.project(x).view(steps * samples, length, 3, self.heads, -1)
        found = self.mixed(*split.permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(x.shape)
        spikes: torch.Tensor = self.out(self.fired(found))
        return spikes

    def mixed(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Return the values that each position takes of all, for tensors of shape (T_s N, heads, L, D / heads)."""
        # Sums of products of spikes are whole numbers, so both orders are equal to the bit: the cheaper one.
        return q @ (k.transpose(-1, -2) @ v) if q.shape[-2] > q.shape[-1] else (q @ k.transpose(-1, -2)) @ v

    def fired(self, found: torch.Tensor) -> torch.Tensor:
        """Return the spikes of these values."""
        return self.attend.scaled(found, _SCALE)


class XNORAttention(Attention):
    """Attention that counts in how many bits a query and a key agree: ``SN((XNOR(Q, K) + R) V * sigmoid(a))``.

    Parameters
    ----------
    width, heads : int
        As of `Attention`.
    relative : Tensor, shape (L, L)
        What is added for each pair of positions, see `spikeproof.train.sequence.relative`.

    Notes
    -----
    The scalar `a` is learned. The authors say in their code's issue 31 that its first value matters, and not which it
    is; here ``sigmoid(a)`` begins at 2 / (L D / heads), with which neurons fire at the start of training.

    References
    ----------
    C. Lv et al., "Toward relative positional encoding in spiking transformers", arXiv 2501.16745.
    """

    def __init__(self, width: int, heads: int, relative: torch.Tensor) -> None:
        super().__init__(width, heads)
        self.relative: torch.Tensor
        self.register_buffer("relative", relative, persistent=False)
        share = torch.tensor(min(0.5, 2 * heads / (len(relative) * width)))
        self.scale = nn.Parameter(share.logit())

    def mixed(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Return the values that each position takes of all."""
        agreed = 2 * (q @ k.transpose(-1, -2)) - q.sum(-1, keepdim=True) - k.sum(-1).unsqueeze(-2) + q.shape[-1]
        return (agreed + self.relative) @ v

    def fired(self, found: torch.Tensor) -> torch.Tensor:
        """Return the spikes of these values."""
        spikes: torch.Tensor = self.attend(found * self.scale.sigmoid())
        return spikes


class Block(nn.Module):
    """Attention and a two-layer network for each position, each added to its input.

    Parameters
    ----------
    width, heads : int
        As of `Attention`.
    columns : int
        Of a code that stands beside what both layers of that network hear; attention hears none.
    relative : Tensor, optional
        What `XNORAttention` adds; `Attention` is used if it is None.
    """

    def __init__(self, width: int, heads: int, columns: int = 0, relative: torch.Tensor | None = None) -> None:
        super().__init__()
        self.attention = Attention(width, heads) if relative is None else XNORAttention(width, heads, relative)
        hidden = _EXPANSION * width
        self.each = Body(layer(width, hidden, columns), layer(hidden, width, columns))

    def forward(self, x: torch.Tensor, code: torch.Tensor | None = None) -> torch.Tensor:
        """Return the block's output, shape (T_s, N, L, D)."""
        x = x + self.attention(x)
        found: torch.Tensor = x + self.each(x, code)
        return found


def spikformer(width: int, depth: int, heads: int, columns: int = 0, relative: torch.Tensor | None = None) -> Body:
    """Return `depth` blocks, of `XNORAttention` with what it adds, or of `Attention` if that is None.

    References
    ----------
    Z. Zhou et al., "Spikformer", arXiv 2209.15425.
    """
    return Body(*(Block(width, heads, columns, relative) for _ in range(depth)))

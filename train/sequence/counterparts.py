"""Sequence models of real numbers, of torch's own parts: what a spiking one of the same size is compared with."""

from __future__ import annotations

import torch
from torch import nn

from .position import PositionOptions, columns

_EXPANSION = 4
_DEFAULT_POSITION = PositionOptions()


class Counterpart(nn.Module):
    """A linear map of the channels, a body as wide, and a linear read-out of its average along the sequence.

    Parameters
    ----------
    body : {"transformer", "gru", "tcn"}
        Torch's Transformer encoder (pre-norm, GELU, no dropout), its GRU, or `TCNLevel`.
    channels, outputs, length : int
        Number of input channels, not looked at with tokens; of outputs, and of positions L.
    width, depth : int
        Number of channels D, and of layers or levels.
    position : PositionOptions
        "none", or a table whose columns, for one step, stand beside the input of the first linear map, as in
        `SequenceModel`.
    vocabulary : int
        Number of tokens, the padding token 0 among them; 0 if the input is no tokens.
    kernel, heads : int
        Of "tcn", and of "transformer".
    """

    def __init__(
        self,
        body: str,
        channels: int,
        outputs: int,
        length: int,
        *,
        width: int = 64,
        depth: int = 2,
        position: PositionOptions = _DEFAULT_POSITION,
        vocabulary: int = 0,
        kernel: int = 3,
        heads: int = 8,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width, padding_idx=0) if vocabulary else None
        self.position = columns(position, 1, length)
        beside = 0 if self.position is None else position.channels
        self.first = nn.Linear((width if vocabulary else channels) + beside, width)
        self.body: nn.Module
        if body == "transformer":
            layer = nn.TransformerEncoderLayer(
                width, heads, _EXPANSION * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            self.body = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        elif body == "gru":
            self.body = nn.GRU(width, width, depth, batch_first=True)
        else:
            self.body = nn.Sequential(*(TCNLevel(width, kernel, 2**i) for i in range(depth)))
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs, shape (N, outputs).

        Parameters
        ----------
        x : Tensor, shape (N, C, L), or (N, 1, L) of tokens
            Input. Nothing attends to positions with the padding token, and they are not read out.
        """
        padding = None
        if self.tokens is not None:
            padding = x[:, 0] == 0
            x = self.tokens(x[:, 0])
        else:
            x = x.transpose(1, 2)
        if self.position is not None:
            x = torch.cat([x, self.position()[0].expand(len(x), -1, -1)], dim=-1)
        x = self.first(x)
        if isinstance(self.body, nn.TransformerEncoder):
            alone = None if padding is None else padding & ~padding.all(-1, keepdim=True)  # someone must be heard
            x = self.body(x, src_key_padding_mask=alone)
        elif isinstance(self.body, nn.GRU):
            x = self.body(x)[0]
        else:
            x = self.body(x)
        if padding is None:
            return self.readout(x.mean(1))
        real = (~padding).unsqueeze(-1).to(x.dtype)
        return self.readout((x * real).sum(1) / real.sum(1).clamp(min=1))


class TCNLevel(nn.Module):
    """Two causal convolutions along the sequence, each with a batch norm and a ReLU, and the input added to them.

    Parameters
    ----------
    width, kernel, dilation : int
        Number of channels D, taps of a convolution, and positions from one to the next.
    """

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.back = (kernel - 1) * dilation
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, kernel, dilation=dilation) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the level's output, shape (N, L, D)."""
        found = x.transpose(1, 2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found = norm(convolution(nn.functional.pad(found, (self.back, 0)))).relu()
        return x + found.transpose(1, 2)

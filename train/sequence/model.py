"""A sequence model: encoder, position, first layer, body and read-out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import InputError, UnsupportedError
from ...contract.net import Net
from ...export.capture import guard
from ..to_prove import ToProve
from . import deploy
from .coded import Coded
from .encoders import ENCODERS
from .gru import spike_gru
from .position import FULL, PositionOptions, Relative, columns
from .relative import relative
from .rnn import spike_rnn
from .spikformer import spikformer
from .tcn import spike_tcn

BODIES = ("spike-rnn", "spike-gru", "spike-tcn", "spikformer")
"""Names of the bodies."""

_DEFAULT_POSITION = PositionOptions()


class SequenceModel(nn.Module):
    """A spiking network for sequences of real vectors or of tokens.

    Parameters
    ----------
    body : str
        One of `BODIES`.
    channels : int
        Number of input channels C; not looked at with tokens.
    outputs : int
        Number of outputs.
    length : int
        Number of positions L.
    width, depth : int
        Number of channels D, and of layers, levels or blocks behind the first layer.
    encoder : str
        One of `encoders.ENCODERS`.
    spike_steps : int
        Number of spike steps T_s.
    position : PositionOptions
        The positional encoding.
    vocabulary : int
        Number of tokens, the padding token 0 among them; 0 if the input is no tokens. Tokens become learned vectors of
        D channels, which the encoder takes.
    kernel : int
        Taps of a convolution of "spike-tcn".
    heads : int
        Of "spikformer".
    attention : str
        Likewise: "product", or "xnor", to which a position of `relative.IN_ATTENTION` adds.
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
        encoder: str = "conv",
        spike_steps: int = 4,
        position: PositionOptions = _DEFAULT_POSITION,
        vocabulary: int = 0,
        kernel: int = 3,
        heads: int = 8,
        attention: str = "product",
    ) -> None:
        super().__init__()
        self.length, self.spike_steps = length, spike_steps
        self.tokens = nn.Embedding(vocabulary, width, padding_idx=0) if vocabulary else None
        channels = width if vocabulary else channels
        self.encoder = ENCODERS[encoder](channels, spike_steps)
        self.position = columns(position, spike_steps, length)
        if position.full and (self.position is None or body not in FULL):
            raise UnsupportedError(
                f"full = True puts the columns of a code beside all layers of {', '.join(FULL)}, and the body is "
                f"{body!r} with position {position.kind!r}."
            )
        self.full = position.full
        beside = 0 if self.position is None else position.channels
        self.first, in_body = Coded(channels, beside, width), beside if position.full else 0
        self.relative = Relative(width) if position.kind == "relative" else nn.Identity()
        self.body: nn.Sequential
        if body == "spike-rnn":
            self.body = spike_rnn(width, depth, in_body)
        elif body == "spike-gru":
            self.body = spike_gru(width, depth)
        elif body == "spike-tcn":
            self.body = spike_tcn(width, depth, kernel, in_body)
        else:
            added = torch.from_numpy(relative(position.kind, length)) if attention == "xnor" else None
            self.body = spikformer(width, depth, heads, in_body, added)
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs, shape (N, outputs).

        Parameters
        ----------
        x : Tensor, shape (N, C, L), or (N, 1, L) of tokens
            Input. Positions with the padding token send no spikes into the first layer and are not read out. Behind it
            they fire as its bias, norm and code make them, which attention and the relative encoding hear at words too.
        """
        real = None
        if self.tokens is not None:
            real = (x != 0).movedim(1, -1).to(self.readout.weight.dtype)  # (N, L, 1)
            x = self.tokens(x[:, 0]).transpose(1, 2)
        spikes, code = self.encoder(x), None if self.position is None else self.position()
        spikes = self.relative(self.first(spikes if real is None else spikes * real, code))
        spikes = self.body(spikes, code) if self.full else self.body(spikes)
        if real is None:  # the sum of spikes is exact, and one along the sequence first is the fastest
            return self.readout(spikes.sum(2).sum(0) / (self.spike_steps * self.length))
        spikes = spikes.mean(0)
        return self.readout((spikes * real).sum(1) / real.sum(1).clamp(min=1))

    def deployed(self) -> Net:
        """Return the record that is exported, see `spikeproof.train.sequence.deploy`."""
        return deploy.deploy(self)

    def refusals(self) -> list[deploy.Refusal]:
        """Return the parts of the model for which it cannot be exported."""
        return deploy.refusals(self)

    def to_prove(self, x: npt.ArrayLike | None) -> ToProve:
        """Return the record, its input and what the model itself answers; see `spikeproof.verify`.

        Parameters
        ----------
        x : array_like, shape (N, C, L)
            Input of the model.

        Raises
        ------
        UnsupportedError
            The model cannot be exported.
        InputError
            `x` is no input of the model.
        """
        net = deploy.deploy(self)
        given: npt.NDArray[Any] = np.zeros(0) if x is None else guard.plain(x)
        expected = (self.first.n_in, self.length)
        if given.shape[1:] != expected or not len(given):
            raise InputError(
                f"Input has shape {given.shape}; expected (samples, {expected[0]} channels, {expected[1]} positions)."
                if x is not None
                else f"Give an input x of shape (samples, {expected[0]} channels, {expected[1]} positions)."
            )
        trains, given = self.training, given.astype(np.float32)
        try:
            spikes, real = deploy.inputs(self, given), deploy.answers(self, given)
        finally:
            self.train(trains)
        return ToProve(net, spikes, real=real * net.steps, meaning=deploy.FLOAT)

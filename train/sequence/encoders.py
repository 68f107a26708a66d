"""Spike encoders: real values of a sequence to spikes in T_s steps.

As in "Efficient and effective time-series forecasting with spiking neural networks" (SeqSNN, arXiv 2402.01533) and its
code. Each takes (N, C, L) and returns (T_s, N, L, C).
"""

from __future__ import annotations

import torch
from torch import nn

from .layer import Neurons


class Repeat(nn.Module):
    """The values themselves as currents, the same in every spike step."""

    def __init__(self, channels: int, spike_steps: int) -> None:
        super().__init__()
        self.spike_steps = spike_steps
        self.neuron = Neurons(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes."""
        currents = x.transpose(1, 2)
        spikes: torch.Tensor = self.neuron(currents.expand(self.spike_steps, *currents.shape))
        return spikes


class Delta(nn.Module):
    """First differences along the sequence, normalised, with a factor and an offset for each spike step."""

    def __init__(self, channels: int, spike_steps: int) -> None:
        super().__init__()
        self.norm, self.synapse = nn.BatchNorm2d(1), nn.Linear(1, spike_steps)
        self.neuron = Neurons(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes."""
        change = torch.diff(x, dim=-1, prepend=x[..., :1])
        currents = self.synapse(self.norm(change.unsqueeze(1)).movedim(1, -1))  # (N, C, L, T_s)
        spikes: torch.Tensor = self.neuron(currents.permute(3, 0, 2, 1))
        return spikes


class Conv(nn.Module):
    """A convolution of width 3 along the sequence, one output for each spike step, and a norm."""

    def __init__(self, channels: int, spike_steps: int) -> None:
        super().__init__()
        self.synapse = nn.Conv2d(1, spike_steps, (1, 3), padding=(0, 1))
        self.norm = nn.BatchNorm2d(spike_steps)
        self.neuron = Neurons(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes.

        The convolution is a product with its three taps: torch's own takes up to five times as long here.
        """
        length, weight = x.shape[-1], self.synapse.weight.flatten(1)  # (T_s, 3)
        padded = nn.functional.pad(x.transpose(1, 2), (0, 0, 1, 1))
        taps = torch.stack([padded[:, first : first + length] for first in range(weight.shape[1])])  # (3, N, L, C)
        bias = self.synapse.bias
        assert bias is not None  # as it was built
        currents = torch.addmm(bias.unsqueeze(1), weight, taps.flatten(1))
        normed = self.norm(currents.view(1, len(weight), -1, 1))
        spikes: torch.Tensor = self.neuron(normed.view(len(weight), *taps.shape[1:]))
        return spikes


ENCODERS = {"repeat": Repeat, "delta": Delta, "conv": Conv}
"""Name -> encoder that is built from the number of channels and of spike steps."""

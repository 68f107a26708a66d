"""Networks that recipes train."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from . import celif
from .readout import Readout


class Classifier(nn.Module):
    """Hidden layers of CE-LIF neurons with one shared temporal encoding, and a linear read-out.

    Parameters
    ----------
    inputs : int
        Number of analog input channels.
    hidden : sequence of int
        Widths of the hidden layers.
    classes : int
        Number of classes.
    steps : int
        Length of a sample in time steps.
    scale : int
        Weight units in 1.0, for every layer.
    threshold_decay : float
        Fraction of the threshold adaptation lost a step.
    te_exp : int
        Exponent of the temporal encoding.
    input_exp : int
        Exponent of the graded input spikes.

    References
    ----------
    arXiv 2308.15150: three hidden layers, all spiking, and a linear classifier averaged over time.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        classes: int,
        steps: int,
        *,
        scale: int = 256,
        threshold_decay: float = 0.01,
        te_exp: int = 9,
        input_exp: int = -6,
    ) -> None:
        super().__init__()
        encoding = celif.TemporalEncoding(max(hidden), steps, te_exp=te_exp)
        neuron_params = {"scale": scale, "threshold_decay": threshold_decay}
        widths = [inputs, *hidden]
        layers: list[nn.Module] = [
            celif.Dense(
                neuron_params,
                widths[i],
                widths[i + 1],
                temporal_encoding=encoding,
                input_exp=input_exp if i == 0 else None,
            )
            for i in range(len(hidden))
        ]
        self.blocks = nn.Sequential(*layers, Readout(hidden[-1], classes, scale=scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return class scores, shape (N, classes), for inputs of shape (N, inputs, T)."""
        return self.blocks(x)

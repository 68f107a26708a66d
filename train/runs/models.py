"""Networks that recipes train."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..blocks import celif
from ..blocks.readout import Read, Readout
from ..cpg import Concat, DrivenEncoding, Encoding

W_MAX = 100.0
"""Frequencies for samples of some tens to hundreds of steps; the paper's 10000 leaves most channels constant there."""


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
    input_exp : int or None
        Exponent of the graded input spikes; None for unary ones.
    cpg : int or Encoding, optional
        CPG oscillators beside the first layer's input, or how many of them with wavelengths up to ``2 pi W_MAX``.
    cpg_te : int
        Number of CPG oscillators that drive the temporal encoding; 0 for a table of `steps` columns.
    read : {"mean", "last", "every"}
        What the read-out answers with, see `Readout`.

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
        input_exp: int | None = -6,
        cpg: int | Encoding | None = 0,
        cpg_te: int = 0,
        read: Read = "mean",
    ) -> None:
        super().__init__()
        encoding: celif.TemporalEncoding | DrivenEncoding
        if cpg_te:
            encoding = DrivenEncoding(max(hidden), Encoding(cpg_te, W_MAX), te_exp=te_exp)
        else:
            encoding = celif.TemporalEncoding(max(hidden), steps, te_exp=te_exp)
        neuron_params = {"scale": scale, "threshold_decay": threshold_decay}
        self.encoding = encoding
        oscillators = Encoding(cpg, W_MAX) if isinstance(cpg, int) and cpg else cpg
        beside: list[nn.Module] = [Concat(oscillators)] if oscillators else []
        widths = [inputs + (oscillators.num_neurons if oscillators else 0), *hidden]
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
        self.blocks = nn.Sequential(*beside, *layers, Readout(hidden[-1], classes, scale=scale, read=read))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return class scores, shape (N, classes), or (N, classes, T) in every step, for inputs (N, inputs, T)."""
        return self.blocks(x)

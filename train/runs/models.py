"""Networks that recipes train."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn

from ..blocks import celif, cuba
from ..blocks.delays import Delay
from ..blocks.readout import Read, Readout
from ..cpg import Concat, DrivenEncoding, Encoding

W_MAX = 100.0
"""Frequencies for samples of some tens to hundreds of steps; the paper's 10000 leaves most channels constant there."""


class Classifier(nn.Module):
    """Hidden layers of CE-LIF neurons with one shared temporal encoding, or of LIF neurons, and a linear read-out.

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
    voltage_decay, threshold_decay : float
        Fractions of the membrane and of the threshold adaptation lost a step.
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
    neuron : {"ce-lif", "cuba"}
        The hidden neurons; "cuba" are plain LIF, see `spikeproof.train.blocks.cuba`, and have no encoding.
    delay, max_delay
        Delays that hidden layers learn, as for `spikeproof.celif.Dense`.

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
        voltage_decay: float = 0.5,
        threshold_decay: float = 0.01,
        te_exp: int = 9,
        input_exp: int | None = -6,
        cpg: int | Encoding | None = 0,
        cpg_te: int = 0,
        read: Read = "mean",
        neuron: Literal["ce-lif", "cuba"] = "ce-lif",
        delay: Delay = None,
        max_delay: int = 20,
    ) -> None:
        super().__init__()
        encoding: celif.TemporalEncoding | DrivenEncoding | None = None
        if neuron == "cuba":
            pass
        elif cpg_te:
            encoding = DrivenEncoding(max(hidden), Encoding(cpg_te, W_MAX), te_exp=te_exp)
        else:
            encoding = celif.TemporalEncoding(max(hidden), steps, te_exp=te_exp)
        self.encoding = encoding
        oscillators = Encoding(cpg, W_MAX) if isinstance(cpg, int) and cpg else cpg
        beside: list[nn.Module] = [Concat(oscillators)] if oscillators else []
        widths = [inputs + (oscillators.num_neurons if oscillators else 0), *hidden]
        params = {"scale": scale, "voltage_decay": voltage_decay}
        layers: list[nn.Module] = []
        for i, sizes in enumerate(pairwise(widths)):
            options: dict[str, Any] = {"delay": delay, "max_delay": max_delay, "input_exp": None if i else input_exp}
            if encoding is None:
                layers.append(cuba.Dense(params, *sizes, **options))
            else:
                of_celif = {**params, "threshold_decay": threshold_decay}
                layers.append(celif.Dense(of_celif, *sizes, temporal_encoding=encoding, **options))
        self.blocks = nn.Sequential(*beside, *layers, Readout(hidden[-1], classes, scale=scale, read=read))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return class scores, shape (N, classes), or (N, classes, T) in every step, for inputs (N, inputs, T)."""
        return self.blocks(x)

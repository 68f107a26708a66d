"""Networks that recipes train."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn

from ..blocks import celif, cuba, synapse
from ..blocks.delays import Delay
from ..blocks.dropout import Dropout
from ..blocks.readout import Read, Readout
from ..cpg import Concat, DrivenEncoding, Encoding

RECURRENT_LAYERS = 2
"""How many of the first layers of a recurrent network are so: what fits the parameter counts of arXiv 2308.15150."""

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
    scales : sequence of int
        Weight units in 1.0 of each hidden layer and of the read-out, in place of `scale`; empty for `scale` everywhere.
    half_width : float
        Half-width of the boxcar surrogate.
    te_mean, te_std : float
        Mean and standard deviation of the initial temporal encoding.
    ends : {"stop", "inward"}
        Whether values past the end of their register get no gradients, or those that bring them back.
    dropout : Dropout, optional
        Of the spikes behind each hidden layer.
    recurrent : bool
        Whether the spikes of the first two hidden layers, which must be CE-LIF, come back to them.

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
        scales: Sequence[int] = (),
        half_width: float = 0.2,
        te_mean: float = 0.01,
        te_std: float = 0.01,
        ends: Literal["stop", "inward"] = "stop",
        dropout: Dropout | None = None,
        recurrent: bool = False,
    ) -> None:
        super().__init__()
        encoding: celif.TemporalEncoding | DrivenEncoding | None = None
        initial: dict[str, Any] = {"te_exp": te_exp, "mean": te_mean, "std": te_std}
        if neuron != "cuba" and cpg_te:
            encoding = DrivenEncoding(max(hidden), Encoding(cpg_te, W_MAX), **initial)
        elif neuron != "cuba":
            encoding = celif.TemporalEncoding(max(hidden), steps, **initial)
        self.encoding, self.dropout = encoding, dropout
        *of_hidden, of_readout = scales or [scale] * (len(hidden) + 1)
        oscillators = Encoding(cpg, W_MAX) if isinstance(cpg, int) and cpg else cpg
        beside: list[nn.Module] = [Concat(oscillators)] if oscillators else []
        widths = [inputs + (oscillators.num_neurons if oscillators else 0), *hidden]
        layers: list[nn.Module] = []
        for i, sizes in enumerate(pairwise(widths)):
            params = {"scale": of_hidden[i], "voltage_decay": voltage_decay, "half_width": half_width}
            options: dict[str, Any] = {"delay": delay, "max_delay": max_delay, "input_exp": None if i else input_exp}
            if encoding is None:
                layers.append(cuba.Dense(params, *sizes, **options))
            else:
                of_celif = {**params, "threshold_decay": threshold_decay}
                kind = celif.Recurrent if recurrent and i < RECURRENT_LAYERS else celif.Dense
                layers.append(kind(of_celif, *sizes, temporal_encoding=encoding, **options))
        self.blocks = nn.Sequential(*beside, *layers, Readout(hidden[-1], classes, scale=of_readout, read=read))
        for part in self.modules():
            if isinstance(part, synapse.Dense | celif.TemporalEncoding | DrivenEncoding):
                part.inward = ends == "inward"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return class scores, shape (N, classes), or (N, classes, T) in every step, for inputs (N, inputs, T)."""
        if self.dropout is None or not self.training:
            return self.blocks(x)
        for block in self.blocks:
            x = self.dropout(block(x)) if hasattr(block, "neuron") else block(x)
        return x

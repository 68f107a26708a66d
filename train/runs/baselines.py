"""Networks to compare with: floating-point neurons, feed-forward or recurrent, and an LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from ..blocks.dropout import Dropout
from ..blocks.readout import Read
from ..neurons import ALIF, LIF, NEURONS, FloatCELIF
from ..neurons.fire import HALF_WIDTH
from .models import RECURRENT_LAYERS


class Baseline(nn.Module):
    """Hidden layers of floating-point neurons and a linear read-out.

    Parameters
    ----------
    inputs, outputs : int
        Number of input channels and of outputs.
    hidden : sequence of int
        Widths of the hidden layers.
    steps : int
        Length of a sample in time steps: columns of the temporal encoding that CE-LIF layers share.
    neuron : str
        "ce-lif-float" or one of `spikeproof.train.neurons.NEURONS`.
    recurrent : bool
        Whether the first two hidden layers hear their own last spikes, through weights with a bias.
    embedding : str
        CE-LIF's contextual embedding, one of `spikeproof.train.neurons.EMBEDDINGS`.
    threshold_decay, half_width, te_mean, te_std : float
        Of CE-LIF: what it loses a step, its surrogate, and mean and standard deviation of its initial encoding.
    dropout : Dropout, optional
        Of what each hidden layer sends, time on axis 1.
    read : {"mean", "last", "every"}
        What `forward` returns, as for `spikeproof.Readout`.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        steps: int,
        *,
        neuron: str = "lif",
        recurrent: bool = False,
        embedding: str = "u*te",
        threshold_decay: float = 0.01,
        half_width: float = HALF_WIDTH,
        te_mean: float = 0.01,
        te_std: float = 0.01,
        dropout: Dropout | None = None,
        read: Read = "mean",
    ) -> None:
        super().__init__()
        self.read, self.dropout = read, dropout
        self.encoding: nn.Parameter | None = None
        if neuron == "ce-lif-float":
            self.encoding = nn.Parameter(torch.empty(max(hidden), steps).normal_(te_mean, te_std))
            options = {"embedding": embedding, "threshold_decay": threshold_decay, "half_width": half_width}
            neurons = [FloatCELIF(n, self.encoding, **options) for n in hidden]  # type: ignore[arg-type]
        else:
            neurons = [NEURONS[neuron](n) for n in hidden]
        self.layers = nn.ModuleList(
            Layer(n_in, n, one, recurrent=recurrent and i < RECURRENT_LAYERS)
            for i, ((n_in, n), one) in enumerate(zip(pairwise([inputs, *hidden]), neurons, strict=True))
        )
        self.readout = nn.Linear(hidden[-1], outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs, (N, outputs) or (N, outputs, T) in every step, for inputs of shape (N, inputs, T)."""
        x = x.transpose(1, 2)
        for layer in self.layers:
            x = layer(x) if self.dropout is None else self.dropout(layer(x))
        return read_out(x, self.readout, self.read)


class LSTM(nn.Module):
    """Layers of LSTM cells and a linear read-out; parameters as for `Baseline`."""

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        dropout: Dropout | None = None,
        read: Read = "mean",
    ) -> None:
        super().__init__()
        self.read, self.dropout = read, dropout
        self.layers = nn.ModuleList(nn.LSTM(n_in, n, batch_first=True) for n_in, n in pairwise([inputs, *hidden]))
        self.readout = nn.Linear(hidden[-1], outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs, (N, outputs) or (N, outputs, T) in every step, for inputs of shape (N, inputs, T)."""
        x = x.transpose(1, 2)
        for layer in self.layers:
            x, _ = layer(x)
            x = x if self.dropout is None else self.dropout(x)
        return read_out(x, self.readout, self.read)


class Layer(nn.Module):
    """A layer of neurons: spikes of shape (N, T, C) in and out."""

    def __init__(self, n_in: int, n: int, neuron: nn.Module, *, recurrent: bool) -> None:
        super().__init__()
        self.synapse = nn.Linear(n_in, n)
        self.recurrent = nn.Linear(n, n) if recurrent else None
        self.neuron = neuron

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run a sequence."""
        z = self.synapse(x)
        if self.recurrent is None and isinstance(self.neuron, FloatCELIF | LIF | ALIF):
            found = self.neuron.over_time(z)
            if found is not None:
                return found
        currents = z.unbind(1)
        state = self.neuron.initial(currents[0])  # type: ignore[operator]
        s = torch.zeros_like(currents[0])
        spikes = []
        for t, z in enumerate(currents):
            s, state = self.neuron(z if self.recurrent is None else z + self.recurrent(s), state, t)
            spikes.append(s)
        return torch.stack(spikes, dim=1)


def read_out(x: torch.Tensor, linear: nn.Linear, read: Read) -> torch.Tensor:
    """Return a linear layer's outputs for `x` of shape (N, T, C), read as `spikeproof.Readout` reads them."""
    if read == "every":
        found: torch.Tensor = linear(x).transpose(1, 2)
        return found
    found = linear(x.mean(1) if read == "mean" else x[:, -1])
    return found

"""CE-LIF without rounding, with the paper's contextual embedding or one of those that it was compared with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from ..kernels import select
from ..kernels.api import Embedding, FloatCELIFConstants
from .fire import HALF_WIDTH, fire
from .over_time import over_time

EMBEDDINGS = {
    "s": Embedding(s=True),
    "u": Embedding(u=True),
    "te": Embedding(te=True),
    "s+te": Embedding(s=True, te=True),
    "u+te": Embedding(u=True, te=True),
    "s*te": Embedding(s_te=True),
    "u*te": Embedding(u_te=True),
}
"""Name -> what is added to the threshold, of the spikes and the membrane before and the encoding now. ``u*te`` is
CE-LIF; the others are the candidates for the rows of the paper's ablation, whose formulas are lost."""


class FloatCELIFState(NamedTuple):
    """Membrane before its reset, threshold adaptation and spikes."""

    u: torch.Tensor
    h: torch.Tensor
    s: torch.Tensor


class FloatCELIF(nn.Module):
    """CE-LIF in floating point; with the embedding u*te.

    One step::

        h = (1 - threshold_decay) * h + u * te[t]          the membrane before its decay and reset
        u = decay * u * (1 - s) + x
        s = u > threshold + h

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    encoding : Parameter, shape (at least n, T)
        The network's shared temporal encoding, of which a layer uses the first n rows; past the last column it wraps.
    embedding : str
        One of `EMBEDDINGS`.

    References
    ----------
    arXiv 2308.15150, and its ablation.
    """

    def __init__(
        self,
        num_neurons: int,
        encoding: nn.Parameter,
        *,
        embedding: str = "u*te",
        decay: float = 0.5,
        threshold_decay: float = 0.01,
        threshold: float = 0.3,
        half_width: float = HALF_WIDTH,
    ) -> None:
        super().__init__()
        self.half_width = half_width
        self._n, self._embed = num_neurons, EMBEDDINGS[embedding]
        self.decay, self.keep_threshold, self.threshold = decay, 1 - threshold_decay, threshold
        self.encoding = encoding

    def initial(self, x: torch.Tensor) -> FloatCELIFState:
        """Return the state before a sample."""
        return FloatCELIFState(torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x))

    def forward(self, x: torch.Tensor, state: FloatCELIFState, t: int) -> tuple[torch.Tensor, FloatCELIFState]:
        """Advance by one time step; `x` has shape (N, C)."""
        te = self.encoding[: self._n, t % self.encoding.shape[1]]
        h = self.keep_threshold * state.h + self._embed(state.s, state.u, te)
        u = self.decay * state.u * (1 - state.s) + x
        s = fire(u - self.threshold - h, self.half_width)
        return s, FloatCELIFState(u, h, s)

    def over_time(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return the spikes of all steps for currents of shape (N, T, C), or None where no kernel computes them.

        They are those of `forward` step by step, bit for bit.
        """
        constants = FloatCELIFConstants(self.decay, self.keep_threshold, self.threshold, self.half_width, self._embed)
        steps, columns, te = x.shape[1], self.encoding.shape[1], self.encoding[: self._n]
        te = te[:, :steps] if steps <= columns else te[:, torch.arange(steps) % columns]
        return over_time(x, select.kernels(x.device).float_celif, constants, te)

"""The matrix that modulates the thresholds of CE-LIF neurons, in training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ...contract.fixed import TE_MAX, TE_MIN
from .rounding import levels, quantize


class TemporalEncoding(nn.Module):
    """The matrix TE that modulates thresholds, shared by all CE-LIF layers of a network.

    A layer of n neurons uses the first n rows. Step t of a sample uses column t; past the last column it wraps.

    Parameters
    ----------
    num_neurons : int
        Rows, the width of the widest CE-LIF layer.
    steps : int
        Columns, usually the length of a sample.
    te_exp : int
        Entries are stored in 8 bits as ``te * 2**-te_exp``; 9 spans -0.25..0.248.
    mean, std : float
        Mean and standard deviation of the normal initial values.

    Attributes
    ----------
    inward : bool
        Whether entries past the end of their register get gradients that bring them back; False, SLAYER's rule, unless
        it is set. See `spikeproof.train.blocks.rounding.quantize`.

    References
    ----------
    arXiv 2308.15150, "temporal encoding"; initial values N(0.01, 0.01) as in the authors' code.
    """

    def __init__(self, num_neurons: int, steps: int, *, te_exp: int = 9, mean: float = 0.01, std: float = 0.01) -> None:
        super().__init__()
        self.te_exp, self.inward = te_exp, False
        self.weight = nn.Parameter(torch.empty(num_neurons, steps).normal_(mean, std))

    @property
    def num_neurons(self) -> int:
        """Number of rows."""
        return self.weight.shape[0]

    @property
    def steps(self) -> int:
        """Number of columns."""
        return self.weight.shape[1]

    @property
    def _levels(self) -> tuple[float, int, int]:
        return 2.0**-self.te_exp, TE_MIN, TE_MAX

    def forward(self, num_neurons: int, steps: int) -> torch.Tensor:
        """Return the quantised encoding of a layer.

        Parameters
        ----------
        num_neurons : int
            Width of the layer, at most the number of rows.
        steps : int
            Number of time steps T.

        Returns
        -------
        Tensor, shape (num_neurons, T)
            Real values, each a whole number of ``2**-te_exp``.
        """
        rows = quantize(self.weight[:num_neurons, :steps], *self._levels, inward=self.inward)
        if steps <= self.steps:
            return rows
        return rows[:, torch.arange(steps, device=rows.device) % self.steps]

    def record(self) -> np.ndarray:
        """Return the integer encoding as the contract wants it, int8 array of shape (steps, num_neurons)."""
        return np.ascontiguousarray(levels(self.weight, *self._levels).to(torch.int8).cpu().numpy().T)

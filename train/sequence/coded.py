"""Layers that hear a positional code beside their input, and a body whose layers do."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from .layer import Layer


class Coded(Layer):
    """CPG-Linear: a `Layer` whose input is spikes and the columns of a code beside them.

    Parameters
    ----------
    n_in, columns, n : int
        Number of input channels, of columns and of output channels.
    """

    def __init__(self, n_in: int, columns: int, n: int) -> None:
        super().__init__(n_in + columns, n)
        self.n_in = n_in

    def forward(self, x: torch.Tensor, code: torch.Tensor | None) -> torch.Tensor:  # type: ignore[override]
        """Return spikes, shape (T_s, N, L, n), for `code` of shape (T_s, 1, L, columns)."""
        weight = self.synapse.weight
        z = functional.linear(x, weight[:, : self.n_in])
        if code is not None:  # the same for all samples, so multiplied once
            z = z + functional.linear(code, weight[:, self.n_in :])
        return self.fire(z)


def layer(n_in: int, n: int, columns: int) -> Layer:
    """Return a layer that hears a code of so many columns, or none of 0."""
    return Coded(n_in, columns, n) if columns else Layer(n_in, n)


class Body(nn.Sequential):
    """Parts one after another, all of which hear a code if there is one."""

    def forward(self, x: torch.Tensor, code: torch.Tensor | None = None) -> torch.Tensor:
        """Return the last part's output, shape (T_s, N, L, D)."""
        for part in self:
            x = part(x) if code is None else part(x, code)
        return x

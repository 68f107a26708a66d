"""Positional encodings: what tells a sequence model where a spike belongs.

All but "none" and "relative" are a table of one row for each position and spike step, whose columns stand beside the
input of the first layer: the CPG-Linear of arXiv 2405.14362, ``Y = SN(BN(W [X || c] + b))``. The models differ in the
table and in nothing else.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import InputError, UnsupportedError
from ...contract.sources.phase import Phase, spikes
from ..cpg.codes import design
from ..cpg.learned import Learned
from .layer import Layer, taps

POSITIONS = ("none", "random", "sinusoid", "relative", "learned", "cpg", "cpg-designed", "cpg-learned")
"""Names of the encodings."""

TABLES = tuple(name for name in POSITIONS if name not in ("none", "relative"))
"""Those that are a table of channels."""

FULL = ("spike-rnn", "spike-tcn", "spikformer")
"""Bodies all of whose layers may hear a table."""

Table = npt.NDArray[np.float32]

_DISTANCES = (4, 2, 1)


class PositionOptions(NamedTuple):
    """Which encoding, and of what size."""

    kind: str = "none"
    """One of `POSITIONS`."""
    channels: int = 40
    """Columns N of a table."""
    w_max: float = 10000.0
    """Longest wavelength of "sinusoid" and "cpg", and of what "cpg-learned" begins with, over 2 pi."""
    seed: int = 0
    """Of the "random" table."""
    full: bool = False
    """Whether the columns stand beside what every layer of the body hears too, and not beside the input alone: both
    layers of each Spikformer block behind its attention, which is how the authors' code names "full"."""
    threshold: float = 0.8
    """Above which a wave of "cpg" sends spikes."""


def table(options: PositionOptions, spike_steps: int, length: int) -> Table:
    """Return a fixed table.

    Parameters
    ----------
    options : PositionOptions
        Kind "random", "sinusoid", "cpg" or "cpg-designed".
    spike_steps, length : int
        Number of spike steps T_s and of positions L.

    Returns
    -------
    ndarray, float32 of shape (T_s * L, N)
        Row ``p = t_s * L + l``, the index of the authors' code, is that of position l in spike step t_s.

        - "cpg": spikes of the published oscillators, ``omega_i = w_max**(-2 i / N)``, whose threshold is 0.8.
        - "sinusoid": their sine and cosine instead of spikes.
        - "cpg-designed": spikes of as many oscillators of which no two rows are equal, see `designed`.
        - "random": -1 or 1, drawn once.

    Raises
    ------
    UnsupportedError
        There are too few channels for codes that are all different.
    """
    rows = spike_steps * length
    if options.kind == "random":
        return np.random.default_rng(options.seed).choice(np.array([-1, 1], np.float32), (rows, options.channels))
    if options.kind == "sinusoid":
        i = np.arange(options.channels)
        angle = np.arange(rows)[:, None] * options.w_max ** (-2 * (i // 2) / options.channels)
        return np.where(i % 2, np.cos(angle), np.sin(angle)).astype(np.float32)
    params = oscillators(options, rows)
    if params is None:
        raise InputError(f"position {options.kind!r} has no fixed table.")
    return spikes(params, np.arange(rows)).astype(np.float32)


def oscillators(options: PositionOptions, rows: int) -> Phase | None:
    """Return the oscillators that make a fixed table of so many rows, or None if none do."""
    if options.kind == "cpg":
        return Phase.from_paper(options.channels, options.w_max, options.threshold)
    return designed(rows, options.channels) if options.kind == "cpg-designed" else None


@functools.lru_cache(maxsize=8)
def designed(rows: int, channels: int) -> Phase:
    """Return `channels` oscillators with the published window whose codes are all different.

    The largest distance of 4, 2 and 1 that fits is designed for; the channels that are left are the fastest published
    ones, which take no distance away. Where even a distance of 1 does not fit, it is a Gray code.

    Raises
    ------
    UnsupportedError
        `channels` bits cannot number `rows` positions.
    """
    attempts = [*(("paper", distance) for distance in _DISTANCES), ("gray", 1)]
    for style, distance in attempts:
        try:
            found = design(rows, channels, distance, style).params
        except UnsupportedError:
            if (style, distance) == attempts[-1]:
                raise
            continue
        break
    more = Phase.from_paper(channels)
    left = slice(channels - found.num_neurons)
    columns = {
        name: np.concatenate([getattr(found, name), np.broadcast_to(getattr(more, name), channels)[left]])
        for name in ("increment", "start", "length", "initial")
    }
    return Phase(num_neurons=channels, period=rows, **columns)


def distinct(table: npt.NDArray[np.generic]) -> int:
    """Return how many different rows a table has: positions that it can tell apart."""
    return len(np.unique(table, axis=0))


class PositionTable(nn.Module):
    """The table of an encoding, fixed or learned; a fixed one counts as no parameter.

    Parameters
    ----------
    options : PositionOptions
        One of `TABLES`.
    spike_steps, length : int
        Number of spike steps and of positions.
    """

    def __init__(self, options: PositionOptions, spike_steps: int, length: int) -> None:
        super().__init__()
        shape = (spike_steps, 1, length, options.channels)
        self.params = oscillators(options, spike_steps * length)
        self.rows: torch.Tensor
        if options.kind == "learned":
            self.rows = nn.Parameter(torch.randn(shape))
        else:
            rows = torch.from_numpy(table(options, spike_steps, length)).view(shape)
            self.register_buffer("rows", rows, persistent=False)

    def forward(self) -> torch.Tensor:
        """Return the table, shape (T_s, 1, L, N)."""
        return self.rows


class LearnedOscillators(nn.Module):
    """The table of oscillators that learn, which begin as the published ones; parameters as of `PositionTable`."""

    def __init__(self, options: PositionOptions, spike_steps: int, length: int) -> None:
        super().__init__()
        self.shape = (spike_steps, 1, length, options.channels)
        self.encoding = Learned(options.channels, spike_steps * length, options.w_max)

    @property
    def params(self) -> Phase:
        """The oscillators as they are now."""
        return self.encoding.params

    @property
    def rows(self) -> torch.Tensor:
        """The table, shape (T_s, 1, L, N), 0 or 1, with gradients."""
        return self.encoding(self.shape[0] * self.shape[2]).T.view(self.shape)

    def forward(self) -> torch.Tensor:
        """Return the table, shape (T_s, 1, L, N)."""
        return self.rows


def columns(options: PositionOptions, spike_steps: int, length: int) -> PositionTable | LearnedOscillators | None:
    """Return what makes the columns of an encoding, or None for one that has none."""
    if options.kind == "cpg-learned":
        return LearnedOscillators(options, spike_steps, length)
    return PositionTable(options, spike_steps, length) if options.kind in TABLES else None


class Relative(nn.Module):
    """The convolutional encoding of Spikformer (arXiv 2209.15425): width 3, norm, LIF, and the input added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = Layer(3 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` with what its neighbours make fire added, shape (T_s, N, L, D)."""
        found: torch.Tensor = x + self.layer(taps(x, 3, ahead=1))
        return found

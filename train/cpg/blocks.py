"""CPG positional encoding for training: spikes of oscillators beside a layer's input.

`Concat` before a dense block is the paper's CPG-Linear: one weight matrix over the input and the oscillators' spikes.
It works for CE-LIF and for stock SLAYER blocks alike. `DrivenEncoding` is the other use: oscillators that make
the temporal encoding of CE-LIF neurons.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from ...contract.errors import InputError, UnsupportedError
from ...contract.fixed import TE_MAX, TE_MIN
from ...contract.sources import Oscillators, raster
from ...contract.sources.coupled import Coupled
from ...contract.sources.driven import Driven
from ...contract.sources.phase import Phase, position
from ..blocks import celif
from ..blocks.rounding import levels, quantize
from .codes import Design, design

__all__ = ["Concat", "Dense", "Design", "DrivenEncoding", "Encoding", "concat", "design", "position"]


class Encoding(nn.Module):
    """Spikes of CPG oscillators, equal to `spikeproof.contract.sources.phase` in every step.

    Step t of a sample carries the code of position p = t. For T_s spike steps of a sequence of L elements flattened
    step by step, the authors' code uses ``p = t_s * L + l``, which is what this gives for the flattened sequence;
    `position` computes it.

    Parameters
    ----------
    num_neurons : int
        Number of channels N: sine and cosine of ``omega_i = w_max**(-2 i / N)`` in turn.
    w_max : float
        Longest wavelength over ``2 pi``.
    threshold : float
        A channel spikes while its sine or cosine is at least this.
    mode : {"phase", "coupled"}
        A phase that advances by a constant, which does not drift; or the paper's pair of coupled neurons.
    params : Phase or Coupled, optional
        Oscillators to use instead, such as ``design(length).params``; the other arguments are then not looked at.

    Raises
    ------
    RecordError
        An argument is out of range.

    References
    ----------
    arXiv 2405.14362, CPG-PE in spike form.
    """

    def __init__(
        self,
        num_neurons: int = 0,
        w_max: float = 10000.0,
        threshold: float = 0.8,
        mode: Literal["phase", "coupled"] = "phase",
        *,
        params: Oscillators | None = None,
    ) -> None:
        super().__init__()
        self._spikes: torch.Tensor
        kinds: dict[str, type[Oscillators]] = {"phase": Phase, "coupled": Coupled}
        if mode not in kinds:
            raise UnsupportedError(f"mode = {mode!r} is unknown; known are {', '.join(kinds)}.")
        self._params: Oscillators = params or kinds[mode].from_paper(num_neurons, w_max, threshold)
        self.register_buffer("_spikes", torch.empty(self._params.num_neurons, 0), persistent=False)

    @property
    def params(self) -> Oscillators:
        """The oscillators' integers."""
        return self._params

    @property
    def num_neurons(self) -> int:
        """Number of channels."""
        return self.params.num_neurons

    def forward(self, steps: int) -> torch.Tensor:
        """Return the spikes of a sample's first `steps` steps, shape (num_neurons, steps), 0 or 1."""
        if self._spikes.shape[1] < steps:
            spikes = torch.as_tensor(raster(self.params, steps).T, dtype=torch.float32)
            self._spikes = spikes.to(self._spikes.device)
        return self._spikes[:, :steps]

    def record(self) -> Oscillators:
        """Return the oscillators' integers."""
        return self.params


def concat(x: torch.Tensor, encoding: Encoding) -> torch.Tensor:
    """Return an input with the oscillators' spikes as further channels.

    Parameters
    ----------
    x : Tensor, shape (N, C, T)
        A layer's input.
    encoding : Encoding
        The oscillators, n channels.

    Returns
    -------
    Tensor, shape (N, C + n, T)
        ``[x || c]``, arXiv 2405.14362.

    Raises
    ------
    InputError
        The input has another number of dimensions: images, say.
    """
    if x.dim() != 3:
        raise InputError(
            f"cpg.concat: an input of shape {tuple(x.shape)} is not (samples, channels, steps). Oscillators stand "
            "beside dense blocks; for a code beside convolutions see docs/cpg.md."
        )
    spikes = encoding(x.shape[-1]).to(x.dtype)
    return torch.cat([x, spikes.expand(len(x), *spikes.shape)], dim=1)


class Concat(nn.Module):
    """`concat` as a module, to stand before a dense block in a network.

    Parameters
    ----------
    encoding : Encoding
        The oscillators, n channels; the block that follows has n more inputs than the one before has neurons.
    """

    leaf = "block"

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``[x || c]``, shape (N, C + n, T)."""
        return concat(x, self.encoding)

    def oscillators(self) -> Oscillators:
        """Return the oscillators' integers."""
        return self.encoding.params


class DrivenEncoding(nn.Module):
    """A temporal encoding of CE-LIF neurons that oscillators drive, in place of `celif.TemporalEncoding`.

    ``te[t] = clip(M c[t])`` with one 8-bit weight a neuron and oscillator: the memory does not grow with the length of
    a sample, and the encoding is defined for any length.

    Parameters
    ----------
    num_neurons : int
        Rows of M, the width of the widest CE-LIF layer.
    encoding : Encoding
        The oscillators.
    te_exp : int
        Entries of M, and the sums, are 8-bit integers of ``2**-te_exp``.
    mean, std : float
        Mean and standard deviation of the initial encoding at a typical step.

    Attributes
    ----------
    inward : bool
        As for `celif.TemporalEncoding`.
    """

    def __init__(
        self, num_neurons: int, encoding: Encoding, *, te_exp: int = 9, mean: float = 0.01, std: float = 0.01
    ) -> None:
        super().__init__()
        self.te_exp, self.inward = te_exp, False
        self.encoding = encoding
        active = max(1.0, encoding(256).sum(0).mean().item())
        weight = torch.empty(num_neurons, encoding.num_neurons).normal_(mean / active, std / active**0.5)
        self.weight = nn.Parameter(weight)

    @property
    def num_neurons(self) -> int:
        """Number of rows."""
        return self.weight.shape[0]

    @property
    def _levels(self) -> tuple[float, int, int]:
        return 2.0**-self.te_exp, TE_MIN, TE_MAX

    def forward(self, num_neurons: int, steps: int) -> torch.Tensor:
        """Return the encoding of a layer's first `num_neurons` neurons, shape (num_neurons, steps), quantised."""
        matrix = quantize(self.weight[:num_neurons], *self._levels, inward=self.inward)
        step, low, high = self._levels
        with torch.autocast(matrix.device.type, enabled=False):  # half precision would round integers
            return (matrix @ self.encoding(steps).to(matrix.dtype)).clamp(low * step, high * step)

    def record(self) -> Driven:
        """Return the oscillators and the integer matrix."""
        return Driven(cpg=self.encoding.params, matrix=levels(self.weight, *self._levels).cpu().numpy())


def Dense(
    neuron_params: dict[str, Any], in_neurons: int, out_neurons: int, *, cpg: Encoding, **keywords: Any
) -> nn.Sequential:
    """Return CPG-Linear with CE-LIF neurons: `Concat` and a `celif.Dense` with the oscillators' inputs beside its own.

    Parameters
    ----------
    neuron_params : dict
        Keywords of `celif.Neuron`.
    in_neurons, out_neurons : int
        Number of inputs without the oscillators, and of neurons.
    cpg : Encoding
        The oscillators.
    **keywords
        Further keywords of `celif.Dense`.
    """
    block = celif.Dense(neuron_params, in_neurons + cpg.num_neurons, out_neurons, **keywords)
    return nn.Sequential(Concat(cpg), block)

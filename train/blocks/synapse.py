"""Dense synapses with 8-bit weights and a bias, exact in floating point.

Axes: N batch, I inputs, O outputs, T time steps.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from ...contract.errors import InputError, UnsupportedError
from ...contract.fixed import (
    BIAS_EXP_MAX,
    BIAS_MANT_MAX,
    BIAS_MANT_MIN,
    FLOAT32_WHOLE,
    WEIGHT_MAX,
    WEIGHT_MIN,
    WEIGHT_STEP,
)
from ...contract.net import Input
from ...contract.synapses import dense as contract
from .rounding import levels, quantize


class Dense(nn.Module):
    """``z = W x + b`` per time step, in SLAYER's units, with the integers of the contract.

    Parameters
    ----------
    in_neurons, out_neurons : int
        Number of inputs I and outputs O.
    scale : int
        Weight units in 1.0, a power of two. Weights span -256/scale..254/scale in steps of 2/scale.
    state_shift : int
        A state register holds ``2**state_shift`` units in one weight unit: 6, or the read-out's ``a_shift``.
    bias : bool
        Whether there is a bias, one an output, added every step.
    bias_exp : int
        The bias is ``bias_mant << bias_exp`` state units with a 13-bit mantissa.
    weight_scale : float
        Factor on the initial weights and biases, which are torch's for ``nn.Linear``.

    Attributes
    ----------
    weight : Parameter, shape (O, I)
        Real weights, quantised in every forward pass; gradients go straight through.
    bias : Parameter of shape (O,), or None
        Real biases, likewise.
    inward : bool
        Whether weights and biases past the end of their register get gradients that bring them back; False, SLAYER's
        rule, unless it is set. See `spikeproof.train.blocks.rounding.quantize`.
    """

    leaf = "synapse"

    def __init__(
        self,
        in_neurons: int,
        out_neurons: int,
        *,
        scale: int = 64,
        state_shift: int = 6,
        bias: bool = True,
        bias_exp: int = 3,
        weight_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if scale < 1 or scale & (scale - 1):
            raise UnsupportedError(f"scale = {scale} is not a power of two; use 64 (SLAYER's), 128, 256 or 512.")
        if not 0 <= bias_exp <= BIAS_EXP_MAX:
            raise UnsupportedError(f"bias_exp = {bias_exp} is outside 0..{BIAS_EXP_MAX}.")
        self.scale, self.state_shift, self.bias_exp = scale, state_shift, bias_exp
        self.inward = False
        bound = weight_scale / math.sqrt(in_neurons)
        self.weight = nn.Parameter(torch.empty(out_neurons, in_neurons).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_neurons).uniform_(-bound, bound)) if bias else None

    @property
    def in_neurons(self) -> int:
        """Number of inputs."""
        return self.weight.shape[1]

    @property
    def out_neurons(self) -> int:
        """Number of outputs."""
        return self.weight.shape[0]

    @property
    def _weight_levels(self) -> tuple[float, int, int]:
        return WEIGHT_STEP / self.scale, WEIGHT_MIN // WEIGHT_STEP, WEIGHT_MAX // WEIGHT_STEP

    @property
    def _bias_levels(self) -> tuple[float, int, int]:
        return 2.0 ** (self.bias_exp - self.state_shift) / self.scale, BIAS_MANT_MIN, BIAS_MANT_MAX

    def forward(
        self, x: torch.Tensor, max_payload: int = 1, more: torch.Tensor | None = None, double: bool = False
    ) -> torch.Tensor:
        """Return the input current of every step.

        Parameters
        ----------
        x : Tensor, shape (N, I, T)
            Spikes, or analog values that are multiples of a power of two.
        max_payload : int
            Largest magnitude of an input in units of that power of two.
        more : Tensor of shape (O,), optional
            What is added to the biases before they are rounded.
        double : bool
            Whether to add up in float64, because what the currents are added to needs more bits than float32 has.

        Returns
        -------
        Tensor, shape (N, O, T)
            Currents in SLAYER's units: float32, or float64 where a sum might not be exact in float32.
        """
        # In half precision the product would round: the contract does not.
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.quantized(max_payload, more, double)
            # One product over all samples and steps, from and to (N, T, C) in memory: the layout of the kernels.
            z = functional.linear(x.to(weight.dtype).transpose(1, 2), weight)
            return (z if bias is None else z + bias).transpose(1, 2)

    def quantized(
        self, max_payload: int = 1, more: torch.Tensor | None = None, double: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return weight and bias as the forward pass uses them, in a dtype in which the product is exact.

        Parameters
        ----------
        max_payload, more, double
            As in `forward`.

        Returns
        -------
        weight : Tensor, shape (O, I)
            Multiples of ``2 / scale``: float32, or float64 where a sum might not be exact in float32.
        bias : Tensor, shape (O,), or None
        """
        exact = self.in_neurons * max_payload * -WEIGHT_MIN < FLOAT32_WHOLE
        dtype = self.weight.dtype if exact and not double else torch.float64
        weight = quantize(self.weight, *self._weight_levels, inward=self.inward).to(dtype)
        if self.bias is None:
            return weight, None
        bias = self.bias if more is None else self.bias + more
        return weight, quantize(bias, *self._bias_levels, inward=self.inward).to(dtype)

    def record(self, weight_exp: int = 0) -> contract.Dense:
        """Return the integer weights, whose sums are shifted by `weight_exp`, as a contract record."""
        weight = levels(self.weight, *self._weight_levels).cpu().numpy() * WEIGHT_STEP
        return contract.Dense(weight=weight, weight_exp=weight_exp)

    def bias_mantissa(self, more: torch.Tensor | None = None) -> object:
        """Return the integer bias mantissas, int64 array of shape (O,), or 0 without a bias; `more` as in `forward`."""
        if self.bias is None:
            return 0
        return levels(self.bias if more is None else self.bias + more, *self._bias_levels).cpu().numpy()


class GradedInput(nn.Module):
    """Analog input as graded spikes: values are rounded to ``payload * 2**exp``.

    Parameters
    ----------
    exp : int
        Exponent of the payload's unit, -6..0 for CE-LIF: -6 makes 64 payload units of 1.0.
    bits : int
        Size of the payload without its sign.
    """

    def __init__(self, exp: int, bits: int = 8) -> None:
        super().__init__()
        self.exp, self.bits = exp, bits
        self.max_payload = Input(num_channels=1, bits=bits, exp=exp).max_payload

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Round `x`, read as float32 as simulations do; values that do not fit are an InputError, never clipped."""
        x = x.to(torch.float32)
        step = 2.0**self.exp
        largest = x.detach().abs().max().item() if x.numel() else 0.0
        if not largest / step < self.max_payload + 0.5:  # written so that nan is refused too
            raise InputError(
                f"Input reaches {largest:g}; payloads of {self.bits} bits in units of 2**{self.exp} hold "
                f"{self.max_payload * step:g}. Rescale the input, or build the layer with more input_bits."
            )
        return quantize(x, step, -self.max_payload, self.max_payload)

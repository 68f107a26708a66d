"""CUBA neurons without a memory in their current, for training: plain LIF neurons, which Lava has itself.

The forward pass is that of `spikeproof.contract.neurons.cuba` with ``u_decay = 4096``, so that the current of a step is
what arrives in it. Gradients pass by the same surrogate, and run on the same kernels, as those of CE-LIF: a CE-LIF
neuron whose temporal encoding is zero is this neuron.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import UnsupportedError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, STATE_MAX, WEIGHT_MIN
from ...contract.neurons import cuba as contract
from ...export.slayer.registers import integers
from ..kernels import select
from ..kernels.api import CELIFConstants, Integers
from . import synapse
from .dense import DenseBlock, neuron_of
from .firing import fired


class Registers(NamedTuple):
    """What neurons held at the end of every step, tensors of shape (N, C, T) in SLAYER's units."""

    s: torch.Tensor
    """Spikes, 0 or 1."""
    u: torch.Tensor
    """Current, without the bias."""
    v: torch.Tensor
    """Membrane, after the reset of a neuron that fired."""


class Neuron(nn.Module):
    """A layer of LIF neurons; the update rule stands at the head of `spikeproof.contract.neurons.cuba`.

    Parameters
    ----------
    threshold : float
        The threshold, kept as ``round(threshold * scale)``.
    voltage_decay : float
        Fraction of the membrane lost a step, 0..1, kept in 12 bits.
    scale : int
        Weight units in 1.0, a power of two; SLAYER's default is 64.
    half_width, scale_grad : float
        Half-width and height of the boxcar surrogate, as for `spikeproof.celif.Neuron`.

    Raises
    ------
    UnsupportedError
        A parameter does not fit its register.
    """

    leaf = "neuron"

    def __init__(
        self,
        *,
        threshold: float = 0.3,
        voltage_decay: float = 0.5,
        scale: int = 64,
        half_width: float = 0.2,
        scale_grad: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= voltage_decay <= 1:
            raise UnsupportedError(f"CUBA voltage_decay = {voltage_decay} is outside 0..1.")
        self.scale = scale
        self.v_decay = round(voltage_decay * DECAY_ONE)
        self.v_th_mant = round(threshold * scale)
        self.half_width = half_width
        self.scale_grad = scale_grad
        self.record(1, a_shift=ACCUMULATOR_SHIFT)  # the contract checks the ranges

    @property
    def unit(self) -> float:
        """One state unit in SLAYER's units."""
        return 1 / (self.scale << ACCUMULATOR_SHIFT)

    def _operands(self, z: torch.Tensor) -> tuple[torch.Tensor, CELIFConstants]:
        """Return the encoding and the constants with which a CE-LIF neuron is this one."""
        channels, steps = z.shape[1:]
        keep = torch.full((channels,), 1 - self.v_decay / DECAY_ONE, dtype=torch.float64, device=z.device)
        threshold = self.v_th_mant / self.scale
        constants = CELIFConstants(keep, torch.zeros_like(keep), threshold, self.unit, self.half_width, self.scale_grad)
        return torch.zeros(channels, steps, device=z.device), constants

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the spikes, shape (N, C, T), for currents of that shape in SLAYER's units."""
        return fired(z, *self._operands(z))

    def registers(self, z: torch.Tensor) -> Registers:
        """Return spikes, currents and membranes at every step, without gradient."""
        found = select.kernels(z.device).celif_scan(z, *self._operands(z))
        return Registers(found.s, z, found.v * (1 - found.s))

    def integers(self, z: torch.Tensor) -> Integers:
        """Return spikes and membranes in the contract's integers, as CE-LIF neurons hold them: before their reset."""
        with torch.no_grad():
            return select.kernels(z.device).celif_integers(z, *self._operands(z))

    def with_synapses(self, synapses: synapse.Dense) -> Dense:
        """Return the block that these neurons make with synapses in front of them; it shares both."""
        return Dense.of_parts(self, synapses)

    def record(self, num_neurons: int, *, a_shift: int, bias_mant: Any = 0, bias_exp: int = 6) -> contract.CUBA:
        """Return the integer parameters of a layer of `num_neurons` neurons."""
        if bias_exp != ACCUMULATOR_SHIFT:
            raise UnsupportedError(
                f"CUBA bias_exp = {bias_exp}: its bias is in whole weight units. Build the block with bias_exp = "
                f"{ACCUMULATOR_SHIFT}, its default."
            )
        return contract.CUBA(
            num_neurons=num_neurons,
            u_decay=DECAY_ONE,
            v_decay=self.v_decay,
            v_th_mant=self.v_th_mant,
            a_shift=a_shift,
            bias_mant=bias_mant,
        )


class Dense(DenseBlock):
    """A dense layer of LIF neurons, SLAYER's ``block.cuba.Dense`` with a ``current_decay`` of 1.

    Parameters
    ----------
    neuron_params : dict
        Keywords of `Neuron`; not modified.
    in_neurons, out_neurons : int
        Number of inputs and of neurons.
    **options
        Keywords of `spikeproof.train.blocks.dense.DenseBlock`: bias, input_exp, input_bits, weight_scale, delay and
        max_delay.

    Raises
    ------
    UnsupportedError
        A parameter does not fit its register, or so many inputs could make the current wrap.
    """

    neuron: Neuron

    def __init__(self, neuron_params: dict[str, Any], in_neurons: int, out_neurons: int, **options: Any) -> None:
        super().__init__(
            neuron_of(Neuron, neuron_params), in_neurons, out_neurons, **{"bias_exp": ACCUMULATOR_SHIFT, **options}
        )
        self.neuron.record(1, a_shift=ACCUMULATOR_SHIFT, bias_exp=self.synapse.bias_exp)
        payload, exp = (1, 0) if self.input is None else (self.input.max_payload, self.input.exp)
        most = in_neurons * payload * -WEIGHT_MIN << ACCUMULATOR_SHIFT + exp
        if most > STATE_MAX:
            raise UnsupportedError(
                f"CUBA: {in_neurons} inputs of up to {payload} add up to {most} state units, and a current of more "
                f"than {STATE_MAX} wraps. Use fewer inputs or input_bits, or CE-LIF neurons, whose sums do not wrap."
            )

    def registers(self, x: torch.Tensor) -> Registers:
        """Return every register at every step for an input of shape (N, I, T), without gradient."""
        with torch.no_grad():
            z = self.current(x)
            _, bias = self.synapse.quantized()
            u = z if bias is None else z - bias.to(z.dtype)[:, None]
            return self.neuron.registers(z)._replace(u=u)

    def integers(self, x: torch.Tensor) -> Mapping[str, npt.NDArray[np.int32]]:
        """Return every spike and register at every step as integers for an input of shape (N, I, T)."""
        with torch.no_grad():
            z = self.current(x)
            _, bias = self.synapse.quantized()
            u = z if bias is None else z - bias.to(z.dtype)[:, None]
            found = self.neuron.integers(z)
        s, v = found.s.cpu().numpy(), found.v.cpu().numpy()
        return {"s": s, "u": integers(u, self.neuron.unit), "v": v * (1 - s)}

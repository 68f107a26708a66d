"""CE-LIF for training: the integer contract forward, surrogate gradients backward.

`Neuron`, `Dense` and `TemporalEncoding` follow SLAYER's habits: tensors are NCT (batch, channel, time), a block
has a ``.synapse`` and a ``.neuron`` and is built from a ``neuron_params`` dict, and blocks of both kinds mix.

Values are in SLAYER's units: one state unit is ``1 / (scale * 64)``. Every register of the forward pass is a
whole number of state units, and equal to the register of `spikeproof.contract.neurons.celif`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ...contract import net
from ...contract.errors import UnsupportedError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ...contract.neurons import celif as contract
from ...export.netx import layers
from ...export.slayer.registers import integers
from ..kernels import select
from ..kernels.reference import Registers
from ..kernels.reference import celif_scan as scan
from . import synapse
from .temporal_encoding import TemporalEncoding as TemporalEncoding

if TYPE_CHECKING:
    from ..cpg import DrivenEncoding  # which imports this module


Variables = Mapping[str, np.ndarray]
"""Spikes and registers as the contract's integers."""


class _Fire(torch.autograd.Function):
    """Spikes of a layer over a whole sequence; the rules stand in `kernels.reference`."""

    @staticmethod
    def forward(ctx: Any, z, te, keep_v, keep_h, threshold, unit, half_width, height):  # type: ignore[no-untyped-def]
        ctx.kernels = select.kernels(z.device)
        spikes, trace = ctx.kernels.celif_forward(z, te, keep_v, keep_h, threshold, unit, half_width)
        ctx.save_for_backward(te, keep_v, keep_h, *trace)
        ctx.scale = unit, height
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        te, keep_v, keep_h, *trace = ctx.saved_tensors
        grads = ctx.kernels.celif_backward(grad, te, keep_v, keep_h, *ctx.scale, trace)
        return *grads, None, None, None, None, None, None


class _DenseFire(torch.autograd.Function):
    """Spikes of a dense layer in one call, on kernels that have one for it."""

    @staticmethod
    def forward(ctx: Any, x, weight, bias, te, keep_v, keep_h, threshold, unit, half_width, height):  # type: ignore[no-untyped-def]
        ctx.kernels = select.kernels(x.device)
        spikes, trace = ctx.kernels.celif_dense_forward(
            x, weight, bias, te, keep_v, keep_h, threshold, unit, half_width
        )
        ctx.save_for_backward(weight, te, keep_v, keep_h, *trace)
        ctx.scale = unit, height
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
        weight, te, keep_v, keep_h, *trace = ctx.saved_tensors
        grad_x, grad_weight, grad_bias, grad_te = ctx.kernels.celif_dense_backward(
            grad, weight, te, keep_v, keep_h, *ctx.scale, trace, ctx.needs_input_grad[0]
        )
        return grad_x, grad_weight, grad_bias if ctx.needs_input_grad[2] else None, grad_te, *(None,) * 6


class Neuron(nn.Module):
    """A layer of CE-LIF neurons; the update rule stands at the head of `spikeproof.contract.neurons.celif`.

    Parameters
    ----------
    temporal_encoding : TemporalEncoding or DrivenEncoding
        The network's shared encoding.
    threshold : float
        Resting threshold theta0, kept as ``round(threshold * scale)``.
    voltage_decay : float
        Fraction of the membrane lost a step, 1 - alpha, kept in 12 bits.
    threshold_decay : float
        Fraction of the threshold adaptation lost a step, 1 - beta, kept in 12 bits.
    scale : int
        Weight units in 1.0, a power of two; SLAYER's default is 64. A larger scale narrows the weights' range to
        +-256/scale and refines weights, threshold and adaptation.
    half_width : float
        Half-width of the boxcar surrogate: gradients flow where ``|v - theta| < half_width``.
    scale_grad : float
        Height of the boxcar.

    Raises
    ------
    UnsupportedError
        A parameter does not fit its register.
    """

    leaf = "neuron"

    def __init__(
        self,
        temporal_encoding: TemporalEncoding | DrivenEncoding,
        *,
        threshold: float = 0.3,
        voltage_decay: float = 0.5,
        threshold_decay: float = 0.01,
        scale: int = 64,
        half_width: float = 0.2,
        scale_grad: float = 1.0,
    ) -> None:
        super().__init__()
        for name, value in (("voltage_decay", voltage_decay), ("threshold_decay", threshold_decay)):
            if not 0 <= value <= 1:
                raise UnsupportedError(f"CE-LIF {name} = {value} is outside 0..1.")
        self.temporal_encoding = temporal_encoding
        self.scale = scale
        self.v_decay = round(voltage_decay * DECAY_ONE)
        self.th_decay = round(threshold_decay * DECAY_ONE)
        self.v_th_mant = round(threshold * scale)
        self.half_width = half_width
        self.scale_grad = scale_grad
        self.shape: torch.Size | None = None
        self.record(1, a_shift=ACCUMULATOR_SHIFT)  # the contract checks the ranges

    @property
    def unit(self) -> float:
        """One state unit in SLAYER's units."""
        return 1 / (self.scale << ACCUMULATOR_SHIFT)

    @property
    def threshold(self) -> float:
        """Resting threshold after rounding."""
        return self.v_th_mant / self.scale

    def _operands(
        self, channels: int, steps: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float, float]:
        if channels > self.temporal_encoding.num_neurons:
            raise UnsupportedError(
                f"A CE-LIF layer of {channels} neurons needs a TemporalEncoding of at least as many rows; "
                f"this one has {self.temporal_encoding.num_neurons}."
            )
        self.shape = torch.Size([channels])
        keep_v, keep_h = (
            torch.full((channels,), 1 - lost / DECAY_ONE, dtype=torch.float64, device=device)
            for lost in (self.v_decay, self.th_decay)
        )
        return self.temporal_encoding(channels, steps), keep_v, keep_h, self.threshold, self.unit

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the spikes.

        Parameters
        ----------
        z : Tensor, shape (N, C, T)
            Input currents in SLAYER's units; rounded to whole state units.

        Returns
        -------
        Tensor, shape (N, C, T)
            0 or 1.
        """
        return _Fire.apply(z, *self._operands(z.shape[1], z.shape[2], z.device), self.half_width, self.scale_grad)

    def with_synapses(self, synapses: synapse.Dense) -> Dense:
        """Return the block that these neurons make with synapses in front of them; it shares both."""
        block = Dense.__new__(Dense)
        nn.Module.__init__(block)
        block.synapse, block.neuron, block.input = synapses, self, None
        return block

    def registers(self, z: torch.Tensor) -> Registers:
        """Return spikes, membrane, adaptation and threshold at every step, without gradient."""
        return scan(z, *self._operands(z.shape[1], z.shape[2], z.device))

    def fire(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the spikes for currents of ``weight @ x + bias`` by kernels that do both in one call.

        Parameters
        ----------
        x : Tensor, shape (N, I, T)
            Inputs, of a dtype in which the sums are exact.
        weight : Tensor, shape (C, I)
            Weights in SLAYER's units.
        bias : Tensor, shape (C,), or None
            Biases in SLAYER's units.

        Returns
        -------
        Tensor, shape (N, C, T)
            0 or 1.
        """
        operands = self._operands(len(weight), x.shape[-1], x.device)
        return _DenseFire.apply(x, weight, bias, *operands, self.half_width, self.scale_grad)

    def record(self, num_neurons: int, *, a_shift: int, bias_mant: Any = 0, bias_exp: int = 0) -> contract.CELIF:
        """Return the integer parameters of a layer of `num_neurons` neurons."""
        return contract.CELIF(
            num_neurons=num_neurons,
            v_decay=self.v_decay,
            th_decay=self.th_decay,
            v_th_mant=self.v_th_mant,
            te_exp=self.temporal_encoding.te_exp,
            a_shift=a_shift,
            bias_mant=bias_mant,
            bias_exp=bias_exp,
        )


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Say whether a module is exactly of a kind and nobody listens to it or changes what it does.

    Only then may kernels do its work in another place: hooks and parametrizations must see it called.
    """
    listeners = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return type(module) is kind and not any(listeners)


class Dense(nn.Module):
    """A dense layer of CE-LIF neurons, SLAYER's ``block.cuba.Dense`` with another neuron.

    A block's output is in its own local time, so it has no ``delay_shift``; that of stock SLAYER blocks beside
    it may be on or off.

    Parameters
    ----------
    neuron_params : dict
        Keywords of `Neuron`; not modified.
    in_neurons, out_neurons : int
        Number of inputs and of neurons.
    temporal_encoding : TemporalEncoding or DrivenEncoding
        The network's shared encoding, the same object for every layer.
    bias : bool
        Whether neurons have a bias current.
    bias_exp : int
        The bias is ``bias_mant << bias_exp`` state units with a 13-bit mantissa.
    input_exp : int or None
        For a first layer with analog input: values travel as graded spikes of ``round(x * 2**-input_exp)``,
        -6..0. None if the inputs are spikes.
    input_bits : int
        Size of that payload without its sign.
    weight_scale : float
        Factor on the initial weights and biases, which are torch's for ``nn.Linear``.

    Raises
    ------
    UnsupportedError
        A parameter does not fit its register.
    """

    leaf = "block"

    def __init__(
        self,
        neuron_params: dict[str, Any],
        in_neurons: int,
        out_neurons: int,
        *,
        temporal_encoding: TemporalEncoding | DrivenEncoding,
        bias: bool = True,
        bias_exp: int = 3,
        input_exp: int | None = None,
        input_bits: int = 8,
        weight_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if input_exp is not None and not -ACCUMULATOR_SHIFT <= input_exp <= 0:
            raise UnsupportedError(
                f"input_exp = {input_exp} is outside {-ACCUMULATOR_SHIFT}..0: a state has {ACCUMULATOR_SHIFT} bits "
                "below a weight unit, and a finer input would be lost in the sum."
            )
        self.neuron = Neuron(temporal_encoding, **neuron_params)
        self.synapse = synapse.Dense(
            in_neurons,
            out_neurons,
            scale=self.neuron.scale,
            state_shift=ACCUMULATOR_SHIFT,
            bias=bias,
            bias_exp=bias_exp,
            weight_scale=weight_scale,
        )
        self.input = None if input_exp is None else synapse.GradedInput(input_exp, input_bits)

    @property
    def shape(self) -> torch.Size:
        """Shape of the block's output without batch and time."""
        return torch.Size([self.synapse.out_neurons])

    def _payload(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        return (x, 1) if self.input is None else (self.input(x), self.input.max_payload)

    def current(self, x: torch.Tensor) -> torch.Tensor:
        """Return the neurons' input current, shape (N, C, T), for an input of shape (N, I, T)."""
        return self.synapse(*self._payload(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the spikes, shape (N, C, T), for an input of shape (N, I, T)."""
        fused = hasattr(select.kernels(x.device), "celif_dense_forward")
        if fused and is_plain(self.synapse, synapse.Dense) and is_plain(self.neuron, Neuron):
            x, max_payload = self._payload(x)
            weight, bias = self.synapse.quantized(max_payload)
            return self.neuron.fire(x.to(weight.dtype), weight, bias)
        return self.neuron(self.current(x))

    def registers(self, x: torch.Tensor) -> Registers:
        """Return every register at every step for an input of shape (N, I, T), without gradient."""
        with torch.no_grad():
            return self.neuron.registers(self.current(x))

    def variables(self, x: torch.Tensor, output: torch.Tensor, *, registers: bool = True) -> Variables:
        """Return the block's spikes and registers as integers, see `spikeproof.export.parts.protocol.OwnBlock`."""
        if not registers:
            return {"s": integers(output, 1.0)}
        found = self.registers(x)
        states = {name: integers(getattr(found, name), self.neuron.unit) for name in ("v", "h", "theta")}
        return {"s": integers(found.s, 1.0), **states}

    def played(self, variables: Variables, steps: int) -> torch.Tensor:
        """Return the spikes that the forward pass returns if its neurons did `variables`."""
        return torch.as_tensor(variables["s"]).to(torch.float32)

    def record(self, name: str) -> net.Layer:
        """Return the layer's integers as a contract record."""
        exp = 0 if self.input is None else self.input.exp
        return net.Layer(
            name=name,
            synapse=self.synapse.record(),
            neuron=self.neuron.record(
                self.synapse.out_neurons,
                a_shift=ACCUMULATOR_SHIFT + exp,
                bias_mant=self.synapse.bias_mantissa(),
                bias_exp=self.synapse.bias_exp,
            ),
            scale=self.neuron.scale,
        )

    def input_record(self) -> net.Input:
        """Return what the block takes as a network's first layer."""
        if self.input is None:
            return net.Input(num_channels=self.synapse.in_neurons)
        return net.Input(num_channels=self.synapse.in_neurons, bits=self.input.bits, exp=self.input.exp)

    def export_hdf5(self, handle: h5py.Group) -> None:
        """Write the layer into an HDF5 group, as SLAYER's blocks do; the encoding is the network's to write."""
        layers.write(handle, self.record("celif"))

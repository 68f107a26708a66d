"""CE-LIF for training: the integer contract forward, surrogate gradients backward.

`Neuron`, `Dense` and `TemporalEncoding` follow SLAYER's habits: tensors are NCT (batch, channel, time), a block
has a ``.synapse`` and a ``.neuron`` and is built from a ``neuron_params`` dict, and blocks of both kinds mix.

Values are in SLAYER's units: one state unit is ``1 / (scale * 64)``. Every register of the forward pass is a
whole number of state units, and equal to the register of `spikeproof.contract.neurons.celif`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import UnsupportedError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ...contract.neurons import celif as contract
from ..kernels import select
from ..kernels.api import CELIFConstants, CELIFDense, Integers, Registers
from . import synapse
from .delays import Delay, SynapseDelays
from .dense import DenseBlock, neuron_of
from .firing import DenseFire, RecurrentFire, fired
from .temporal_encoding import TemporalEncoding as TemporalEncoding

if TYPE_CHECKING:
    from ..cpg import DrivenEncoding  # which imports this module


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

    def check_encoding(self, channels: int) -> None:
        """Refuse an encoding of fewer than `channels` neurons."""
        if channels > self.temporal_encoding.num_neurons:
            raise UnsupportedError(
                f"A CE-LIF layer of {channels} neurons needs a TemporalEncoding of at least as many rows; "
                f"this one has {self.temporal_encoding.num_neurons}."
            )

    def _encoding(self, channels: int, steps: int) -> torch.Tensor:
        """Return the encoding of a layer of `channels` neurons over `steps` steps."""
        self.check_encoding(channels)
        self.shape = torch.Size([channels])
        return self.temporal_encoding(channels, steps)

    def _constants(self, channels: int, device: torch.device) -> CELIFConstants:
        keep_v, keep_h = (
            torch.full((channels,), 1 - lost / DECAY_ONE, dtype=torch.float64, device=device)
            for lost in (self.v_decay, self.th_decay)
        )
        return CELIFConstants(keep_v, keep_h, self.threshold, self.unit, self.half_width, self.scale_grad)

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
        return fired(z, self._encoding(*z.shape[1:]), self._constants(z.shape[1], z.device))

    def fire_again(self, z: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return the spikes where each step's current is that of `z` and ``weight @ s`` of the spikes before.

        Parameters
        ----------
        z : Tensor, shape (N, C, T)
            Input currents in SLAYER's units.
        weight : Tensor, shape (C, C)
            Weights of the feedback in SLAYER's units.

        Returns
        -------
        Tensor, shape (N, C, T)
            0 or 1.
        """
        te, constants = self._encoding(*z.shape[1:]), self._constants(z.shape[1], z.device)
        spikes: torch.Tensor = RecurrentFire.apply(z, te, weight, constants)
        return spikes

    def with_synapses(self, synapses: synapse.Dense) -> Dense:
        """Return the block that these neurons make with synapses in front of them; it shares both."""
        return Dense.of_parts(self, synapses)

    def registers(self, z: torch.Tensor) -> Registers:
        """Return spikes, membrane, adaptation and threshold at every step, without gradient."""
        te, constants = self._encoding(*z.shape[1:]), self._constants(z.shape[1], z.device)
        return select.kernels(z.device).celif_scan(z, te, constants)

    def integers(self, z: torch.Tensor) -> Integers:
        """Return what `registers` does in the contract's integers."""
        te, constants = self._encoding(*z.shape[1:]), self._constants(z.shape[1], z.device)
        with torch.no_grad():
            return select.kernels(z.device).celif_integers(z, te, constants)

    def fire(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        kernels: CELIFDense,
        feedback: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the spikes for currents of ``weight @ x + bias`` by kernels that do both in one call.

        Parameters
        ----------
        x : Tensor, shape (N, I, T)
            Inputs, of a dtype in which the sums are exact.
        weight : Tensor, shape (C, I)
            Weights in SLAYER's units.
        bias : Tensor, shape (C,), or None
            Biases in SLAYER's units.
        kernels : CELIFDense
            The kernels, for the device of `x`.
        feedback : Tensor, shape (C, C), optional
            As the weight of `fire_again`.

        Returns
        -------
        Tensor, shape (N, C, T)
            0 or 1.
        """
        te, constants = self._encoding(len(weight), x.shape[-1]), self._constants(len(weight), x.device)
        return DenseFire.apply(x, weight, bias, feedback, te, kernels, constants)

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


class Dense(DenseBlock):
    """A dense layer of CE-LIF neurons, SLAYER's ``block.cuba.Dense`` with another neuron.

    Parameters
    ----------
    neuron_params : dict
        Keywords of `Neuron`; not modified.
    in_neurons, out_neurons : int
        Number of inputs and of neurons.
    temporal_encoding : TemporalEncoding or DrivenEncoding
        The network's shared encoding, the same object for every layer.
    bias, bias_exp, input_exp, input_bits, weight_scale, delay, max_delay
        As for `spikeproof.train.blocks.dense.DenseBlock`.

    Raises
    ------
    UnsupportedError
        A parameter does not fit its register.
    """

    neuron: Neuron

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
        delay: Delay = None,
        max_delay: int = 20,
    ) -> None:
        neuron = neuron_of(Neuron, neuron_params, temporal_encoding)
        neuron.check_encoding(out_neurons)
        super().__init__(
            neuron,
            in_neurons,
            out_neurons,
            bias=bias,
            bias_exp=bias_exp,
            input_exp=input_exp,
            input_bits=input_bits,
            weight_scale=weight_scale,
            delay=delay,
            max_delay=max_delay,
        )

    def fired(self, x: torch.Tensor) -> torch.Tensor:
        """Return the spikes as neurons send them, shape (N, C, T), for an input of shape (N, I, T)."""
        kernels = select.kernels(x.device).celif_dense
        plain = is_plain(self.synapse, synapse.Dense) and is_plain(self.neuron, Neuron)
        if kernels is None or not plain or isinstance(self.delays, SynapseDelays):
            return self._fired_by_currents(x)
        x, max_payload = self._payload(x)
        weight, bias = self.synapse.quantized(max_payload, self._more_bias)
        back = None if self.feedback is None else self.feedback.quantized()[0].to(weight.dtype)
        return self.neuron.fire(x.to(weight.dtype), weight, bias, kernels, back)

    def _fired_by_currents(self, x: torch.Tensor) -> torch.Tensor:
        """Do as `fired`, where synapses and neurons work one after the other."""
        return super().fired(x)

    def integers(self, x: torch.Tensor) -> Mapping[str, npt.NDArray[np.int32]]:
        """Return every spike and register at every step as integers for an input of shape (N, I, T)."""
        with torch.no_grad():
            found = self.neuron.integers(self.current(x))
        return {name: register.cpu().numpy() for name, register in found._asdict().items()}


class Recurrent(Dense):
    """A dense layer of CE-LIF neurons whose spikes come back to all of them a step later.

    The current of step t is ``W x[t] + b + R s[t-1] + c``, where s are the spikes of the layer, which no delay holds
    up on this way. There is one register for a bias, so ``b + c`` is rounded, not each. Analog input is added up in
    finer units than spikes: a weight exponent of ``-input_exp`` brings what comes back to them. Parameters and errors
    are those of `Dense`; there are ``out_neurons * (out_neurons + 1)`` more numbers to learn.

    References
    ----------
    arXiv 2308.15150: "recurrent" networks, with a bias on the way back too.
    """

    feedback: synapse.Dense

    def __init__(self, neuron_params: dict[str, Any], in_neurons: int, out_neurons: int, **options: Any) -> None:
        super().__init__(neuron_params, in_neurons, out_neurons, **options)
        own = self.synapse
        self.feedback = synapse.Dense(
            out_neurons,
            out_neurons,
            scale=own.scale,
            state_shift=own.state_shift,
            bias=own.bias is not None,
            bias_exp=own.bias_exp,
            weight_scale=options.get("weight_scale", 1.0),
        )

    def _fired_by_currents(self, x: torch.Tensor) -> torch.Tensor:
        """Do as `fired`, where synapses and neurons work one after the other."""
        z, (back, _) = self.current(x), self.feedback.quantized()
        with torch.autocast(z.device.type, enabled=False):
            return self.neuron.fire_again(z, back.to(z.dtype))

    def _with_feedback(self, x: torch.Tensor) -> torch.Tensor:
        """Return the whole current of each step, what came back among it."""
        z = self.current(x)
        weight, _ = self.feedback.quantized()
        spikes = self.neuron.fire_again(z, weight.to(z.dtype))
        before = torch.nn.functional.pad(spikes, (1, 0))[..., :-1]
        return z + torch.einsum("cj,njt->nct", weight.to(z.dtype), before)

    def registers(self, x: torch.Tensor) -> Registers:
        """Return every register at every step for an input of shape (N, I, T), without gradient."""
        with torch.no_grad():
            return self.neuron.registers(self._with_feedback(x))

    def integers(self, x: torch.Tensor) -> Mapping[str, npt.NDArray[np.int32]]:
        """Return every spike and register at every step as integers for an input of shape (N, I, T)."""
        with torch.no_grad():
            found = self.neuron.integers(self._with_feedback(x))
        return {name: register.cpu().numpy() for name, register in found._asdict().items()}

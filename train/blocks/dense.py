"""A dense layer of trainable neurons of any kind: 8-bit synapses, neurons, and the record of both.

`spikeproof.celif.Dense` is one. A kind of neuron becomes trainable by a module that fits `TrainableNeuron`; the block
around it, its export and its proof are the same for all kinds.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Protocol

import h5py
import numpy as np
import torch
from torch import nn

from ...contract import net
from ...contract.errors import InputError, UnsupportedError
from ...contract.fixed import ACCUMULATOR_SHIFT, FLOAT32_WHOLE
from ...contract.neurons import Neuron
from ...contract.synapses.axon import Axon
from ...export.netx import layers
from ...export.slayer.registers import integers
from . import delays, synapse

Variables = Mapping[str, np.ndarray]
"""Spikes and registers as the contract's integers."""


class TrainableNeuron(Protocol):
    """What `DenseBlock` asks of its neurons, which are a ``torch.nn.Module``.

    Values are in SLAYER's units. Every register is a whole number of state units, and equal to the register of the
    kind's contract.
    """

    scale: int
    """Weight units in 1.0, a power of two."""

    @property
    def unit(self) -> float:
        """One state unit, ``1 / (scale * 64)``."""

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        """Return the spikes, shape (N, C, T), for currents of shape (N, C, T); gradients pass by a surrogate."""

    def registers(self, z: torch.Tensor) -> Any:
        """Return a named tuple of the spikes ``s`` and of every register that is traced, without gradient."""

    def record(self, num_neurons: int, *, a_shift: int, bias_mant: Any = 0, bias_exp: int = 0) -> Neuron:
        """Return the integer parameters of a layer of `num_neurons` neurons."""


def neuron_of(kind: type[Any], params: Mapping[str, Any], *first: Any) -> Any:
    """Return neurons of a kind, made with a dictionary of keywords; an unknown one is an InputError."""
    known = [name for name, one in inspect.signature(kind).parameters.items() if one.kind is one.KEYWORD_ONLY]
    unknown = [name for name in params if name not in known]
    if unknown:
        name = kind.__module__.rpartition(".")[2]
        raise InputError(
            f"{name}.Neuron has no parameter {unknown[0]!r}. Known are {', '.join(known)}. The dictionaries of "
            "SLAYER's blocks have other names."
        )
    return kind(*first, **params)


class DenseBlock(nn.Module):
    """A dense layer of neurons with a record of its own, see `spikeproof.export.parts.protocol.OwnBlock`.

    A block's output is in its own local time, so it has no ``delay_shift``; that of stock SLAYER blocks beside
    it may be on or off.

    Parameters
    ----------
    neuron : TrainableNeuron
        The neurons.
    in_neurons, out_neurons : int
        Number of inputs and of neurons.
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
    delay : {"axon", "synapse"}, True or None
        Delays that learn: one a neuron on what it sends ("axon" or True), or one for each of the block's own synapses;
        see `spikeproof.train.blocks.delays`.
    max_delay : int
        The longest of them in steps: 1..63 of what neurons send, 1..1023 of synapses.

    Raises
    ------
    UnsupportedError
        A parameter does not fit its register.
    """

    leaf = "block"

    feedback: synapse.Dense | None
    """Synapses by which a recurrent block's spikes come back to its neurons a step later."""

    def __init__(
        self,
        neuron: Any,
        in_neurons: int,
        out_neurons: int,
        *,
        bias: bool = True,
        bias_exp: int = 3,
        input_exp: int | None = None,
        input_bits: int = 8,
        weight_scale: float = 1.0,
        delay: delays.Delay = None,
        max_delay: int = 20,
    ) -> None:
        super().__init__()
        if input_exp is not None and not -ACCUMULATOR_SHIFT <= input_exp <= 0:
            raise UnsupportedError(
                f"input_exp = {input_exp} is outside {-ACCUMULATOR_SHIFT}..0: a state has {ACCUMULATOR_SHIFT} bits "
                "below a weight unit, and a finer input would be lost in the sum."
            )
        self.neuron, self.feedback = neuron, None
        self.synapse = synapse.Dense(
            in_neurons,
            out_neurons,
            scale=neuron.scale,
            state_shift=ACCUMULATOR_SHIFT,
            bias=bias,
            bias_exp=bias_exp,
            weight_scale=weight_scale,
        )
        self.input = None if input_exp is None else synapse.GradedInput(input_exp, input_bits)
        self.delays = delays.made(delay, max_delay, in_neurons, out_neurons)

    @classmethod
    def of_parts(cls, neuron: Any, synapses: synapse.Dense) -> Any:
        """Return the block that neurons make with synapses in front of them; it shares both."""
        block = cls.__new__(cls)
        nn.Module.__init__(block)
        block.synapse, block.neuron, block.input, block.delays = synapses, neuron, None, None
        block.feedback = None
        return block

    @property
    def shape(self) -> torch.Size:
        """Shape of the block's output without batch and time."""
        return torch.Size([self.synapse.out_neurons])

    def _payload(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        return (x, 1) if self.input is None else (self.input(x), self.input.max_payload)

    def current(self, x: torch.Tensor) -> torch.Tensor:
        """Return the neurons' input current, shape (N, C, T), for an input of shape (N, I, T)."""
        x, max_payload = self._payload(x)
        sums = max_payload, self._more_bias, self._cancels(max_payload)
        if isinstance(self.delays, delays.SynapseDelays):
            found: torch.Tensor = self.delays(x, *self.synapse.quantized(*sums))
            return found
        return self.synapse(x, *sums)

    @property
    def _more_bias(self) -> torch.Tensor | None:
        """The biases of the feedback, which are rounded together with the synapses' own."""
        return None if self.feedback is None else self.feedback.bias

    def _cancels(self, max_payload: int) -> bool:
        """Say whether what comes back may make a current small that has more bits than float32.

        Without feedback it cannot: a current beyond those bits takes the membrane to its end, rounded or not.
        """
        if self.feedback is None:
            return False
        with torch.no_grad():
            weight, bias = self.synapse.quantized(max_payload, self._more_bias, double=True)
            back, _ = self.feedback.quantized(double=True)
            largest = weight.abs().sum(1) * (max_payload * 2.0 ** (0 if self.input is None else self.input.exp))
            largest += back.abs().sum(1) + (0 if bias is None else bias.abs())
            return bool(largest.max() >= FLOAT32_WHOLE * self.neuron.unit)

    def fired(self, x: torch.Tensor) -> torch.Tensor:
        """Return the spikes as neurons send them, shape (N, C, T), for an input of shape (N, I, T)."""
        return self.neuron(self.current(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the spikes as they arrive behind the block, shape (N, C, T), for an input of shape (N, I, T)."""
        return self._sent(self.fired(x))

    def _sent(self, s: torch.Tensor) -> torch.Tensor:
        return self.delays(s) if isinstance(self.delays, delays.AxonDelays) else s

    def registers(self, x: torch.Tensor) -> Any:
        """Return every register at every step for an input of shape (N, I, T), without gradient."""
        with torch.no_grad():
            return self.neuron.registers(self.current(x))

    def variables(self, x: torch.Tensor, output: torch.Tensor, *, registers: bool = True) -> Variables:
        """Return the block's spikes and registers as integers, see `spikeproof.export.parts.protocol.OwnBlock`."""
        if not registers and not isinstance(self.delays, delays.AxonDelays):
            return {"s": integers(output, 1.0)}
        return self.integers(x)

    def integers(self, x: torch.Tensor) -> Variables:
        """Return every spike and register at every step as integers for an input of shape (N, I, T)."""
        found = self.registers(x)
        names = type(self.neuron.record(1, a_shift=ACCUMULATOR_SHIFT)).registers
        return {"s": integers(found.s, 1.0)} | {
            name: integers(getattr(found, name), self.neuron.unit) for name in names
        }

    def played(self, variables: Variables, steps: int) -> torch.Tensor:
        """Return the spikes that the forward pass returns if its neurons did `variables`."""
        with torch.no_grad():
            device = self.synapse.weight.device
            return self._sent(torch.as_tensor(variables["s"]).to(device=device, dtype=torch.float32))

    def record(self, name: str) -> net.Layer:
        """Return the layer's integers as a contract record."""
        exp = 0 if self.input is None else self.input.exp
        of_axons = isinstance(self.delays, delays.AxonDelays) and self.delays.record()
        return net.Layer(
            name=name,
            synapse=self.synapse.record(),
            neuron=self.neuron.record(
                self.synapse.out_neurons,
                a_shift=ACCUMULATOR_SHIFT + exp,
                bias_mant=self.synapse.bias_mantissa(self._more_bias),
                bias_exp=self.synapse.bias_exp,
            ),
            scale=self.neuron.scale,
            axon=Axon(delay=of_axons) if np.any(of_axons) else None,
            # The sums are in units of the payload, and a spike that comes back is 1.0.
            feedback=None if self.feedback is None else self.feedback.record(weight_exp=-exp),
            delay=self.delays.record() if isinstance(self.delays, delays.SynapseDelays) else 0,
        )

    def input_record(self) -> net.Input:
        """Return what the block takes as a network's first layer."""
        if self.input is None:
            return net.Input(num_channels=self.synapse.in_neurons)
        return net.Input(num_channels=self.synapse.in_neurons, bits=self.input.bits, exp=self.input.exp)

    def export_hdf5(self, handle: h5py.Group) -> None:
        """Write the layer into an HDF5 group, as SLAYER's blocks do; an encoding is the network's to write."""
        layers.write(handle, self.record("dense"))

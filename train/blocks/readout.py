"""A linear read-out, averaged over time or read step by step; see `spikeproof.contract.neurons.readout`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from ...contract import net
from ...contract.errors import UnsupportedError
from ...contract.fixed import DECAY_ONE, STATE_MAX
from ...contract.neurons import readout as contract
from ...export.netx import layers
from ...export.slayer.registers import integers
from ..kernels import select
from . import synapse

Read = Literal["mean", "last", "every"]
"""What a read-out answers with: its time average, its output after the last step, or its output in every step."""


class _Count(torch.autograd.Function):
    """Sum over time in float64, and the smallest value."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> tuple[torch.Tensor, float]:
        ctx.shape, ctx.dtype = x.shape, x.dtype
        return select.kernels(x.device).count(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, _: Any) -> torch.Tensor:
        return grad.to(ctx.dtype).unsqueeze(-1).expand(ctx.shape)


class Readout(nn.Module):
    """A linear layer on spikes: averaged over the time steps of a sample, or read in the last or in every step.

    Parameters
    ----------
    in_neurons, out_neurons : int
        Number of inputs and of classes.
    scale : int
        Weight units in 1.0, a power of two; weights span -256/scale..254/scale.
    bias : bool
        Whether there is a bias, added every step.
    a_shift : int
        Bits of the register below a weight unit. 0 leaves most room; the bias's resolution is
        ``2**-a_shift / scale``.
    weight_scale : float
        Factor on the initial weights and biases, which are torch's for ``nn.Linear``.
    read : {"mean", "last", "every"}
        What `forward` returns: the output averaged over time, from a register that accumulates; or the output after
        the last step or in every step, from a register that remembers nothing.

    Raises
    ------
    UnsupportedError
        A parameter does not fit its register, or `read` is unknown.
    """

    leaf = "block"

    def __init__(
        self,
        in_neurons: int,
        out_neurons: int,
        *,
        scale: int = 64,
        bias: bool = True,
        a_shift: int = 0,
        weight_scale: float = 1.0,
        read: Read = "mean",
    ) -> None:
        super().__init__()
        if read not in get_args(Read):
            raise UnsupportedError(f"read = {read!r} is unknown; choose {', '.join(get_args(Read))}.")
        self.read = read
        contract.Readout(num_neurons=out_neurons, a_shift=a_shift)  # the contract checks the ranges
        self.a_shift = a_shift
        self.synapse = synapse.Dense(
            in_neurons,
            out_neurons,
            scale=scale,
            state_shift=a_shift,
            bias=bias,
            bias_exp=0,
            weight_scale=weight_scale,
        )

    @property
    def scale(self) -> int:
        """Weight units in 1.0."""
        return self.synapse.scale

    @property
    def unit(self) -> float:
        """One register unit in SLAYER's units."""
        return 1 / (self.scale << self.a_shift)

    @property
    def shape(self) -> torch.Size:
        """Shape of the output without the batch."""
        return torch.Size([self.synapse.out_neurons])

    def registers(self, x: torch.Tensor) -> torch.Tensor:
        """Return the register at every step, float64 of shape (N, C, T) in SLAYER's units, without gradient."""
        with torch.no_grad():
            return self._accumulate(self.synapse(x).to(torch.float64)) if self.read == "mean" else self._instant(x)

    def variables(
        self, x: torch.Tensor, output: torch.Tensor, *, registers: bool = True
    ) -> Mapping[str, npt.NDArray[np.int32]]:
        """Return the register as integers, see `spikeproof.export.parts.protocol.OwnBlock`."""
        if registers or self.read != "mean":
            return {"v": integers(self.registers(x), self.unit)}
        return {"v": integers(self.final(x)[..., None], self.unit)}

    def played(self, variables: Mapping[str, npt.NDArray[np.int32]], steps: int) -> torch.Tensor:
        """Return what `forward` makes of the register's values in `steps` steps, or of the last one."""
        found = torch.as_tensor(variables["v"]).to(torch.float64) * self.unit
        if self.read != "every":
            found = found[..., -1]
        return (found / steps if self.read == "mean" else found).to(self.synapse.weight.dtype)

    def answers(self, registers: torch.Tensor) -> torch.Tensor:
        """Return what `forward` makes of the register's values in every step, float64 of shape (N, C, T)."""
        found = registers if self.read == "every" else registers[..., -1]
        found = found / registers.shape[-1] if self.read == "mean" else found
        return found.to(self.synapse.weight.dtype)

    @property
    def on_host(self) -> str:
        """What `forward` does that no register does, in words."""
        return "divide the read-out's sum by the steps" if self.read == "mean" else ""

    def input_record(self) -> net.Input:
        """Return what the read-out takes as a network's only layer."""
        return net.Input(num_channels=self.synapse.in_neurons)

    def _instant(self, x: torch.Tensor) -> torch.Tensor:
        """Return the register that remembers nothing; gradients pass straight through a saturation."""
        limit = STATE_MAX * self.unit
        z = self.synapse(x).to(torch.float64)
        return z + (z.clamp(-limit, limit) - z).detach()

    def _accumulate(self, z: torch.Tensor) -> torch.Tensor:
        limit = STATE_MAX * self.unit
        v = z.cumsum(-1)  # exact: whole numbers of units, far below float64's 53 bits
        if v.numel() and v.abs().max() > limit:
            register = torch.zeros_like(z[..., 0])
            steps = []
            for z_t in z.unbind(-1):
                register = (register + z_t).clamp(-limit, limit)
                steps.append(register)
            v = torch.stack(steps, dim=-1)
        return v

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output.

        Parameters
        ----------
        x : Tensor, shape (N, I, T)
            Spikes.

        Returns
        -------
        Tensor, shape (N, C), or (N, C, T) to be read in every step
            In SLAYER's units. Averaged over time it is the register after the last step divided by T, and gradients
            are those of the mean; they pass straight through a saturation.
        """
        if self.read == "every":
            return self._instant(x).to(self.synapse.weight.dtype)
        found = self.final(x)
        return (found / x.shape[-1] if self.read == "mean" else found).to(self.synapse.weight.dtype)

    def final(self, x: torch.Tensor) -> torch.Tensor:
        """Return the register after the last step, float64 of shape (N, C) in SLAYER's units."""
        if self.read != "mean":
            return self._instant(x[..., -1:])[..., 0]
        steps = x.shape[-1]
        weight, bias = self.synapse.quantized()
        weight, bias = weight.to(torch.float64), None if bias is None else bias.to(torch.float64)
        count, lowest = _Count.apply(x)  # the sum over time first: then the product is a T-th of the work
        register = functional.linear(count, weight, None if bias is None else steps * bias)
        if lowest < 0 or not self._fits(steps, count.detach(), weight.detach(), bias):
            register = register + (self.registers(x)[..., -1] - register).detach()
        return register

    def _fits(self, steps: int, count: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> bool:
        """Say whether the register cannot have saturated, by a bound that holds at every step of spikes."""
        if not count.numel():
            return True
        largest = functional.linear(count, weight.abs()).max().item()
        if bias is not None:
            largest += steps * bias.abs().max().item()
        return largest <= STATE_MAX * self.unit

    def record(self, name: str) -> net.Layer:
        """Return the read-out's integers as a contract record."""
        return net.Layer(
            name=name,
            synapse=self.synapse.record(),
            neuron=contract.Readout(
                num_neurons=self.synapse.out_neurons,
                a_shift=self.a_shift,
                bias_mant=self.synapse.bias_mantissa(),
                v_decay=0 if self.read == "mean" else DECAY_ONE,
            ),
            scale=self.scale,
        )

    def export_hdf5(self, handle: h5py.Group) -> None:
        """Write the read-out into an HDF5 group, as SLAYER's blocks do."""
        layers.write(handle, self.record("readout"))

"""Lava's sigma-delta neuron, given the exact integers and a reset; see `spikeproof.contract.neurons.sigma_delta`.

Lava's own process makes the registers' threshold of SLAYER's mantissa, which a learned threshold or one of 0 has not,
and has no reset. This one takes the integer, and its model is Lava's own with a reset before a sample's first step.
"""

from __future__ import annotations

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.proc.sdn.process import ActivationMode

from spikeproof.contract.neurons.sigma_delta import SigmaDelta as Params


class SigmaDelta(AbstractProcess):
    """A layer of sigma-delta ReLU units.

    Parameters
    ----------
    params : spikeproof.contract.neurons.sigma_delta.SigmaDelta
        Integer parameters of the layer of n neurons, with a ``state_exp`` of at least 0.
    latency : int
        Steps by which the layer works behind the network's input.
    period : int
        Length of a sample in steps; the layer is reset when one begins.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    a_in : InPort, shape (n,)
        Dendritic sums.
    s_out : OutPort, shape (n,)
        Payloads.
    sigma, act, residue : Var, shape (n,)
        The registers.
    """

    def __init__(self, *, params: Params, latency: int, period: int, name: str | None = None) -> None:
        super().__init__(latency=latency, period=period, act_mode=ActivationMode.RELU, name=name)
        shape = (params.num_neurons,)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.vth = Var(shape=shape, init=params.v_th)
        self.bias = Var(shape=shape, init=params.bias)
        self.sigma = Var(shape=shape, init=0)
        self.act = Var(shape=shape, init=0)
        self.residue = Var(shape=shape, init=0)
        self.error = Var(shape=shape, init=0)
        self.spike_exp = Var(shape=(1,), init=0)  # Lava's model does not use it
        self.state_exp = Var(shape=(1,), init=params.state_exp)
        self.cum_error = Var(shape=(1,), init=False)

"""Lava's resonate-and-fire neurons, given the exact integers and a reset.

Lava's own processes take a period and a decay, which need not come back as the integers that they were made from, and
have no reset. These take the integers, and their models are Lava's own with a reset before a sample's first step.
"""

from __future__ import annotations

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from spikeproof.contract.fixed import DECAY_SHIFT
from spikeproof.contract.neurons.rf import RF as Phase
from spikeproof.contract.neurons.rf_iz import RFIZ as Izhikevich


class _Resonator(AbstractProcess):
    def __init__(self, *, params: Phase | Izhikevich, latency: int, period: int, name: str | None = None) -> None:
        super().__init__(params=params, latency=latency, period=period, name=name)
        shape = (params.num_neurons,)
        self.a_in = InPort(shape=(2 * params.num_neurons,))
        self.s_out = OutPort(shape=shape)
        self.real = Var(shape=shape, init=0)
        self.imag = Var(shape=shape, init=0)
        self.sin_decay = Var(shape=shape, init=params.sin_decay)
        self.cos_decay = Var(shape=shape, init=params.cos_decay)
        self.state_exp = Var(shape=(1,), init=params.a_shift)
        self.decay_bits = Var(shape=(1,), init=DECAY_SHIFT)
        self.vth = Var(shape=(1,), init=params.v_th_mant << params.a_shift)


class RF(_Resonator):
    """Resonate-and-fire neurons that send unary spikes.

    Parameters
    ----------
    params : spikeproof.contract.neurons.rf.RF
        Integer parameters of the layer of n neurons, with an ``a_shift`` of 6 and unary spikes.
    latency : int
        Steps by which the layer works behind the network's input.
    period : int
        Length of a sample in steps; the layer is reset when one begins.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    a_in : InPort, shape (2 * n,)
        Dendritic sums, the real ones before the imaginary ones; below 2**25 in magnitude.
    s_out : OutPort, shape (n,)
        Spikes, 0 or 1.
    real, imag : Var, shape (n,)
        The state.
    """


class RFIZ(_Resonator):
    """Resonate-and-fire neurons with Izhikevich's reset; as `RF`, see `spikeproof.contract.neurons.rf_iz`."""

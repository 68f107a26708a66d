"""Neurons that Lava has no exact process for; their update rules stand in `spikeproof.contract`."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from ...contract.neurons import RULES


class Rule(AbstractProcess):
    """A layer of neurons on its own local time, whose registers are those of its contract.

    Parameters
    ----------
    params : a record of `spikeproof.contract.neurons.RULES`
        Integer parameters of the layer of n neurons.
    latency : int
        Steps by which the layer works behind the network's input; it is silent until its first sample begins.
    period : int
        Length of a sample in steps; the layer is reset when one begins.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    a_in : InPort, shape (n,), or (2 * n,) for complex neurons
        Dendritic sums; of complex neurons the real ones before the imaginary ones.
    s_out : OutPort, shape (n,)
        Spikes: 0 or 1, or payloads; of neurons that fire.

    Notes
    -----
    Every field of the contract's state is a Var of that name and of shape (n,).
    """

    def __init__(self, *, params: Any, latency: int, period: int, name: str | None = None) -> None:
        super().__init__(params=params, latency=latency, period=period, name=name)
        rule = RULES[type(params)]
        shape = (params.num_neurons,)
        self.a_in = InPort(shape=(rule.sums * params.num_neurons,))
        if rule.fires:
            self.s_out = OutPort(shape=shape)
        for field, start in rule.module.reset(params)._asdict().items():
            setattr(self, field, Var(shape=shape, init=start))


class ALIF(Rule):
    """Adaptive leaky integrate-and-fire neurons, see `spikeproof.contract.neurons.alif`."""


class ADRF(Rule):
    """Adaptive resonate-and-fire neurons, see `spikeproof.contract.neurons.adrf`."""


class ADRFIZ(Rule):
    """Adaptive neurons that fire on their imaginary part, see `spikeproof.contract.neurons.adrf_iz`."""


class RF(Rule):
    """Resonate-and-fire neurons whose spikes or inputs are graded, see `spikeproof.contract.neurons.rf`."""


class RFIZ(Rule):
    """The same with Izhikevich's reset, see `spikeproof.contract.neurons.rf_iz`."""


class CUBA(Rule):
    """Leaky integrate-and-fire neurons whose spikes or inputs are graded, see `spikeproof.contract.neurons.cuba`."""


class SigmaDelta(Rule):
    """Sigma-delta neurons with payloads finer than registers, see `spikeproof.contract.neurons.sigma_delta`."""


class Delta(Rule):
    """Delta encoders, see `spikeproof.contract.neurons.delta`."""


class Membrane(Rule):
    """Membranes that never fire, see `spikeproof.contract.neurons.membrane`."""

"""CE-LIF as a Lava process; the update rule stands in `spikeproof.contract.neurons.celif`."""

from __future__ import annotations

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from ...contract.neurons import celif


class CELIF(AbstractProcess):
    """A layer of CE-LIF neurons on its own local time.

    Parameters
    ----------
    params : spikeproof.contract.neurons.celif.CELIF
        Integer parameters of the layer of n neurons.
    te : ndarray of int8, shape (te_steps, n), or None
        Temporal encoding as a table; row t serves the t-th step of a sample and past the last row it wraps. None if
        it comes through `te_in`.
    latency : int
        Steps by which the layer works behind the network's input; it is silent until its first sample begins.
    period : int
        Length of a sample in steps; the layer is reset when one begins.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    a_in : InPort, shape (n,)
        Dendritic sums.
    te_in : InPort, shape (n,)
        Without a table: twice the temporal encoding of this step, as 8-bit synapses deliver it.
    s_out : OutPort, shape (n,)
        Spikes, 0 or 1.
    v, h, s, theta : Var, shape (n,)
        Membrane, threshold adaptation, spikes, and the threshold of this step.
    """

    def __init__(
        self, *, params: celif.CELIF, te: np.ndarray | None, latency: int, period: int, name: str | None = None
    ) -> None:
        super().__init__(params=params, te=te, latency=latency, period=period, name=name)
        shape = (params.num_neurons,)
        self.a_in = InPort(shape=shape)
        self.te_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=0)
        self.h = Var(shape=shape, init=0)
        self.s = Var(shape=shape, init=0)
        self.theta = Var(shape=shape, init=0)

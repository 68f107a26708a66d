"""A Lava process for each kind of neuron; the update rules stand in `spikeproof.contract.neurons`."""

from __future__ import annotations

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from spikeproof.contract.neurons import KINDS, Neuron


class ByRule(AbstractProcess):
    """A layer of neurons on its own local time, whose registers are those of its contract.

    Parameters
    ----------
    params : Neuron
        Integer parameters of the layer of n neurons.
    te : ndarray of int8, shape (te_steps, n), or None
        For neurons that take a temporal encoding: the encoding as a table, of which row t serves the t-th step of a
        sample; past the last row it wraps. None if it comes through `te_in`, and for all other neurons.
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
    te_in : InPort, shape (n,)
        For neurons that take a temporal encoding, without a table: twice the encoding of this step, as 8-bit synapses
        deliver it.
    s_out : OutPort, shape (n,)
        Spikes: 0 or 1, or payloads; of neurons that fire.

    Notes
    -----
    Every field of the contract's state and every register that is traced is a Var of that name and of shape (n,).
    """

    def __init__(
        self, *, params: Neuron, latency: int, period: int, te: np.ndarray | None = None, name: str | None = None
    ) -> None:
        super().__init__(params=params, te=te, latency=latency, period=period, name=name)
        shape = (params.num_neurons,)
        self.a_in = InPort(shape=(params.sums * params.num_neurons,))
        if params.takes_te:
            self.te_in = InPort(shape=shape)
        if params.fires:
            self.s_out = OutPort(shape=shape)
        start = params.observed(params.reset())
        for register in names(type(params)):
            setattr(self, register, Var(shape=shape, init=start[register]))


def names(kind: type[Neuron]) -> list[str]:
    """Return the names of a kind's Vars: its state, and the registers that are derived from it."""
    return list(dict.fromkeys((*kind.State._fields, *kind.registers)))


def _process(kind: type[Neuron]) -> type[ByRule]:
    members = {"__module__": __name__, "__doc__": f"`{kind.__module__}.{kind.__name__}` as a Lava process."}
    return type(kind.__name__, (ByRule,), members)


PROCESSES: dict[type[Neuron], type[ByRule]] = {kind: _process(kind) for kind in KINDS.values()}
"""Kind of neuron -> its process. Lava looks for a process, and for its model, among the names of a module."""

globals().update({process.__name__: process for process in PROCESSES.values()})

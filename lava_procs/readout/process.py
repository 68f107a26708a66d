"""The read-out as a Lava process; the update rule stands in `spikeproof.contract.neurons.readout`."""

from __future__ import annotations

from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from ...contract.neurons import readout


class Readout(AbstractProcess):
    """One accumulating register an output, cleared when a sample begins.

    Parameters
    ----------
    params : spikeproof.contract.neurons.readout.Readout
        Integer parameters of the read-out of n outputs.
    latency : int
        Steps by which it works behind the network's input.
    period : int
        Length of a sample in steps.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    a_in : InPort, shape (n,)
        Dendritic sums.
    v : Var, shape (n,)
        The register; after the last step of a sample it is the sample's output.
    """

    def __init__(self, *, params: readout.Readout, latency: int, period: int, name: str | None = None) -> None:
        super().__init__(params=params, latency=latency, period=period, name=name)
        shape = (params.num_neurons,)
        self.a_in = InPort(shape=shape)
        self.v = Var(shape=shape, init=0)

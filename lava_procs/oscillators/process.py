"""Sources that spike by themselves as a Lava process; their rules stand in `spikeproof.contract.sources`."""

from __future__ import annotations

from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess

from spikeproof.contract.sources import Oscillators as Params
from spikeproof.contract.sources.ring import Ring


class Oscillators(AbstractProcess):
    """CPG oscillators, or a clock ring, that start anew with every sample.

    Parameters
    ----------
    params : phase.Phase, coupled.Coupled or ring.Ring of spikeproof.contract.sources
        The sources, n channels.
    latency : int
        Steps by which the process works behind the network's input; it is silent until its first sample begins.
    period : int
        Length of a sample in steps.
    payload : int
        What a spike carries; 1 for unary spikes.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    s_out : OutPort, shape (n,)
        Spikes, 0 or `payload`.
    """

    def __init__(
        self, *, params: Params | Ring, latency: int, period: int, payload: int = 1, name: str | None = None
    ) -> None:
        super().__init__(params=params, latency=latency, period=period, payload=payload, name=name)
        self.s_out = OutPort(shape=(params.num_neurons,))

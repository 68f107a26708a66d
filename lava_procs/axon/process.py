"""Axons as a Lava process; their rule stands in `spikeproof.contract.synapses.axon`."""

from __future__ import annotations

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess

from ...contract.synapses.axon import Axon as Params


class Axon(AbstractProcess):
    """Delays the spikes of a layer, and loses what is under way when a sample ends.

    The synapses behind it take one step in Lava. Where every delay is at least one step, that is the first step of each
    delay, the receiving layer keeps the sender's time, and what is sent in a sample's last step must not reach the
    next sample. Stock processes keep it in their buffers.

    Parameters
    ----------
    params : spikeproof.contract.synapses.axon.Axon
        Delays of n neurons.
    latency : int
        Steps by which the sending neurons work behind the network's input.
    period : int
        Length of a sample in steps.
    lead : int
        1 if the receivers work on the sender's time, so that the synapses take one step of each delay; else 0.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    s_in, s_out : ports, shape (n,)
        Spikes or payloads.
    """

    def __init__(self, *, params: Params, latency: int, period: int, lead: int, name: str | None = None) -> None:
        if not 0 <= lead <= min(1, params.shortest):
            raise ValueError(f"lead = {lead}; it is 0, or 1 if every delay is at least 1.")
        super().__init__(params=params, latency=latency, period=period, lead=lead, name=name)
        self.s_in = InPort(shape=(params.num_neurons,))
        self.s_out = OutPort(shape=(params.num_neurons,))

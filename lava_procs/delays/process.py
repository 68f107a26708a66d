"""Delays of what neurons send, as a Lava process; the rule stands in `spikeproof.contract.net.edge`."""

from __future__ import annotations

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess


class Delays(AbstractProcess):
    """Holds spikes back, and loses what would arrive when their sample is over.

    Lava's own synapses behind it take one step. The delays in a sample's local time say what is lost; the steps that
    the process itself waits also make up for how late the receivers work. Stock processes keep in their buffers what a
    sample leaves behind, and the next one gets it.

    Parameters
    ----------
    delay : ndarray of int, shape (n,)
        Delays in the sample's local time.
    wait : ndarray of int, shape (n,)
        Steps by which spikes are held back.
    latency : int
        Steps by which the senders work behind the network's input.
    period : int
        Length of a sample in steps.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    s_in, s_out : ports, shape (n,)
        Spikes or payloads.
    """

    def __init__(
        self, *, delay: np.ndarray, wait: np.ndarray, latency: int, period: int, name: str | None = None
    ) -> None:
        super().__init__(delay=delay, wait=wait, latency=latency, period=period, name=name)
        self.s_in = InPort(shape=delay.shape)
        self.s_out = OutPort(shape=delay.shape)

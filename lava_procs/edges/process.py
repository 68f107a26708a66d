"""Synapses with a delay each as a Lava process; the rule stands in `spikeproof.contract.net.edge`."""

from __future__ import annotations

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess


class Edge(AbstractProcess):
    """All-to-all synapses with one delay each, which lose what would arrive when its sample is over.

    Lava's ``DelayDense`` makes its matrices anew in every step, and hands what a sample leaves behind to the next one.
    Like Lava's own synapses this process sends in a step what arrived in the one before.

    Parameters
    ----------
    weight : ndarray of int, shape (sums, senders)
        Weights.
    delay : ndarray of int, shape (sums, senders)
        Delays in the sample's local time.
    wait : ndarray of int, shape (sums, senders)
        Steps that the process waits beyond the one of any synapse.
    latency : int
        Steps by which the senders work behind the network's input.
    period : int
        Length of a sample in steps.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    s_in : InPort, shape (senders,)
        Spikes or payloads.
    a_out : OutPort, shape (sums,)
        Dendritic sums.
    """

    def __init__(
        self,
        *,
        weight: np.ndarray,
        delay: np.ndarray,
        wait: np.ndarray,
        latency: int,
        period: int,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, delay=delay, wait=wait, latency=latency, period=period, name=name)
        self.s_in = InPort(shape=(weight.shape[1],))
        self.a_out = OutPort(shape=(weight.shape[0],))

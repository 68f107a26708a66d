"""Process model of synapses that each have a delay of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.lava_procs.edges.process import Edge
from spikeproof.lava_procs.local_time import local_step


@implements(proc=Edge, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyEdgeModelFixed(PyLoihiProcessModel):
    """Adds the weights of the senders that fire to a ring of the sums of the steps to come."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]
        # One row a sender, so that what belongs to those that fire lies together.
        self.weight = np.ascontiguousarray(proc_params["weight"].T, np.int64)
        self.delay = np.ascontiguousarray(proc_params["delay"].T, np.int64)
        self.wait = np.ascontiguousarray(proc_params["wait"].T, np.int64)
        self.ring = np.zeros((int(self.wait.max()) + 2, self.weight.shape[1]), np.int64)

    def run_spk(self) -> None:
        """Compute one time step."""
        # Sent before anything is waited for, as Lava's synapses do: layers may feed each other in circles.
        now = self.ring[self.time_step % len(self.ring)]
        self.a_out.send(now.astype(np.int32))
        now[:] = 0
        s = self.s_in.recv()
        t = local_step(self.time_step, self.latency, self.period)
        if t is None:
            return
        fired = np.flatnonzero(s)
        in_time = t + self.delay[fired] < self.period
        added = np.where(in_time, self.weight[fired] * s[fired, None].astype(np.int64), 0)
        slots = (self.time_step + 1 + self.wait[fired]) % len(self.ring)
        np.add.at(self.ring, (slots, np.arange(self.ring.shape[1])), added)

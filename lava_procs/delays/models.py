"""Process model of delays of what neurons send."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.lava_procs.delays.process import Delays
from spikeproof.lava_procs.local_time import local_step


@implements(proc=Delays, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyDelaysModelFixed(PyLoihiProcessModel):
    """Keeps a ring of the steps to come, each with what is to be sent in it."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]
        self.delay = proc_params["delay"]
        self.wait = proc_params["wait"]
        self.neurons = np.arange(len(self.delay))
        self.ring = np.zeros((int(self.wait.max()) + 1, len(self.delay)), np.int32)

    def run_spk(self) -> None:
        """Compute one time step."""
        s = self.s_in.recv()
        t = local_step(self.time_step, self.latency, self.period)
        if t is not None:
            in_time = t + self.delay < self.period
            self.ring[(self.time_step + self.wait) % len(self.ring), self.neurons] = np.where(in_time, s, 0)
        now = self.ring[self.time_step % len(self.ring)]
        self.s_out.send(now.copy())
        now[:] = 0

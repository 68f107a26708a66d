"""Process model of axons: an adapter around the contract's step."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.contract.synapses import axon
from spikeproof.lava_procs.axon.process import Axon
from spikeproof.lava_procs.local_time import local_step


@implements(proc=Axon, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyAxonModelFixed(PyLoihiProcessModel):
    """Sends in each step what is to arrive behind the synapses."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.params = proc_params["params"]
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]
        self.lead = proc_params["lead"]
        self.state = axon.reset(self.params)
        self.silence = np.zeros(self.params.num_neurons, dtype=np.int64)

    def run_spk(self) -> None:
        """Compute one time step."""
        s = self.s_in.recv()
        t = local_step(self.time_step, self.latency, self.period)
        if t is None:
            self.s_out.send(self.silence)
            return
        if t == 0:
            self.state = axon.reset(self.params)
        if not self.lead:
            arriving, self.state = axon.step(self.params, self.state, s)
        elif t + 1 < self.period:
            # What arrives in the next step, of which this step's spikes are the latest that can.
            _, self.state = axon.step(self.params, self.state, s)
            arriving, _ = axon.step(self.params, self.state, self.silence)
        else:
            arriving = self.silence
        self.s_out.send(arriving)

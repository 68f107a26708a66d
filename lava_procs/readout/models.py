"""Process model of the read-out: an adapter around the contract's step."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.contract.neurons import readout
from spikeproof.lava_procs.local_time import local_step
from spikeproof.lava_procs.readout.process import Readout


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyReadoutModelFixed(PyLoihiProcessModel):
    """Copies the Var to a state, calls the contract's step, copies back."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.params = proc_params["params"]
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]

    def run_spk(self) -> None:
        """Compute one time step."""
        x = self.a_in.recv()
        t = local_step(self.time_step, self.latency, self.period)
        if t is not None:
            state = readout.reset(self.params) if t == 0 else readout.ReadoutState(self.v)
            _, state = readout.step(self.params, state, x)
            self.v[:] = state.v

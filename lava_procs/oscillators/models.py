"""Process models of oscillators: adapters around the contract's steps.

A window or a comparison on a phase is exact in integers, so there is no second arithmetic for a floating-point model to
compute: it is the same step on a port of floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.contract.sources import RULES
from spikeproof.lava_procs.local_time import local_step
from spikeproof.lava_procs.oscillators.process import Oscillators


class _OscillatorsModel(PyLoihiProcessModel):
    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.params = proc_params["params"]
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]
        self.payload = proc_params["payload"]
        self.rules = RULES[type(self.params)]
        self.state = self.rules.reset(self.params)
        self.silence = np.zeros(self.params.num_neurons, dtype=np.int64)

    def run_spk(self) -> None:
        """Compute one time step."""
        t = local_step(self.time_step, self.latency, self.period)
        if t is None:
            self.s_out.send(self.silence)
            return
        state = self.rules.reset(self.params) if t == 0 else self.state
        spikes, self.state = self.rules.step(self.params, state)
        self.s_out.send(spikes * self.payload)


@implements(proc=Oscillators, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyOscillatorsModelFixed(_OscillatorsModel):
    """Integer spikes."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)


@implements(proc=Oscillators, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyOscillatorsModelFloat(_OscillatorsModel):
    """The same spikes for floating-point networks."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

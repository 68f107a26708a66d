"""Process models of CE-LIF: adapters around the contract's step."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.contract import fixed, real
from spikeproof.contract.neurons import celif
from spikeproof.contract.sources.driven import received
from spikeproof.lava_procs.celif.process import CELIF
from spikeproof.lava_procs.local_time import local_step


class _CELIFModel(PyLoihiProcessModel):
    """Copies Vars to a state, calls the contract's step, copies back."""

    rules: ClassVar[ModuleType]

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.params = proc_params["params"]
        self.te = proc_params["te"]
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]

    def run_spk(self) -> None:
        """Compute one time step."""
        x = self.a_in.recv()
        arrived = self.te_in.recv() if self.te is None else None
        t = local_step(self.time_step, self.latency, self.period)
        if t is not None:
            state = celif.reset(self.params) if t == 0 else celif.CELIFState(self.v, self.h, self.s)
            te = received(arrived) if self.te is None else self.te[t % len(self.te)]
            _, state = celif.step(self.params, state, x, te, self.rules)
            self.v[:], self.h[:], self.s[:] = state
            self.theta[:] = celif.threshold(self.params, state.h, self.rules)
        self.s_out.send(self.s)


@implements(proc=CELIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyCELIFModelFixed(_CELIFModel):
    """The integer neuron."""

    rules = fixed
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    te_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32)
    h: np.ndarray = LavaPyType(np.ndarray, np.int32)
    s: np.ndarray = LavaPyType(np.ndarray, np.int32)
    theta: np.ndarray = LavaPyType(np.ndarray, np.int32)


@implements(proc=CELIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyCELIFModelFloat(_CELIFModel):
    """The unquantised neuron in the same units: no rounding, no saturation."""

    rules = real
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    te_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    v: np.ndarray = LavaPyType(np.ndarray, float)
    h: np.ndarray = LavaPyType(np.ndarray, float)
    s: np.ndarray = LavaPyType(np.ndarray, float)
    theta: np.ndarray = LavaPyType(np.ndarray, float)

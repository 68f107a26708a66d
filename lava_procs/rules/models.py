"""Process models of the contract's rules; Lava wants the Vars of each process named in a class of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.contract.neurons import RULES
from spikeproof.lava_procs.local_time import local_step
from spikeproof.lava_procs.rules.process import ADRF, ALIF, CUBA, RF, RFIZ, SigmaDelta

_REGISTER = LavaPyType(np.ndarray, np.int32)


class _RuleModel(PyLoihiProcessModel):
    """Copies Vars to a state, calls the contract's step, copies back."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.params = proc_params["params"]
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]
        self.rules: Any = RULES[type(self.params)].module
        self.initial = self.rules.reset(self.params)
        self.silence = np.zeros(self.params.num_neurons, dtype=np.int64)

    def run_spk(self) -> None:
        """Compute one time step."""
        x = self.a_in.recv()
        t = local_step(self.time_step, self.latency, self.period)
        if t is None:
            self.s_out.send(self.silence)
            return
        fields = self.initial._fields
        state = self.initial if t == 0 else type(self.initial)(*(getattr(self, name) for name in fields))
        sent, state = self.rules.step(self.params, state, x)
        for name, value in zip(fields, state, strict=True):
            getattr(self, name)[:] = value
        self.s_out.send(sent)


@implements(proc=ALIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyALIFModelFixed(_RuleModel):
    """ALIF."""

    u: np.ndarray = _REGISTER
    v: np.ndarray = _REGISTER
    theta: np.ndarray = _REGISTER
    r: np.ndarray = _REGISTER
    s: np.ndarray = _REGISTER


@implements(proc=ADRF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyADRFModelFixed(_RuleModel):
    """ADRF."""

    real: np.ndarray = _REGISTER
    imag: np.ndarray = _REGISTER
    theta: np.ndarray = _REGISTER
    r: np.ndarray = _REGISTER
    s: np.ndarray = _REGISTER


@implements(proc=RF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyRFModelFixed(_RuleModel):
    """RF."""

    real: np.ndarray = _REGISTER
    imag: np.ndarray = _REGISTER


@implements(proc=RFIZ, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyRFIZModelFixed(_RuleModel):
    """RF-IZ."""

    real: np.ndarray = _REGISTER
    imag: np.ndarray = _REGISTER


@implements(proc=CUBA, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyCUBAModelFixed(_RuleModel):
    """CUBA."""

    u: np.ndarray = _REGISTER
    v: np.ndarray = _REGISTER


@implements(proc=SigmaDelta, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PySigmaDeltaModelFixed(_RuleModel):
    """Sigma-delta."""

    sigma: np.ndarray = _REGISTER
    act: np.ndarray = _REGISTER
    residue: np.ndarray = _REGISTER

"""Process models of the contract's rules."""

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
from spikeproof.contract.neurons.alif import ALIFState
from spikeproof.contract.neurons.bases.adaptive import AdaptiveResonatorState
from spikeproof.contract.neurons.cuba import CUBAState
from spikeproof.contract.neurons.delta import DeltaState
from spikeproof.contract.neurons.membrane import MembraneState
from spikeproof.contract.neurons.rf import RFState
from spikeproof.contract.neurons.rf_iz import RFIZState
from spikeproof.contract.neurons.sigma_delta import SigmaDeltaState
from spikeproof.lava_procs.local_time import local_step
from spikeproof.lava_procs.rules.process import ADRF, ADRFIZ, ALIF, CUBA, RF, RFIZ, Delta, Membrane, SigmaDelta

_REGISTER = LavaPyType(np.ndarray, np.int32)
_SPIKES = LavaPyType(PyOutPort.VEC_DENSE, np.int32)


@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class _RuleModel(PyLoihiProcessModel):
    """Copies Vars to a state, calls the contract's step, copies back, and sends what it sends."""

    s_out: PyOutPort
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.params = proc_params["params"]
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]
        self.rules: Any = RULES[type(self.params)].module
        self.fires = RULES[type(self.params)].fires
        self.initial = self.rules.reset(self.params)
        self.silence = np.zeros(self.params.num_neurons, dtype=np.int64)

    def run_spk(self) -> None:
        """Compute one time step."""
        x = self.a_in.recv()
        t = local_step(self.time_step, self.latency, self.period)
        if t is None:
            self._send(self.silence)
            return
        fields = self.initial._fields
        state = self.initial if t == 0 else type(self.initial)(*(getattr(self, name) for name in fields))
        sent, state = self.rules.step(self.params, state, x)
        for name, value in zip(fields, state, strict=True):
            getattr(self, name)[:] = value
        self._send(sent)

    def _send(self, spikes: np.ndarray) -> None:
        if self.fires:
            self.s_out.send(spikes)


def _model(process: Any, state: Any, *, fires: bool = True) -> Any:
    """Return a process's model; Lava wants each in a class of its own, with the process's Vars as its members."""
    members = {"__module__": __name__, "__doc__": f"The rule of `{process.__name__}`."}
    members |= dict.fromkeys(state._fields, _REGISTER) | ({"s_out": _SPIKES} if fires else {})
    model = type(f"Py{process.__name__}ModelFixed", (_RuleModel,), members)
    return implements(proc=process, protocol=LoihiProtocol)(model)


PyALIFModelFixed = _model(ALIF, ALIFState)
PyADRFModelFixed = _model(ADRF, AdaptiveResonatorState)
PyADRFIZModelFixed = _model(ADRFIZ, AdaptiveResonatorState)
PyRFModelFixed = _model(RF, RFState)
PyRFIZModelFixed = _model(RFIZ, RFIZState)
PyCUBAModelFixed = _model(CUBA, CUBAState)
PySigmaDeltaModelFixed = _model(SigmaDelta, SigmaDeltaState)
PyDeltaModelFixed = _model(Delta, DeltaState)
PyMembraneModelFixed = _model(Membrane, MembraneState, fires=False)

"""Process models of the neurons that run by the contract's rule: adapters around its step."""

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
from spikeproof.contract.neurons import Neuron
from spikeproof.contract.sources.driven import received
from spikeproof.lava_procs.by_rule.process import PROCESSES, ByRule, names
from spikeproof.lava_procs.local_time import local_step
from spikeproof.lava_procs.recording import Recording


class _ByRuleModel(PyLoihiProcessModel):
    """Copies Vars to a state, calls the contract's step, copies back, and sends what it sends."""

    rules: ClassVar[ModuleType]

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.params: Neuron = proc_params["params"]
        self.te = proc_params["te"]
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]
        self.initial = self.params.reset()
        self.names = names(type(self.params))
        self.silence = np.zeros(self.params.num_neurons, dtype=np.int64)

    def run_spk(self) -> None:
        """Compute one time step."""
        x = self.a_in.recv()
        arrived = self.te_in.recv() if self.params.takes_te and self.te is None else None
        t = local_step(self.time_step, self.latency, self.period)
        self._send(self.silence if t is None else self._advance(t, x, arrived))

    def _advance(self, t: int, x: np.ndarray, arrived: Any) -> np.ndarray:
        fields = self.initial._fields
        state = self.initial if t == 0 else type(self.initial)(*(getattr(self, name) for name in fields))
        more: list[Any] = []
        if self.params.takes_te:
            more.append(received(arrived) if self.te is None else self.te[t % len(self.te)])
        if self.params.unrounded:
            more.append(self.rules)
        sent, state = self.params.step(state, x, *more)
        seen = self.params.observed(state, self.rules)
        for name in self.names:
            getattr(self, name)[:] = seen[name]
        return sent

    def _send(self, spikes: np.ndarray) -> None:
        if self.params.fires:
            self.s_out.send(spikes)


def _model(kind: type[Neuron], process: type[ByRule], rules: ModuleType) -> Any:
    """Return a process's model; Lava wants each in a class of its own, with the process's Vars as its members."""
    number: Any = np.int32 if rules is fixed else float
    which = "Fixed" if rules is fixed else "Float"
    members: dict[str, Any] = {"__module__": __name__, "__doc__": f"The rule of `{kind.__name__}`.", "rules": rules}
    members |= {name: LavaPyType(np.ndarray, number) for name in names(kind)}
    members["a_in"] = LavaPyType(PyInPort.VEC_DENSE, number)
    if kind.takes_te:
        members["te_in"] = LavaPyType(PyInPort.VEC_DENSE, number)
    if kind.fires:
        members["s_out"] = LavaPyType(PyOutPort.VEC_DENSE, number)
    model = type(f"Py{kind.__name__}Model{which}", (Recording, _ByRuleModel), members)
    tagged = tag(*(("fixed_pt", "bit_accurate_loihi") if rules is fixed else ("floating_pt",)))(model)
    return implements(proc=process, protocol=LoihiProtocol)(requires(CPU)(tagged))


for _kind, _own in PROCESSES.items():
    for _rules in (fixed, real) if _kind.unrounded else (fixed,):
        _made = _model(_kind, _own, _rules)
        globals()[_made.__name__] = _made

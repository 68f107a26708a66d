"""Process models of the resonators: Lava's own, behind one port and a reset."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.rf.models import PyRFModelFixed
from lava.proc.rf_iz.models import PyRF_IZModelFixed

from spikeproof.lava_procs.local_time import local_step
from spikeproof.lava_procs.recording import Recording
from spikeproof.lava_procs.resonators.process import RF, RFIZ


class _Received(NamedTuple):
    """What Lava's model shall find in one of its ports."""

    data: np.ndarray

    def recv(self) -> np.ndarray:
        return self.data


class _Reset:
    """Hands the halves of `a_in` to Lava's model, and clears its state before a sample's first step."""

    a_real_in = a_imag_in = None  # not ports of this process
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    sin_decay: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=12)
    cos_decay: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=12)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)  # type: ignore[call-arg]  # Lava's model comes behind this class
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]

    def run_spk(self) -> None:
        """Compute one time step."""
        model: Any = self
        real, imag = np.split(self.a_in.recv(), 2)
        model.a_real_in, model.a_imag_in = _Received(real), _Received(imag)
        if local_step(model.time_step, self.latency, self.period) == 0:
            model.real[:] = 0
            model.imag[:] = 0
        super().run_spk()  # type: ignore[misc]


@implements(proc=RF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRFModel(Recording, _Reset, PyRFModelFixed):
    """Resonate and fire."""


@implements(proc=RFIZ, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRFIZModel(Recording, _Reset, PyRF_IZModelFixed):
    """Resonate and fire, with Izhikevich's reset."""

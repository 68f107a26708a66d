"""Process model of the recorder."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.lava_procs.recorder.process import Recorder


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyRecorderModel(PyLoihiProcessModel):
    """Writes each step's spikes and registers into row ``time_step - 1`` of its files."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    register_0: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    register_1: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    register_2: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    register_3: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        # Opened here, in the model's own process, so the mapping is not shared through a fork.
        self.files = {name: np.load(path, mmap_mode="r+") for name, path in proc_params["files"].items()}
        self.registers = proc_params["registers"]

    def run_spk(self) -> None:
        """Record the spikes of this step."""
        if "s" in self.files:
            self._write("s", self.s_in.recv())

    def post_guard(self) -> bool:
        """Ask for the phase in which other processes' Vars can be read."""
        return bool(self.registers)

    def run_post_mgmt(self) -> None:
        """Record the registers after this step."""
        for i, name in enumerate(self.registers):
            self._write(name, getattr(self, f"register_{i}").read())

    def _write(self, name: str, values: np.ndarray) -> None:
        file = self.files[name]
        if self.time_step <= len(file):
            file[self.time_step - 1] = values

"""Process model of sigma-delta neurons: Lava's own, behind a reset."""

from __future__ import annotations

from typing import Any

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.sdn.models import PySigmaDeltaModelFixed

from spikeproof.lava_procs.local_time import local_step
from spikeproof.lava_procs.recording import Recording
from spikeproof.lava_procs.sigma_delta.process import SigmaDelta


class _Reset(PySigmaDeltaModelFixed):
    """Clears the registers before a sample's first step, and leaves the rest to Lava."""

    implements_process = None  # Lava lets no other process inherit a model; this one is for another process

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.latency = proc_params["latency"]
        self.period = proc_params["period"]

    def run_spk(self) -> None:
        """Compute one time step."""
        if local_step(self.time_step, self.latency, self.period) == 0:
            for register in (self.sigma, self.act, self.residue):
                register[:] = 0
        super().run_spk()


@implements(proc=SigmaDelta, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySigmaDeltaModel(Recording, _Reset):
    """Lava's model with its reset."""

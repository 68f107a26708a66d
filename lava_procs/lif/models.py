"""Process model of LIF neurons with a reset: Lava's own."""

from __future__ import annotations

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifResetModelBitAcc

from spikeproof.lava_procs.lif.process import LIFReset
from spikeproof.lava_procs.recording import Recording


@implements(proc=LIFReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyLIFResetModel(Recording, PyLifResetModelBitAcc):
    """Leaves all arithmetic to Lava."""

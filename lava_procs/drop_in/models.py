"""Process model of a whole network, whose processes are there already and are connected."""

from __future__ import annotations

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeproof.lava_procs.drop_in.process import Network


@implements(proc=Network, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class NetworkModel(AbstractSubProcessModel):
    """Looks at what the user has connected, before Lava starts."""

    def __init__(self, process: Network) -> None:
        process.check_inputs()

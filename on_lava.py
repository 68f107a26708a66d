"""Networks in Lava programs of one's own; public as ``spikeproof.lava``, see docs/lava.md.

The module has another name, because Python finds one called ``lava`` in place of Lava where it starts in this folder.
"""

from __future__ import annotations

from .lava_procs.drop_in.process import Network
from .lava_procs.wiring import LayerProcesses

__all__ = ["LayerProcesses", "Network"]

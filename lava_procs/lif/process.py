"""Lava's ``LIFReset`` under a name of its own, since a Lava process has the models that were made for it."""

from __future__ import annotations

from lava.proc.lif.process import LIFReset as Stock


class LIFReset(Stock):
    """Lava's process unchanged; see `spikeproof.lava_procs.recording` for what its model adds."""

"""Neurons to compare CE-LIF with, in floating point, one a file.

A neuron is a module of its parameters with ``initial(x)``, the state before a sample for currents like `x`, and
``forward(x, state, t)``, one time step: it returns the spikes and the state after it. All are written after their
papers, with one surrogate gradient for all, so that what differs is the neuron. None of them can be exported: their
decays and thresholds are not the integers of the contract.
"""

from __future__ import annotations

from .alif import ALIF
from .celif import EMBEDDINGS, FloatCELIF
from .glif import GLIF
from .lif import LIF
from .ltmd import LTMD
from .plif import PLIF

__all__ = ["ALIF", "EMBEDDINGS", "GLIF", "LIF", "LTMD", "NEURONS", "PLIF", "FloatCELIF"]

NEURONS = {"lif": LIF, "plif": PLIF, "alif": ALIF, "glif": GLIF, "ltmd": LTMD}
"""Name -> neuron that is built from its number alone; CE-LIF needs a temporal encoding too."""

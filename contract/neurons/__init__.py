"""All kinds of neurons, in one table: which rule belongs to which record, and what it shows.

A kind is a record of parameters in a module of its own with ``reset(params, batch)``, ``step(params, state, x)`` and a
named tuple of registers. Whoever dispatches on the kind of a neuron looks here, so a new kind runs on every backend
from the day it stands in this table.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

from ..fixed import STATE_MAX
from . import adrf, adrf_iz, alif, celif, cuba, delta, membrane, readout, rf, rf_iz, sigma_delta
from .adrf import ADRF
from .adrf_iz import ADRFIZ
from .alif import ALIF
from .celif import CELIF
from .cuba import CUBA
from .delta import Delta
from .membrane import Membrane
from .readout import Readout
from .rf import RF
from .rf_iz import RFIZ
from .sigma_delta import SigmaDelta

Neuron = CELIF | CUBA | Membrane | Readout | ALIF | ADRF | ADRFIZ | RF | RFIZ | SigmaDelta | Delta
"""What a layer's neurons can be."""

SPIKES = "s"
"""What a layer's spikes are called among its variables."""


class Rule(NamedTuple):
    """What there is to know about a kind of neuron."""

    module: ModuleType
    """Holds ``reset``, ``step`` and the named tuple of registers."""
    registers: tuple[str, ...]
    """The registers that are traced, by name: fields of the state, but for CE-LIF's ``theta``."""
    fires: bool = True
    """Whether it sends spikes."""
    sums: int = 1
    """Dendritic sums a neuron: 2 for complex neurons, all real ones before all imaginary ones."""


RULES: dict[type[Any], Rule] = {
    CELIF: Rule(celif, ("v", "h", "theta")),
    CUBA: Rule(cuba, ("u", "v")),
    Membrane: Rule(membrane, ("u", "v"), fires=False),
    Readout: Rule(readout, ("v",), fires=False),
    ALIF: Rule(alif, ("u", "v", "theta", "r")),
    ADRF: Rule(adrf, ("real", "imag", "theta", "r"), sums=2),
    ADRFIZ: Rule(adrf_iz, ("real", "imag", "theta", "r"), sums=2),
    RF: Rule(rf, ("real", "imag"), sums=2),
    RFIZ: Rule(rf_iz, ("real", "imag"), sums=2),
    SigmaDelta: Rule(sigma_delta, ("sigma", "act", "residue")),
    Delta: Rule(delta, ("act", "residue")),
}


def max_payload(neuron: Neuron) -> int:
    """Return the largest magnitude that a spike of these neurons can carry."""
    if isinstance(neuron, SigmaDelta | Delta):
        return 2**31 >> max(neuron.state_exp, 0)
    return STATE_MAX if getattr(neuron, "graded", 0) else 1

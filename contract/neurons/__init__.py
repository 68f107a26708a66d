"""All kinds of neurons. A module of this folder is a kind, and enters `KINDS` when it is imported, here.

To add one, write one file: see docs/add_a_neuron.md.
"""

from __future__ import annotations

import importlib
import pkgutil

from .bases.neuron import KINDS, Layout, Neuron

__all__ = ["KINDS", "SPIKES", "Layout", "Neuron"]

SPIKES = "s"
"""What a layer's spikes are called among its variables."""

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f".{_module.name}", __name__)

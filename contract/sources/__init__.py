"""Sources that spike by themselves: which rule belongs to which record, and their spikes over a sample."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from ..fixed import IntArray
from . import coupled, phase, ring
from .coupled import Coupled
from .phase import Phase
from .ring import Ring

Oscillators = Phase | Coupled
"""What a network's layers can listen to."""

RULES: dict[type[Any], ModuleType] = {Phase: phase, Coupled: coupled, Ring: ring}
"""Record of a source -> the module with its ``reset`` and ``step``."""


def raster(params: Oscillators | Ring, steps: int) -> IntArray:
    """Return the spikes of a sample's first `steps` steps.

    Parameters
    ----------
    params : Phase, Coupled or Ring
        The sources, n channels.
    steps : int
        Number of time steps.

    Returns
    -------
    ndarray of int64, shape (steps, n)
        0 or 1.
    """
    if isinstance(params, Phase):
        positions = np.arange(steps)
        return phase.spikes(params, positions % params.period if params.period else positions)
    rules = RULES[type(params)]
    state = rules.reset(params)
    rows = []
    for _ in range(steps):
        spikes, state = rules.step(params, state)
        rows.append(spikes)
    return np.array(rows, dtype=np.int64).reshape(steps, params.num_neurons)

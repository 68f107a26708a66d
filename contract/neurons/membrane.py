"""Membrane: a current and a membrane that never fires, which is what a network answers.

One step; ``u`` and ``v`` start at 0::

    u, v = integrate, see `spikeproof.contract.neurons.bases.integrator`

SLAYER's ``Affine`` puts out the membrane of every step. Stock NetX gives it the largest threshold that it can write,
which a membrane may still reach.

References
----------
``lava.lib.dl.slayer.block.base.AbstractAffine`` with ``dynamics=True``, lava-dl 0.6.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..fixed import IntArray
from .bases.integrator import Integrator, integrate


@dataclass(frozen=True, kw_only=True, eq=False)
class Membrane(Integrator):
    """Integer parameters of a layer of membranes that never fire."""


class MembraneState(NamedTuple):
    """Registers of a layer of membranes, each an int64 array of shape (..., n)."""

    u: IntArray
    """Current; 24 bits, ``-2**23 + 1 .. 2**23``."""
    v: IntArray
    """Membrane; 24 bits."""


def reset(params: Membrane, batch: tuple[int, ...] = ()) -> MembraneState:
    """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
    zeros = np.zeros((*batch, params.num_neurons), dtype=np.int64)
    return MembraneState(u=zeros, v=zeros)


def step(params: Membrane, state: MembraneState, x: npt.ArrayLike) -> tuple[IntArray, MembraneState]:
    """Advance a layer of membranes by one time step; the rule stands at the head of this module.

    Parameters
    ----------
    params : Membrane
        Parameters of the layer of n neurons.
    state : MembraneState
        Registers after the previous step, or `reset`.
    x : array_like of int, shape (..., n)
        Dendritic sums ``W @ payload``, ``|x| < 2**31``.

    Returns
    -------
    spikes : ndarray of int64, shape (..., n)
        Always 0: a membrane does not fire.
    state : MembraneState
        Registers after this step.
    """
    u, v = integrate(params, state.u, state.v, x)
    return np.zeros_like(v), MembraneState(u=u, v=v)

"""What a node does to what arrives at it, whatever its type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..maps import Array, Map


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """A linear node: a map, and a constant that is added. Both None: what arrives is handed on as it is."""

    shape: tuple[int, ...]
    map: Map | None = None
    bias: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Delay:
    """A node that delays what arrives, by whole steps."""

    shape: tuple[int, ...]
    steps: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Neurons:
    """Neurons in discrete time, by forward Euler, with membranes that are reset to 0.

    Parameters
    ----------
    shape : tuple of int
        Their shape.
    lost_u, lost_v : ndarray of float64, shape (n,)
        Fraction of current and membrane lost a step, 0..1.
    gain : ndarray of float64, shape (n,)
        What an input of 1 adds to the membrane in its step, by way of the current.
    leak : ndarray of float64, shape (n,)
        Added to the membrane each step, whatever arrives.
    threshold : ndarray of float64 or None
        What the membrane must pass; None for neurons that never fire.
    notes : tuple of str
        What to mind.
    """

    shape: tuple[int, ...]
    lost_u: Array
    lost_v: Array
    gain: Array
    leak: Array
    threshold: Any = None
    notes: tuple[str, ...] = ()


Operation = Linear | Delay | Neurons

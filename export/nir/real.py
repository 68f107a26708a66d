"""The layers of another tool's graph in discrete time, before anything is rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .maps import Array, Kernel, Matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class RealWay:
    """One way by which spikes reach a layer.

    Parameters
    ----------
    source : int
        Which layer sends; -1 - k for input k.
    map : Matrix or Kernel
        What a spike adds to the membrane, or to the read-out, by way of the current.
    delay : ndarray of int, shape (), (senders,) or (neurons, senders)
        Steps beyond those of the sender's `RealLayer.delay`.
    node : str
        The linear node that it is made of.
    feedback : bool
        Whether it is what the layer itself sent in the step before, whatever its `RealLayer.delay`.
    constant : bool
        Whether its senders fire in every step, so that it is a bias.
    """

    source: int
    map: Matrix | Kernel
    delay: npt.NDArray[Any]
    node: str
    feedback: bool = False
    constant: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class RealLayer:
    """A layer over the real numbers.

    Parameters
    ----------
    name : str
        Of the node of the neurons, or of the last linear node.
    ways : tuple of RealWay
        The layer's own synapses first.
    lost_u, lost_v : ndarray of float64, shape (n,)
        Fraction of current and membrane lost a step, 0..1.
    bias : ndarray of float64, shape (n,)
        Added to the membrane each step.
    threshold : ndarray of float64, shape (n,), or None
        What the membrane must pass; None for neurons that never fire.
    delay : ndarray of int, shape (n,), or None
        Steps until a spike leaves for other layers.
    """

    name: str
    ways: tuple[RealWay, ...]
    lost_u: Array
    lost_v: Array
    bias: Array
    threshold: Any = None
    delay: Any = None

    @property
    def fires(self) -> bool:
        """Whether the neurons fire."""
        return self.threshold is not None

    @property
    def adds_up(self) -> bool:
        """Whether the layer is a read-out, which adds up what arrives."""
        return not self.fires and not self.lost_v.any() and bool((self.lost_u == 1).all())

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return len(self.bias)


def normalised(threshold: Array) -> tuple[Array, Array]:
    """Return what divides each membrane, and the one threshold that a record keeps.

    Membranes in units of their own thresholds spike alike. Those of neurons with a threshold of 0 have no such unit.
    """
    ones = np.ones(len(threshold))
    if not np.ptp(threshold) or not threshold.all():
        return ones, threshold
    return threshold, ones

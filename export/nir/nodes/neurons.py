"""LIF, CubaLIF, IF, LI, CubaLI, I and Threshold: neurons in discrete time.

NIR is written for continuous time. With steps of ``dt`` and forward Euler, as the tools that write it run it::

    u = (1 - dt / tau_syn) u + (dt / tau_syn) w_in x        v = (1 - dt / tau) v + (dt / tau) (v_leak + r u)

which is the contract's CUBA neuron with the two factors drawn into the weights. A membrane that is reset to something
else than 0 is shifted by that: it then starts where it is reset to.

References
----------
The equations of the package nir 1.0.8, ``nir.ir.neuron`` and ``nir.ir.threshold``.
"""

from __future__ import annotations

import math

import numpy as np

from ...members import reserve_neurons
from ..maps import Array
from .node import Node, Shape
from .operation import Neurons

_FIRES = {"r", "v_threshold", "v_reset"}
FIELDS = {
    "LIF": {"tau", "v_leak", *_FIRES},
    "CubaLIF": {"tau_syn", "tau_mem", "v_leak", "w_in", *_FIRES},
    "IF": _FIRES,
    "LI": {"tau", "r", "v_leak"},
    "CubaLI": {"tau_syn", "tau_mem", "r", "v_leak", "w_in"},
    "I": {"r"},
    "Threshold": {"threshold"},
}
SMALL_STEP = 0.1
"""From this time step on, IF neurons with r = 1 add about what arrives."""


NOTHING_LOST = 2.0**-24
"""What loses less in a step loses nothing in float32, in which tools compute: neurons that do not leak."""


def neurons(node: Node, shape: Shape, dt: float) -> Neurons:
    """Return the neurons of a node in discrete time."""
    n = math.prod(shape)
    reserve_neurons(n, node.label)
    if node.kind == "Threshold":
        return _threshold(node, shape, n)
    r, ones = node.spread("r", shape), np.ones(n)
    if node.kind in ("IF", "I"):
        lost_u, lost_v, gain, rest = ones, np.zeros(n), dt * r, np.zeros(n)
    else:
        lost_v = _lost(node, "tau_mem" if node.kind.startswith("Cuba") else "tau", shape, dt)
        lost_u, gain, rest = ones, lost_v * r, node.spread("v_leak", shape)
    if node.kind.startswith("Cuba"):
        lost_u = _lost(node, "tau_syn", shape, dt)
        w_in = node.spread("w_in", shape) if "w_in" in node.fields else ones
        gain = gain * lost_u * w_in
    to_rest, lost_v = lost_v, np.where(lost_v < NOTHING_LOST, 0, lost_v)
    if "v_threshold" not in FIELDS[node.kind]:
        return Neurons(shape=shape, lost_u=lost_u, lost_v=lost_v, gain=gain, leak=to_rest * rest)
    threshold = node.spread("v_threshold", shape)
    reset = node.spread("v_reset", shape) if "v_reset" in node.fields else np.zeros(n)
    notes = []
    if reset.any():
        notes.append(
            f"{node.label}: v_reset is up to {np.abs(reset).max():g}; membranes are counted from there, and start there"
        )
    if (threshold - reset <= 0).any():
        worst = int(np.argmin(threshold - reset))
        raise node.unsupported(
            f"a threshold of {threshold[worst]:g} that is not above the reset of {reset[worst]:g}; neurons would fire "
            "without end. A threshold above it can be kept."
        )
    return Neurons(
        shape=shape,
        lost_u=lost_u,
        lost_v=lost_v,
        gain=gain,
        leak=to_rest * (rest - reset),
        threshold=threshold - reset,
        notes=tuple(notes),
    )


def _threshold(node: Node, shape: Shape, n: int) -> Neurons:
    """Return neurons without memory, which fire wherever what arrives is above their threshold."""
    threshold, bias = node.spread("threshold", shape), np.zeros(n)
    if (threshold <= 0).any():
        # x > t is x - t > 0: nothing is kept for the next step, so a bias does what a threshold does.
        threshold, bias = np.zeros(n), -threshold
    return Neurons(shape=shape, lost_u=np.ones(n), lost_v=np.ones(n), gain=np.ones(n), leak=bias, threshold=threshold)


def _lost(node: Node, field: str, shape: Shape, dt: float) -> Array:
    tau = node.spread(field, shape)
    if (tau <= 0).any() or (dt / tau > 1 + 1e-6).any():
        shortest = float(tau.min())
        hint = f", --dt {0.1 * shortest:.0e} say: norse 1.1.0 writes time constants times dt" if shortest > 0 else ""
        raise node.unsupported(
            f"{field} = {shortest:g} s is shorter than a time step of {dt:g} s. Give the time step that the network "
            f"was trained with (--dt){hint}."
        )
    return np.minimum(dt / tau, 1.0)


def means_sums(node: Node) -> bool:
    """Whether a node is how sinabs, norse and snnTorch write neurons that add what arrives: IF or I with r = 1."""
    return node.kind in ("IF", "I") and bool((node.numbers("r") == 1).all())

"""A layer over the real numbers -> the record's integers.

Decays become multiples of 1/4096, and weights even 8-bit integers at the largest scale, a power of two, at which
weights, threshold and bias fit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.fixed import BIAS_MANT_MAX, DECAY_ONE, THRESHOLD_MANT_MAX, WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP
from ...contract.net import Layer
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.readout import Readout
from ...contract.synapses.axon import Axon
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense

Array = npt.NDArray[np.float64]

_SCALE_MAX = 2**20


@dataclass(frozen=True, kw_only=True)
class RealLayer:
    """A layer of another tool's graph in discrete time, before anything is rounded.

    Parameters
    ----------
    name : str
        Of the node of the neurons, or of the last linear node.
    weight : ndarray of float64, shape (n_out, n_in), or that of a convolution's kernels
        What a spike adds to the membrane, or to the read-out.
    lost_u, lost_v : ndarray of float64, shape (n_out,)
        Fraction of current and membrane lost a step, 0..1.
    bias, threshold : ndarray of float64, shape (n_out,)
        Added to the membrane each step; what the membrane must pass.
    fires : bool
        False for a read-out.
    delay : ndarray of int, shape (n_out,)
        Steps until a spike arrives.
    conv : Conv or None
        Geometry of a convolution; its weights mean nothing.
    """

    name: str
    weight: Array
    lost_u: Array
    lost_v: Array
    bias: Array
    threshold: Array
    fires: bool = True
    delay: Any = None
    conv: Conv | None = None


def quantised(layer: RealLayer, name: str) -> tuple[Layer, str]:
    """Return the record of a layer, and what rounding did to it."""
    scale = _scale(layer)
    half = np.round(layer.weight * scale / WEIGHT_STEP)
    weight = WEIGHT_STEP * np.clip(half, WEIGHT_MIN // WEIGHT_STEP, WEIGHT_MAX // WEIGHT_STEP).astype(np.int64)
    bias = np.round(layer.bias * scale).astype(np.int64)
    decays: dict[str, Any] = {
        key: np.round(DECAY_ONE * lost) for key, lost in (("u_decay", layer.lost_u), ("v_decay", layer.lost_v))
    }
    n = len(layer.threshold)
    neuron: Any
    if layer.fires:
        v_th_mant = int(np.round(layer.threshold[0] * scale))
        neuron = CUBA(num_neurons=n, v_th_mant=v_th_mant, bias_mant=bias, **decays)
    else:
        neuron = Readout(num_neurons=n, bias_mant=bias)
    axon = None if layer.delay is None or not layer.delay.any() else Axon(delay=layer.delay)
    synapse = Dense(weight=weight) if layer.conv is None else replace(layer.conv, weight=weight)
    record = Layer(name=name, synapse=synapse, neuron=neuron, scale=scale, axon=axon)
    off = {
        "weights": np.abs(weight / scale - layer.weight).max(),
        "biases": np.abs(bias / scale - layer.bias).max(),
        "decays": max(
            np.abs(decays["u_decay"] / DECAY_ONE - layer.lost_u).max(),
            np.abs(decays["v_decay"] / DECAY_ONE - layer.lost_v).max(),
        ),
    }
    words = ", ".join(f"{key} by up to {value:.2g}" for key, value in off.items())
    return record, f"node {layer.name!r}: scale {scale}; rounding moves {words}"


def _scale(layer: RealLayer) -> int:
    """Return the largest power of two at which weights, threshold and bias fit."""
    # Half the register is left above the threshold.
    limits = [
        (float(np.abs(layer.weight).max()), float(WEIGHT_MAX)),
        (float(np.abs(layer.bias).max()), float(BIAS_MANT_MAX)),
        (float(np.abs(layer.threshold).max()), THRESHOLD_MANT_MAX / 2),
    ]
    most = min((limit / value for value, limit in limits if value), default=1.0)
    if most < 1:
        raise UnsupportedError(
            f"node {layer.name!r}: weights up to {limits[0][0]:g}, biases up to {limits[1][0]:g} or thresholds up to "
            f"{limits[2][0]:g} do not fit 8, 13 and 17 bits. Scale weights, biases and threshold down together."
        )
    return int(min(2 ** math.floor(math.log2(most)), _SCALE_MAX))


def record_name(name: str, taken: set[str]) -> str:
    """Return a layer's name made of a node's."""
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:56]
    stem = stem if re.match(r"[A-Za-z_]", stem) else f"n{stem}"
    found, number = stem, 1
    while found in taken:
        number += 1
        found = f"{stem}_{number}"
    taken.add(found)
    return found

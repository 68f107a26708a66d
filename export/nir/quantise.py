"""A layer over the real numbers -> the record's integers.

Decays become multiples of 1/4096, and weights even 8-bit integers at the largest scale, a power of two, at which
weights, threshold and bias fit. Where weights and threshold are so far apart that one of them would be left with few
bits, the current is shifted on its way to the membrane, which gives each a scale of its own.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.fixed import (
    ACCUMULATOR_SHIFT,
    BIAS_MANT_MAX,
    DECAY_ONE,
    SCALE_MAX,
    STATE_MAX,
    THRESHOLD_MANT_MAX,
    WEIGHT_MAX,
    WEIGHT_MIN,
    WEIGHT_STEP,
)
from ...contract.net import Edge, Layer
from ...contract.neurons.bases.integrator import U_SHIFT_MAX
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.neurons.readout import Readout
from ...contract.synapses.axon import Axon
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense
from .maps import Kernel
from .real import RealLayer, RealWay
from .rounding import Rounding, refuse_lost_decay, refuse_nothing_left, share

_ENOUGH_BITS = 6
"""With as many bits of weights and threshold, the current is not shifted: Lava's own LIF does not shift it."""


class Scales(NamedTuple):
    """How many units are 1.0: of the threshold and the membrane, and of weights and biases."""

    membrane: int
    shift: int

    @property
    def weights(self) -> float:
        """Units of a weight or a bias."""
        return float(self.membrane * 2.0**-self.shift)


def quantised(layer: RealLayer, name: str, names: list[str], dt: float) -> tuple[Layer, tuple[Edge, ...], Rounding]:
    """Return the record of a layer, the edges that lead to it beside its own synapses, and what rounding did.

    Parameters
    ----------
    layer : RealLayer
        The layer.
    name : str
        What the record calls it.
    names : list of str
        What the record calls all layers, and then its inputs, the last first: ``names[way.source]``.
    dt : float
        Seconds of a time step, for messages.

    Raises
    ------
    UnsupportedError
        Nothing would be left of weights, threshold or a decay, or they do not fit.
    """
    scales = _scales(layer)
    largest = _largest(layer)
    threshold = None if layer.threshold is None else float(layer.threshold[0])
    weights = [_weights(way, scales.weights) for way in layer.ways]
    for way, weight in zip(layer.ways, weights, strict=True):
        refuse_nothing_left(way.node, way.map.weight, weight, largest, threshold)
    for lost in (layer.lost_u, layer.lost_v):
        refuse_lost_decay(layer.name, lost, dt)
    neuron = _neuron(layer, scales)
    synapses = [_synapse(way, weight) for way, weight in zip(layer.ways, weights, strict=True)]
    feedback = next((at for at, way in enumerate(layer.ways) if way.feedback), None)
    own, index = layer.ways[0], names.index(name)
    record = Layer(
        name=name,
        synapse=synapses[0],
        neuron=neuron,
        scale=scales.membrane,
        axon=None if layer.delay is None else Axon(delay=layer.delay),
        feedback=None if feedback is None else synapses[feedback],  # type: ignore[arg-type]
        delay=own.delay,
        source=None if own.source == index - 1 else names[own.source],
    )
    edges = tuple(
        Edge(source=names[way.source], target=name, synapse=synapses[at], delay=way.delay)
        for at, way in enumerate(layer.ways)
        if at and at != feedback
    )
    return record, edges, _rounding(layer, record, weights, scales)


def _weights(way: RealWay, scale: float) -> npt.NDArray[np.int64]:
    half = np.round(way.map.weight * scale / WEIGHT_STEP)
    found: npt.NDArray[np.int64] = WEIGHT_STEP * np.clip(half, WEIGHT_MIN // 2, WEIGHT_MAX // 2).astype(np.int64)
    return found


def _synapse(way: RealWay, weight: npt.NDArray[np.int64]) -> Dense | Conv:
    if not isinstance(way.map, Kernel):
        return Dense(weight=weight)
    kernel = way.map
    return Conv(
        weight=weight,
        in_shape=kernel.in_shape,
        stride=kernel.stride,
        padding=kernel.padding,
        dilation=kernel.dilation,
        groups=kernel.groups,
    )


def _neuron(layer: RealLayer, scales: Scales) -> Any:
    n, bias = layer.num_neurons, np.round(layer.bias * scales.weights).astype(np.int64)
    if layer.adds_up:
        return Readout(num_neurons=n, bias_mant=bias)
    u_decay, v_decay = (np.round(DECAY_ONE * lost) for lost in (layer.lost_u, layer.lost_v))
    common: dict[str, Any] = {
        "num_neurons": n, "u_decay": u_decay, "v_decay": v_decay, "bias_mant": bias, "u_shift": scales.shift
    }  # fmt: skip
    if not layer.fires:
        return LeakyIntegrator(**common)
    v_th_mant = int(np.round(layer.threshold[0] * scales.membrane))
    if layer.threshold[0] and not v_th_mant:
        raise UnsupportedError(
            f"node {layer.name!r}: its threshold of {layer.threshold[0]:.3g} rounds to 0 beside weights up to "
            f"{_largest(layer):.3g}. Bring weights and threshold closer to "
            "each other, or give the time step that the network was trained with (--dt)."
        )
    return CUBA(v_th_mant=v_th_mant, **common)


def _scales(layer: RealLayer) -> Scales:
    """Return the largest powers of two at which weights, threshold and bias fit."""
    weight = _largest(layer)
    bias = float(np.abs(layer.bias).max())
    threshold = float(np.abs(layer.threshold).max()) if layer.fires else 0.0
    ends = min(_ratio(WEIGHT_MAX, weight), _ratio(BIAS_MANT_MAX, bias))
    # Half the register is left above the threshold.
    top = min(_ratio(THRESHOLD_MANT_MAX / 2, threshold), float(SCALE_MAX))
    base, shift = (_power(min(ends, top)), 0) if math.isfinite(weight + bias + threshold) else (0.0, 0)
    if base and not layer.adds_up:
        if weight and weight * base < WEIGHT_STEP << (_ENOUGH_BITS - 1) and ends > top:
            shift = -min(U_SHIFT_MAX, _bits(_power(ends) / base))
        elif threshold and threshold * base < 1 << (_ENOUGH_BITS - 1) and top > ends:
            room = STATE_MAX / (2 * _sum_bound(layer) * base * 2**ACCUMULATOR_SHIFT)
            shift = max(0, min(U_SHIFT_MAX, _bits(room), _bits(_power(top) / base)))
            base *= 2**shift
    if base < 1:
        raise UnsupportedError(
            f"node {layer.name!r}: weights up to {weight:g}, biases up to {bias:g} or thresholds up to {threshold:g} "
            "do not fit 8, 13 and 17 bits. Scale weights, biases and threshold down together."
        )
    return Scales(int(base), shift)


def _largest(layer: RealLayer) -> float:
    return max(float(np.abs(way.map.weight).max()) for way in layer.ways)


def _sum_bound(layer: RealLayer) -> float:
    """Return what all inputs and the bias together can add to a membrane in a step."""
    rows = [np.abs(way.map.weight).reshape(len(way.map.weight), -1).sum(axis=1).max() for way in layer.ways]
    return float(sum(rows)) + float(np.abs(layer.bias).max())


def _ratio(most: float, value: float) -> float:
    return most / value if value else math.inf


def _power(value: float) -> float:
    """Return the largest power of two that is not above a value."""
    return float(2.0 ** _bits(value))


def _bits(value: float) -> int:
    return math.floor(math.log2(min(value, 2.0**40)))


def _rounding(layer: RealLayer, record: Layer, weights: list[npt.NDArray[np.int64]], scales: Scales) -> Rounding:
    real = [way.map.weight for way in layer.ways]
    found = [weight / scales.weights for weight in weights]
    neuron: Any = record.neuron
    decays = [
        np.abs(got / DECAY_ONE - lost) / np.where(lost, lost, 1)
        for got, lost in ((getattr(neuron, "u_decay", 0), layer.lost_u), (getattr(neuron, "v_decay", 0), layer.lost_v))
        if not layer.adds_up
    ]
    threshold = getattr(neuron, "v_th_mant", None)
    biases = [(neuron.bias_mant / scales.weights, layer.bias)]
    biases += [
        (f.sum(axis=1), way.map.weight.sum(axis=1)) for f, way in zip(found, layer.ways, strict=True) if way.constant
    ]
    return Rounding(
        layer=record.name,
        node=layer.name,
        scale=scales.membrane,
        shift=scales.shift,
        weight_bits=(max(int(np.abs(w).max()) for w in weights) // WEIGHT_STEP).bit_length()
        if any(w.any() for w in real)
        else None,
        threshold_bits=int(threshold).bit_length() if threshold is not None and layer.threshold.any() else None,
        weight_error=share(np.concatenate([w.ravel() for w in found]), np.concatenate([w.ravel() for w in real])),
        weight_moved=max(float(np.abs(a - b).max()) for a, b in zip(found, real, strict=True)),
        threshold_error=0.0 if threshold is None else share(threshold / scales.membrane, layer.threshold[0]),
        bias_error=share(np.concatenate([got for got, _ in biases]), np.concatenate([bias for _, bias in biases])),
        decay_error=max((float(each.max()) for each in decays), default=0.0),
        zeroed=sum(int(np.count_nonzero((w == 0) & (r != 0))) for w, r in zip(weights, real, strict=True)),
    )


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

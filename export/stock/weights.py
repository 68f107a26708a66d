"""Weights of layers in files that stock lava-dl, or a tool that writes its format, wrote.

SLAYER's weights of 8 bits are even numbers from -256 to 254. mlGeNN writes any number from -128 to 127: stock NetX
doubles such weights and halves their sums, with nothing lost. A record holds the same, weights twice as large and sums
that are shifted by a bit less, so every register is that of stock NetX.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ...contract.errors import FileFormatError
from ...contract.fixed import WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP
from ...contract.neurons import Neuron
from ...contract.neurons.readout import Readout
from ..members import member, numbers, refuse_unknown
from ..refusal import refuse
from .neurons import whole

ODD_MIN, ODD_MAX = WEIGHT_MIN // WEIGHT_STEP, WEIGHT_MAX // WEIGHT_STEP
"""The least and the largest weight of a layer in which one is odd."""


class Weights(NamedTuple):
    """Weights of a layer."""

    own: npt.NDArray[np.int64]
    """Those of its own synapses; real ones stand before imaginary ones."""
    sums: int
    """Sums a neuron."""
    feedback: npt.NDArray[np.int64] | None
    """Those of its recurrent synapses."""
    doubled: bool
    """Whether all are twice what the file holds, of which some are odd."""


def read(handle: h5py.Group, neurons: int) -> Weights:
    """Read the weights of a layer of so many neurons.

    Raises
    ------
    UnsupportedError
        A weight is none of 8 bits.
    FileFormatError
        A dataset is missing or does not hold numbers for so many neurons.
    """
    if "weight" in handle.keys() and isinstance(handle.get("weight"), h5py.Group):
        group = member(handle, "weight", h5py.Group)
        refuse_unknown(group, {"real", "imag"})
        found = {f"weight/{name}": numbers(group, name) for name in ("real", "imag")}
    else:
        weight = numbers(handle, "weight")
        if weight.ndim < 2:  # what a single neuron sees lies flat in files of SLAYER's predecessor
            if not weight.size or weight.size % neurons:
                raise FileFormatError(f"weight has {weight.size} values for {neurons} neurons.")
            weight = weight.reshape(neurons, -1)
        found = {"weight": weight}
    sums = len(found)
    if "weight_rec" in handle.keys():
        found["weight_rec"] = numbers(handle, "weight_rec")
    levels = {name: whole(name, values) for name, values in found.items()}
    doubled = any((values % WEIGHT_STEP).any() for values in levels.values())
    for name, values in levels.items():
        _check(name, values, doubled)
    parts = [values << 1 if doubled else values for values in levels.values()]
    return Weights(np.concatenate(parts[:sums]), sums, parts[sums] if len(parts) > sums else None, doubled)


def halving(neuron: Neuron) -> Neuron:
    """Return neurons that make of sums of doubled weights what `neuron` makes of the weights themselves.

    Raises
    ------
    UnsupportedError
        The neurons do not shift what arrives.
    """
    shifts = hasattr(neuron, "a_shift") and not isinstance(neuron, Readout)  # whose shift is 0, the least
    refuse(
        {
            "weight": (
                not shifts,
                "some weights are odd, and the sums of weights twice as large cannot be halved exactly before "
                f"{type(neuron).__name__} neurons. Round the weights to even numbers",
            )
        }
    )
    params: Any = neuron
    changed: Neuron = dataclasses.replace(params, a_shift=params.a_shift - 1)
    return changed


def _check(name: str, weight: npt.NDArray[np.int64], doubled: bool) -> None:
    """Refuse weights that are no levels of an 8-bit weight."""
    beyond = weight[(weight < WEIGHT_MIN) | (weight > WEIGHT_MAX)]
    wide = weight[(weight < ODD_MIN) | (weight > ODD_MAX)]
    told = ""
    if beyond.size:
        told = (
            f"{beyond[0]} is no 8-bit weight, which is an even number from {WEIGHT_MIN} to {WEIGHT_MAX}, or any from "
            f"{ODD_MIN} to {ODD_MAX}; beside negative weights, stock NetX makes {WEIGHT_MAX} of larger ones"
        )
    elif doubled and wide.size:
        told = f"weights of the layer are odd, and those of 8 bits are from {ODD_MIN} to {ODD_MAX} then, not {wide[0]}"
    refuse(
        {name: (bool(told), f"{told}. Train with the neuron's quantize_8bit as pre_hook_fx, or scale the weights down")}
    )

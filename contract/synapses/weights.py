"""8-bit weights, of whatever kind of synapse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP, as_integers


def as_weights(name: str, value: Any, axes: Sequence[str]) -> npt.NDArray[Any]:
    """Return weights as a read-only int16 array after a check of their shape, range and step.

    Parameters
    ----------
    name : str
        What the weights are called in an error.
    value : array_like
        Even integers -256..254.
    axes : sequence of str
        What the axes of the array are called, outputs first.

    Raises
    ------
    RecordError
        The shape does not fit, or a weight is out of range or odd; the first such weight is named.
    """
    weight = as_integers(name, value, np.int16, WEIGHT_MIN, WEIGHT_MAX)
    if weight.ndim != len(axes) or not weight.size:
        raise RecordError(f"{name}: shape {weight.shape} is not ({', '.join(axes)}).")
    odd = np.argwhere(weight % WEIGHT_STEP != 0)
    if len(odd):
        index = tuple(int(i) for i in odd[0])
        raise RecordError(
            f"{name}[{', '.join(map(str, index))}] (into {'neuron' if len(axes) == 2 else 'channel'} {index[0]}) = "
            f"{weight[index]} is odd; 8-bit weights have step {WEIGHT_STEP}."
        )
    return weight

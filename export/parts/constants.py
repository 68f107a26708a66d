"""What SLAYER adds to every dendritic sum in every step, and how a record holds it.

An input block adds its bias; a normalisation takes its running mean away, and divides by a power of two. The constant
becomes one more column of weights, behind an oscillator that always spikes: it begins with each sample, as all spikes
do. Neurons with a bias of their own, CUBA's behind the current and sigma-delta's behind sigma, hold it themselves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.fixed import WEIGHT_MAX
from ...contract.sources.phase import TURN, Phase
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..refusal import refuse

_MOST_WEIGHTS = 2**22

ALWAYS = Phase(num_neurons=1, increment=np.array(0), start=np.array(0), length=np.array(TURN))
"""An oscillator that spikes in every step."""

NORMS = ("MeanOnlyBatchNorm", "WgtScaleBatchNorm")


def norms(neuron: Any) -> tuple[Any, ...]:
    """Return the normalisations of a SLAYER neuron: none, one, or one for real and one for imaginary sums."""
    found = (getattr(neuron, name, None) for name in ("norm", "real_norm", "imag_norm"))
    return tuple(norm for norm in found if norm is not None)


def mean(norm: Any) -> npt.NDArray[Any]:
    """Return the mean that a normalisation takes away in evaluation, in weight units: one value, or one a channel."""
    levels = norm.pre_hook_fx(norm.running_mean, descale=True).detach().cpu().numpy()
    return np.asarray(np.round(levels), dtype=np.int64)


def exponent(norm: Any) -> int:
    """Return the power of two by which a normalisation divides in evaluation."""
    return int(math.log2(norm.std(norm.running_var).item())) if hasattr(norm, "std") else 0


def added_to_sums(block: Any, kind: str, shape: tuple[int, ...]) -> npt.NDArray[np.int64] | None:
    """Return what a block adds to each of its sums, in weight units, shape (sums,); None if it is nothing.

    Parameters
    ----------
    block : lava.lib.dl.slayer.block.<family>.<kind>
        The block.
    kind : str
        Its kind.
    shape : tuple of int
        Shape of its neurons, channels first.
    """
    neuron, found = block.neuron, []
    if kind == "Input" and block.bias is not None:
        found = [round(block.pre_hook_fx(block.bias, descale=True).item())]
    elif kind != "Input" and not holds_bias(neuron):
        found = [-mean(norm) for norm in norms(neuron)]
    every = [np.broadcast_to(np.reshape(one, (-1, *[1] * (len(shape) - 1))), shape).reshape(-1) for one in found]
    sums = np.concatenate([*every, np.zeros(0, np.int64)])
    return sums if sums.any() else None


def holds_bias(neuron: Any) -> bool:
    """Whether the record of a SLAYER neuron has a place of its own for a normalisation's mean.

    Where a CUBA neuron keeps its state between steps, as in recurrent blocks, it keeps the current without the mean.
    """
    family = type(neuron).__module__.rsplit(".", 1)[-1]
    return family == "sigma_delta" or (family == "cuba" and not neuron.persistent_state)


def with_constant(synapse: Synapse, constant: npt.NDArray[np.int64]) -> Dense:
    """Return synapses with one more input, which adds `constant` to the sums when it spikes; all-to-all ones."""
    count = synapse.num_inputs * synapse.num_neurons
    refuse(
        {
            "constant": (
                constant.max() > WEIGHT_MAX,
                "a norm's mean is at the lowest of its 8 bits. Use other weights",
            ),
            "images": (
                isinstance(synapse, Conv) and count > _MOST_WEIGHTS,
                "a norm's mean, or an input's bias, makes all-to-all synapses of a convolution, here of "
                f"{count} weights. Build it without, on smaller images, or with cuba neurons, which keep a mean",
            ),
        }
    )
    if isinstance(synapse, Conv):
        synapse = Dense(weight=synapse.sums(np.eye(synapse.num_inputs, dtype=np.int64)).T)
    return Dense(weight=np.concatenate([synapse.weight, constant[:, None]], axis=1))

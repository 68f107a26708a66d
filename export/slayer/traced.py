"""Between what a block puts out in torch and what its neurons did in the contract's integers, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...contract.errors import BackendError
from ...contract.fixed import WEIGHT_STEP
from ...contract.net import Layer
from ...contract.neurons import SPIKES
from ...contract.synapses.axon import arrivals
from ..parts.kinds import unheard
from ..parts.protocol import is_own_block
from . import registers, synapses

Variables = Mapping[str, npt.NDArray[np.int32]]


def variables(
    layer: Layer, part: Any, exp: int, x: torch.Tensor, output: torch.Tensor, *, every: bool = True
) -> Variables:
    """Return what a block's neurons did, as the contract's integers.

    Parameters
    ----------
    layer : Layer
        The block's record.
    part : block or Pair
        The block.
    exp : int
        The power of two that a payload of 1 that arrives means.
    x, output : Tensor
        What the block received and put out.
    every : bool
        Whether every register is wanted.

    Returns
    -------
    mapping of variable to ndarray of int32, shape (samples, neurons, steps)

    Raises
    ------
    BackendError
        The registers do not belong to what the block put out.
    """
    with unheard(part):
        if is_own_block(part):
            found: Variables = part.variables(x, output, registers=every)
        else:
            found = {name: _flat(values) for name, values in _stock(layer, part, exp, x, output).items()}
    if not torch.equal(played(layer, part, exp, found, output, x.shape[-1]), output):
        raise BackendError(
            f"layer {layer.name!r}: the module's forward pass and its registers disagree. A hook, dropout or state "
            "kept between calls changes the block's output; remove it before verifying."
        )
    return found


def played(layer: Layer, part: Any, exp: int, found: Variables, like: torch.Tensor, steps: int) -> torch.Tensor:
    """Return what a block puts out if its neurons did `found`.

    Parameters
    ----------
    layer, part, exp
        As in `variables`.
    found : mapping of variable to ndarray
        What the neurons did, over all steps.
    like : Tensor, shape (any number of samples, ...)
        Another output of the block, for its shape, type and device.
    steps : int
        Sample period.
    """
    if is_own_block(part):
        own: torch.Tensor = part.played(found, steps)
        return own.to(device=like.device, dtype=like.dtype)
    if SPIKES in found:
        values, unit = arrivals(layer.axon, found[SPIKES]), registers.payload_unit(part.neuron)
    elif hasattr(part, "neuron"):
        values, unit = found["v"], registers.register_unit(type(layer.neuron), part.neuron, exp)
    else:  # an average
        group = layer.num_inputs // part.num_outputs
        sums = torch.as_tensor(found["v"] // WEIGHT_STEP).to(like.dtype) * 2.0**exp
        means: torch.Tensor = (sums / group).reshape(len(sums), *like.shape[1:]).to(like.device)
        return means
    made: torch.Tensor = (torch.as_tensor(values).to(torch.float64) * unit).reshape(len(values), *like.shape[1:])
    return made.to(device=like.device, dtype=like.dtype)


def _stock(
    layer: Layer, block: Any, exp: int, x: torch.Tensor, output: torch.Tensor
) -> dict[str, npt.NDArray[np.int32]]:
    """Return the variables of a stock SLAYER block."""
    if not hasattr(block, "neuron"):
        return {"v": registers.averaged(block, output, layer.num_inputs, exp)}
    if layer.feedback is not None:
        return registers.recurrent_variables(type(layer.neuron), block, x)
    return registers.variables(type(layer.neuron), block.neuron, synapses.forward(block)(x), exp)


def _flat(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return values of shape (samples, ..., steps) with all neurons in one axis."""
    return values.reshape(len(values), -1, values.shape[-1])

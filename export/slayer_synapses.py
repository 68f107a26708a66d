"""SLAYER synapses -> synapse records, one function a kind of block.

A reader takes a whole block and returns the record of its synapses, or refuses, and its caller says which layer that
was. The live block is not touched (stock export strips its weight norm).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..contract.synapse import Dense, Synapse
from .refusal import refuse


def dense(block: Any) -> Dense:
    """Read all-to-all synapses; of complex ones, the real weights on top of the imaginary ones."""
    synapse = block.synapse
    parts = (synapse.real, synapse.imag) if getattr(synapse, "complex", False) else (synapse,)
    return Dense(weight=np.concatenate([levels(block, part).reshape(part.weight.shape[:2]) for part in parts]))


def levels(block: Any, synapse: Any) -> npt.NDArray[Any]:
    """Return the integer weights of one of a block's synapses, in the shape in which SLAYER keeps them."""
    refuse(
        {
            "pre_hook_fx": (
                getattr(synapse.pre_hook_fx, "__func__", None) is not type(block.neuron).quantize_8bit,
                "only the neuron's quantize_8bit gives 8-bit weights. Leave pre_hook_fx at its default",
            ),
            "mask": (
                getattr(block, "mask", None) is not None and synapse.weight_norm_enabled,
                "SLAYER's forward computes the weights anew from their norm after it has masked them, so the mask does "
                "nothing. Build the block with weight_norm=False",
            ),
        }
    )
    with torch.no_grad():
        weight = synapse.weight
        if getattr(block, "mask", None) is not None:
            weight = weight * block.mask
        found: npt.NDArray[Any] = np.round(synapse.pre_hook_fx(weight, descale=True).cpu().numpy())
    return found


READERS: dict[str, Callable[[Any], Synapse]] = {"Dense": dense}
"""Kind of block, as its class in ``lava.lib.dl.slayer.block.<family>`` is called -> its reader."""

"""What SLAYER's blocks keep from one call to the next.

A recurrent block sets its neurons' ``persistent_state`` whatever its parameters say: a second call with a batch of the
same size goes on from the end of the first. A record's samples begin at reset.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def reset_state(module: nn.Module) -> None:
    """Let the next call of a module with recurrent SLAYER blocks begin at reset, as simulations do.

    Call it before every batch, in training and in evaluation.

    Parameters
    ----------
    module : Module
        The network.
    """
    for neuron, name, buffer in _states(module):
        setattr(neuron, name, buffer.new_zeros(0))  # no sample is in it, so the neuron starts a new one


@contextmanager
def at_reset(module: nn.Module) -> Iterator[None]:
    """Let a module begin at reset in a ``with`` block, and give it back what it kept before."""
    kept = _states(module)
    reset_state(module)
    try:
        yield
    finally:
        for neuron, name, buffer in kept:
            setattr(neuron, name, buffer)


def _states(module: nn.Module) -> list[tuple[Any, str, torch.Tensor]]:
    """Return (neuron, name, buffer) of all states that SLAYER's neurons keep."""
    return [
        (neuron, name, buffer)
        for neuron in module.modules()
        if getattr(neuron, "persistent_state", False)
        for name, buffer in neuron.named_buffers(recurse=False)
        if name.endswith("_state") and name != "spike_state"
    ]

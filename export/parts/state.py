"""What SLAYER's blocks keep from one call to the next.

A recurrent block, and one of k winners, sets its neurons' ``persistent_state`` whatever its parameters say: a second
call with a batch of the same size goes on from the end of the first. A record's samples begin at reset.
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
    for owner, name, value in _states(module):
        # No sample is in it, so a new one starts.
        setattr(owner, name, None if value is None else value.new_zeros(0))


@contextmanager
def at_reset(module: nn.Module) -> Iterator[None]:
    """Let a module begin at reset in a ``with`` block, and give it back what it kept before."""
    kept = _states(module)
    reset_state(module)
    try:
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)


def _states(module: nn.Module) -> list[tuple[Any, str, torch.Tensor | None]]:
    """Return (owner, name, value) of all that SLAYER's neurons keep, and of the output that a block delays."""
    under_way = [
        (block, "delay_buffer", getattr(block, "delay_buffer", None))
        for block in module.modules()
        if getattr(block, "delay_shift", False) and getattr(block.neuron, "persistent_state", False)
    ]
    return under_way + [
        (neuron, name, buffer)
        for neuron in module.modules()
        if getattr(neuron, "persistent_state", False)
        for name, buffer in neuron.named_buffers(recurse=False)
        if name.endswith("_state") and name != "spike_state"
    ]

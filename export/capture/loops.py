"""Loops over time: a forward pass that calls its blocks once a step is the pass that calls them once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch

from ...contract.errors import UnsupportedError
from ..parts.state import at_reset

if TYPE_CHECKING:
    from .graph import Layer

T = TypeVar("T")


def groups(keys: Sequence[Hashable], calls: Sequence[T]) -> list[list[T]]:
    """Return the calls of each layer: one, or in a loop over time one a step.

    Parameters
    ----------
    keys : sequence
        Which layer each call is of.
    calls : sequence
        The calls.

    Returns
    -------
    list of list
        Layers in the order of their first calls. A layer whose calls do not repeat with those of all others has
        several calls that are no loop; `check` finds that out.
    """
    found: dict[Hashable, list[T]] = {}
    for key, call in zip(keys, calls, strict=True):
        found.setdefault(key, []).append(call)
    return list(found.values())


def check(layer: Layer) -> None:
    """Refuse a layer that is called several times, unless one call with all steps puts out the same.

    Raises
    ------
    UnsupportedError
        Naming the block and what to do.
    """
    part = layer.part
    modules = [part] if isinstance(part, torch.nn.Module) else [part.synapse, part.neuron]
    with at_reset(torch.nn.ModuleList(modules)):
        whole = layer.run(layer.received)
    if isinstance(whole, tuple) or not torch.equal(whole, layer.output):
        if hasattr(part, "recurrent_synapse") or hasattr(part, "self_excitation"):
            raise UnsupportedError(
                f"{layer.place}: {layer.name!r} is called step by step, and SLAYER's recurrent blocks feed nothing "
                "back from call to call. Call it once with all steps."
            )
        raise UnsupportedError(
            f"{layer.place}: {layer.name!r} is called step by step, and in one call with all steps it puts out "
            "something else: it does not carry its state from call to call. Call it once with all steps (SLAYER's "
            "blocks take a whole sample), or give its neurons persistent_state=True."
        )

"""Loops over time: a forward pass that calls its blocks once a step is the pass that calls them once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch

from ...contract.errors import UnsupportedError
from ..parts.state import at_reset

if TYPE_CHECKING:
    from .entries import Layer

T = TypeVar("T")


def groups(keys: Sequence[Hashable], calls: Sequence[T], is_loop: Callable[[Sequence[T]], bool]) -> list[list[T]]:
    """Return the calls of each layer: one, or in a loop over time one a step.

    Parameters
    ----------
    keys : sequence
        Which block each call is of.
    calls : sequence
        The calls.
    is_loop : callable
        Whether the calls of a block are those of a loop over time; else each is a layer, with the same weights.

    Returns
    -------
    list of list
        Layers in the order of their first calls.
    """
    found: dict[Hashable, list[T]] = {}
    for key, call in zip(keys, calls, strict=True):
        found.setdefault(key, []).append(call)
    several = {key for key, of in found.items() if len(of) > 1 and not is_loop(of)}
    made: dict[Hashable, list[T]] = {}
    for i, (key, call) in enumerate(zip(keys, calls, strict=True)):
        made.setdefault((key, i if key in several else -1), []).append(call)
    return list(made.values())


def is_loop(part: object, lengths: Sequence[int], steps: int, axes: Sequence[int]) -> bool:
    """Whether the calls of a block are those of a loop over time, and not each a layer with the same weights.

    Parameters
    ----------
    part : object
        The block, or the pair of synapses and neurons.
    lengths : sequence of int
        How many steps each call receives.
    steps : int
        Length of the module's input in time, if its last axis is time.
    axes : sequence of int
        Lengths of all axes of the module's input but that of samples.
    """
    if _carries_state(part):
        return True  # what goes on where it ended is no layer of its own
    return sum(lengths) == steps or (set(lengths) == {1} and sum(lengths) in axes)


def _carries_state(part: object) -> bool:
    """Whether a block's neurons go on in a call where they ended in the one before, as asked for."""
    kept = getattr(getattr(part, "neuron", None), "persistent_state", False)
    return bool(kept) and not _feeds_back(part)


def _feeds_back(part: object) -> bool:
    """Whether a block hears its own spikes; such blocks set ``persistent_state`` unasked."""
    return hasattr(part, "recurrent_synapse") or hasattr(part, "self_excitation")


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
        if _feeds_back(part):
            raise UnsupportedError(
                f"{layer.place}: {layer.name!r} is called step by step, and SLAYER's recurrent blocks feed nothing "
                "back from call to call. Call it once with all steps."
            )
        if _carries_state(part):
            raise UnsupportedError(
                f"{layer.place}: {layer.name!r} is called step by step, and in one call with all steps it puts out "
                "something else: its state changes outside the loop, by calls whose output nothing uses or by a reset. "
                "Let all calls be steps of one loop."
            )
        raise UnsupportedError(
            f"{layer.place}: {layer.name!r} is called step by step, and in one call with all steps it puts out "
            "something else: it does not carry its state from call to call. Call it once with all steps (SLAYER's "
            "blocks take a whole sample), or give its neurons persistent_state=True."
        )

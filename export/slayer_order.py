"""The order in which a module calls its blocks.

A Sequential calls its members in their order. What another module does, only a forward pass of a sample shows: which
blocks it calls, and that each receives what the one before put out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..contract.errors import InputError, UnsupportedError

STOCK = "lava.lib.dl.slayer.block."
"""Where SLAYER's blocks live."""


def members(module: Any, sample: torch.Tensor | None) -> list[Any]:
    """Return a network's blocks, and what stands between them, in the order in which they run.

    Parameters
    ----------
    module : Module
        The network, see `spikeproof.export.slayer.blocks`.
    sample : Tensor or None
        An input. With it, a module with a forward pass of its own is run once, in evaluation mode; without it, the
        order in which the module lists its blocks is taken for the order in which it calls them.

    Raises
    ------
    UnsupportedError
        There are no blocks to find, one is called twice, or one receives something else than the one before put out.
    InputError
        The module does not take the sample.
    """
    found = getattr(module, "blocks", module)
    if sample is not None and not _is_plain(module):
        try:
            return _called(module, sample)
        except InputError:  # whoever runs the record says it better
            if not isinstance(found, nn.Sequential | nn.ModuleList):
                raise
    if not isinstance(found, nn.Sequential | nn.ModuleList) and not is_block(found):
        raise UnsupportedError(
            f"{type(module).__name__} has no .blocks and is no Sequential, so the order of its layers is unknown. "
            "Keep the layers in an nn.ModuleList or nn.Sequential called blocks, or pass sample=, an input."
        )
    return list(_flat(found))


def kind(module: Any) -> tuple[str, str]:
    """Return the family and the kind of a stock block, ("cuba", "Dense") say; of other modules two empty strings."""
    full = f"{type(module).__module__}.{type(module).__name__}"
    family, _, name = full.removeprefix(STOCK).partition(".")
    return (family, name) if full.startswith(STOCK) else ("", "")


def is_block(module: Any) -> bool:
    """Whether a module is a block of ours or of SLAYER's, or stands between blocks as a CPG Concat does."""
    ours = (hasattr(module, "synapse") and hasattr(module, "record")) or hasattr(module, "oscillators")
    return ours or type(module).__module__.startswith(STOCK)


def _is_plain(module: Any) -> bool:
    """Whether a module calls blocks, and nothing else, in the order in which it holds them."""
    return is_block(module) or (type(module) is nn.Sequential and all(_is_plain(member) for member in module))


def _flat(module: Any) -> Iterator[Any]:
    if isinstance(module, nn.Sequential | nn.ModuleList) and not is_block(module):
        for member in module:
            yield from _flat(member)
    else:
        yield module


def _called(module: nn.Module, sample: torch.Tensor) -> list[Any]:
    """Return the blocks that a forward pass calls."""
    calls: list[tuple[Any, torch.Tensor, Any]] = []

    def keep(block: nn.Module, args: tuple[torch.Tensor, ...], output: Any) -> None:
        calls.append((block, args[0], output))

    hooks = [each.register_forward_hook(keep) for each in _blocks_in(module)]
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            module(sample)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"The module does not take input of shape {tuple(sample.shape)}: {error}") from None
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    if not calls:
        raise UnsupportedError(f"{type(module).__name__} calls no block of SLAYER's or of ours in its forward pass.")
    before: Any = sample
    for i, (block, received, output) in enumerate(calls, start=1):
        where = f"call {i}, of {type(block).__module__.rsplit('.', 1)[-1]}.{type(block).__name__}"
        if any(block is other for other, _, _ in calls[: i - 1]):
            raise UnsupportedError(f"{where}: the block runs twice in a forward pass; a record's layers run once.")
        same = torch.is_tensor(before) and received.numel() == before.numel()
        if not same or not torch.equal(received.reshape(-1), before.reshape(-1)):
            raise UnsupportedError(
                f"{where}: it receives something else than {'the block before put out' if i > 1 else 'the input'}. "
                "Blocks must follow each other; put what is between them into a block."
            )
        before = output
    return [block for block, _, _ in calls]


def _blocks_in(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost blocks in a module."""
    for child in module.children():
        if is_block(child):
            yield child
        else:
            yield from _blocks_in(child)

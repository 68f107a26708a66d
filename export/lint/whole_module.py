"""What the exporter would refuse of a module, all of it, and what the rules find in the rest."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy.typing as npt
from torch import nn

from ...contract.errors import InputError, SpikeproofError
from ...contract.net import DEFAULT_STEPS, Input, sent_exp
from ..capture import guard
from ..parts import kinds
from ..slayer import network, rows
from ..slayer.blocks import Block, name_of, read_layer, source_of
from . import modules
from .finding import REFUSED, Finding, refusal
from .records import of_record

_FOLLOWS = ("size of its images is unknown", "number of its inputs is unknown")
"""Words of what is refused only because a layer before it was."""


def findings(
    module: nn.Module, *, steps: int | None, sample: npt.ArrayLike | None, input: Input | None
) -> list[Finding]:
    """Return what `spikeproof.record` would refuse, layer by layer, and what the rules find."""
    if not isinstance(module, nn.Module):
        raise InputError(f"{module!r:.100} is no module, no record and no file of a network.")
    if hasattr(module, "deployed"):  # no stack of blocks: it says itself what no record can hold
        whole: Any = module
        refused = [Finding(rule=REFUSED, severity="error", **part._asdict()) for part in whole.refusals()]
        return refused or of_record(network.record(module))
    try:
        listed = _listed(module, sample)
    except SpikeproofError as error:
        return [refusal(str(error)), *modules.of_blocks(module, [], captured=False)]
    known = [found for found in listed if kinds.is_block(found.module)]
    found = modules.of_blocks(module, [each.module for each in listed], captured=sample is not None)
    with contextlib.nullcontext() if sample is None else guard.undisturbed(module):  # read as it was run
        refused = _refused(listed, input)
    if refused or len(known) < len(listed):
        return refused + found
    encoded = any(hasattr(getattr(each.module, "neuron", None), "temporal_encoding") for each in listed)
    if steps is None and sample is None and not encoded:
        steps = DEFAULT_STEPS  # no rule about modules depends on it
    try:
        net = network.record(module, steps=steps, sample=sample, input=input)
    except SpikeproofError as error:
        return [refusal(str(error)), *found]
    return found + of_record(net)


def _listed(module: nn.Module, sample: npt.ArrayLike | None) -> list[Block]:
    """Return a module's blocks; without a sample, of a Sequential also what is none, wherever it stands."""
    if sample is not None:
        return [row.block for row in rows.captured(network.captured(module, sample))]
    if type(module) is nn.Sequential and not kinds.is_plain(module):
        listed, _ = rows.grouped(kinds.plain_members(module))
        if any(kinds.is_block(each.module) for each in listed):
            return listed
    return rows.listed(module)


def _refused(listed: list[Block], input: Input | None) -> list[Finding]:
    """Return the refusals of all blocks."""
    shape: tuple[int, ...] | None = None
    exp = source_of(listed[0].module, input).exp if kinds.is_block(listed[0].module) else 0
    refused: list[Finding] = []
    for i, block in enumerate(listed, start=1):
        if not kinds.is_block(block.module):
            name = name_of(block.module, i)
            why, fix = modules.reason(block.module)
            what = f"a {type(block.module).__name__} between the blocks"
            refused.append(Finding(rule=REFUSED, severity="error", where=name, what=what, why=why, fix=fix))
            shape, exp = None, 0
            continue
        try:
            layer, shape = read_layer(block, i, shape, exp)
            exp = sent_exp(layer)
        except SpikeproofError as error:
            if not refused or not any(words in str(error) for words in _FOLLOWS):
                refused.append(refusal(str(error), name_of(block.module, i)))
            shape, exp = None, 0
    return refused

"""What the exporter would refuse of a module, all of it, and what the rules find in the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from ...contract.errors import SpikeproofError
from ...contract.net import Input, sent_exp
from .. import slayer, slayer_order
from . import modules
from .finding import Finding
from .of_records import of_record
from .refusals import REFUSED, refusal

_STEPS = 100
"""Sample period where none is known: no rule about modules depends on it."""

_FOLLOWS = ("size of its images is unknown", "number of its inputs is unknown")
"""Words of what is refused only because a layer before it was."""


def findings(
    module: nn.Module, *, steps: int | None, sample: npt.ArrayLike | None, input: Input | None
) -> list[Finding]:
    """Return what `spikeproof.export.slayer.record` would refuse, layer by layer, and what the rules find."""
    if hasattr(module, "deployed"):  # no stack of blocks: it says itself what no record can hold
        whole: Any = module
        refused = [Finding(rule=REFUSED, severity="error", **part._asdict()) for part in whole.refusals()]
        return refused or of_record(slayer.record(module))
    try:
        listed = slayer.blocks(module, sample)
    except SpikeproofError as error:
        return [refusal(str(error)), *modules.of_blocks(module, [])]
    known = [found for found in listed if slayer_order.is_block(found.module)]
    found = modules.of_blocks(module, [each.module for each in listed])
    refused = _refused(listed, sample, input)
    foreign = len(known) < len(listed)
    if refused or foreign:
        return refused + found
    encoded = any(hasattr(getattr(each.module, "neuron", None), "temporal_encoding") for each in listed)
    if steps is None and sample is None and not encoded:
        steps = _STEPS
    try:
        net = slayer.record(module, steps=steps, sample=sample, input=input)
    except SpikeproofError as error:
        return [refusal(str(error)), *found]
    return found + of_record(net)


def _refused(listed: list[slayer.Block], sample: npt.ArrayLike | None, input: Input | None) -> list[Finding]:
    """Return the refusals of all blocks."""
    shape = None if sample is None else np.shape(sample)[1:-1]
    exp = slayer.source_of(listed[0].module, input).exp if slayer_order.is_block(listed[0].module) else 0
    refused: list[Finding] = []
    for i, block in enumerate(listed, start=1):
        if not slayer_order.is_block(block.module):
            name = slayer.name_of(block.module, i)
            why, mend = modules.reason(block.module)
            what = f"a {type(block.module).__name__} between the blocks"
            refused.append(Finding(rule=REFUSED, severity="error", where=name, what=what, why=why, mend=mend))
            shape, exp = None, 0
            continue
        try:
            layer, shape = slayer.read_layer(block, i, shape, exp)
            exp = sent_exp(layer)
        except SpikeproofError as error:
            if not refused or not any(words in str(error) for words in _FOLLOWS):
                refused.append(refusal(str(error), slayer.name_of(block.module, i)))
            shape, exp = None, 0
    return refused

"""Blocks -> layers of a record: spikeproof's own and SLAYER's.

What cannot be exact on Lava is refused here, by name, before anything is written.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import torch

from ...contract.errors import RecordError, UnsupportedError
from ...contract.fixed import DECAY_ONE, WEIGHT_EXP_MAX, WEIGHT_STEP
from ...contract.net import Input, Layer
from ...contract.neurons.readout import Readout
from ...contract.sources import Oscillators
from ...contract.synapses.axon import Axon
from ..parts import constants, kinds, protocol
from ..parts.pair import Pair, family_of
from ..refusal import refuse
from . import neurons, synapses
from .neurons import per_channel

Shape = tuple[int, ...]
"""Shape of what arrives at a block, or of its neurons: (neurons,) or (channels, rows, columns)."""


class Block(NamedTuple):
    """A layer of a network before it becomes a record."""

    module: Any
    """The block, with synapses and neurons, or a `Pair` of them."""
    cpg: Oscillators | None = None
    """Oscillators that it listens to beside its input."""
    flatten: bool = False
    """Whether images are flattened on their way to it."""
    shape: Shape | None = None
    """Shape of what arrives, if a run of the module showed it."""
    looped: bool = False
    """Whether a loop over time calls it, one step after the other."""
    enters: bool = False
    """Whether an input of the network reaches it."""
    moved: bool = False
    """Whether what arrives is another thing than what one source puts out."""


_HINTS = {
    "TimeDecimation": "it puts out fractions of spikes, and its output has another clock. Decimate the input before "
    "the network",
}
"""Kind of block that no record can hold -> why, and what to do."""


def source_of(first: Any, stated: Input | None) -> Input:
    """Return what enters a network whose first block is `first`."""
    if protocol.is_own_block(first):
        if callable(getattr(first, "input_record", None)):
            source: Input = first.input_record()
            return source
        return Input(num_channels=1)
    if rounds_input(first):
        source = Input(num_channels=1, bits=7, exp=_rounded_exp(first))
        if stated is not None and (stated.bits, stated.exp) != (source.bits, source.exp):
            raise UnsupportedError(
                f"Input: it rounds what enters to multiples of 2**{source.exp} itself. Leave input= out."
            )
        return source
    if stated is not None:
        return stated
    if kinds.kind(first)[0] == "sigma_delta":
        return Input(num_channels=1, bits=16, exp=-(first.neuron.s_scale.bit_length() - 1))
    return Input(num_channels=1)


def rounds_input(first: Any) -> bool:
    """Whether a SLAYER block that comes first rounds what enters, as ours do."""
    return kinds.kind(first)[1] == "Input"


def _rounded_exp(block: Any) -> int:
    """Return the power of two of whose multiples an input block makes its input."""
    return 2 - int(block.neuron.w_scale).bit_length()


def name_of(block: Any, index: int) -> str:
    """Return what the layer of a block is called, the `index`-th from 1 on."""
    return f"{kinds.label(block)}{index}"


def read_layer(found: Block, index: int, shape: Shape | None, exp: int) -> tuple[Layer, Shape]:
    """Return a block's record and the shape of its neurons.

    `shape` is that of what arrives, if it is known, and ``2**exp`` what a payload of 1 means.
    """
    block = found.module
    name = name_of(block, index)
    shape = found.shape or shape
    if found.flatten and shape is not None:
        shape = (math.prod(shape),)
    _refuse_nan(block, name)
    if protocol.is_own_block(block):
        layer = _own(block, name, found.enters, exp)
        shape = (layer.num_neurons,)
    else:
        try:
            layer, shape = _stock(block, name, shape, exp, found.looped)
        except (UnsupportedError, RecordError) as error:
            raise UnsupportedError(f"layer {name!r}: {error}") from None
    if found.cpg is not None and layer.cpg is not None:
        raise UnsupportedError(
            f"layer {name!r}: norm: behind a Concat there is no place for its mean. Build it without."
        )
    if found.cpg is not None and layer.delay.any():
        raise UnsupportedError(
            f"layer {name!r}: delay: behind a Concat the oscillators' spikes would be delayed too, and a record delays "
            "the others alone. Build it without, or with delay='axon'."
        )
    return layer if found.cpg is None else dataclasses.replace(layer, cpg=found.cpg), shape


def _refuse_nan(block: Any, name: str) -> None:
    for parameter, value in block.named_parameters():
        if not bool(torch.isfinite(value).all()):
            what = "nan" if bool(torch.isnan(value).any()) else "inf"
            raise UnsupportedError(
                f"layer {name!r}: {parameter} holds {what}: training diverged. Train with a smaller learning rate, or "
                "go back to a checkpoint from before."
            )
        if value.is_floating_point() and value.dtype != torch.float32:
            kind = str(value.dtype).removeprefix("torch.")
            raise UnsupportedError(
                f"layer {name!r}: {parameter} is {kind}, and SLAYER's integers are exact in float32. Call "
                "module.float() before."
            )


def _own(block: Any, name: str, enters: bool, exp: int) -> Layer:
    """Read a block that makes its record itself."""
    protocol.check(block, name)
    if not enters and getattr(block, "input", None) is not None:
        raise UnsupportedError(f"layer {name!r}: input_exp is for the first layer; this one receives spikes.")
    if not enters and exp:
        raise UnsupportedError(
            f"layer {name!r}: it takes unary spikes, but the layer before it sends graded ones. Put a SLAYER block "
            "here, or build the one before with graded_spike=False."
        )
    try:
        layer: Layer = block.record(name)
    except RecordError as error:
        raise UnsupportedError(f"layer {name!r}: {error}") from None
    return layer


def _stock(block: Any, name: str, shape: Shape | None, exp: int, looped: bool) -> tuple[Layer, Shape]:
    """Read a stock SLAYER block by the readers of its neuron and of its synapses."""
    family, kind = kinds.kind(block)
    if family and kind in _HINTS:
        raise UnsupportedError(f"{kind}: {_HINTS[kind]}.")
    if family and kind == "Average":
        return _average(block, name, shape)
    if family not in neurons.READERS or kind not in synapses.READERS:
        families, blocks = (", ".join(readers.READERS) for readers in (neurons, synapses))
        raise UnsupportedError(
            f"{_title(block)} cannot be exported yet. Supported are "
            f"spikeproof.celif.Dense, spikeproof.Readout and {kinds.STOCK}<family>.<kind> with families "
            f"{families} and kinds {blocks}."
        )
    _refuse_changed(block, family)
    _refuse_options(block, family, kind, exp, looped)
    synapse, shape = synapses.READERS[kind](block, shape)
    read = neurons.READERS.get(f"{family}.{kind}", neurons.READERS[family])
    neuron = read(block.neuron, shape, exp)
    constant = constants.added_to_sums(block, kind, shape)
    if constant is not None:
        synapse = constants.with_constant(synapse, constant)
    layer = Layer(
        name=name,
        synapse=synapse,
        neuron=neuron,
        scale=block.neuron.w_scale,
        cpg=None if constant is None else constants.ALWAYS,
        axon=_axon(block, shape),
        feedback=synapses.feedback(block, exp),
    )
    return layer, shape


def _title(block: Any) -> str:
    parts = (block.synapse, block.neuron) if isinstance(block, Pair) else (block,)
    return " with ".join(f"{type(part).__module__}.{type(part).__name__}" for part in parts)


def _refuse_changed(block: Any, family: str) -> None:
    """Refuse synapses and neurons that do something else than their class in SLAYER."""
    for name in ("synapse", "neuron"):
        part = getattr(block, name, None)
        method = "" if part is None else kinds.changed_method(part)
        if method:
            raise UnsupportedError(
                f"{name}: its method {method} is not SLAYER's own, and a record holds what SLAYER's computes. Leave it "
                "as it is, or write a block with a record of its own."
            )
    found = family_of(block.neuron) if hasattr(block, "synapse") else family
    if found and found != family:
        raise UnsupportedError(
            f"neuron: a block of {family} neurons holds one of {found}. Build slayer.block.{found} instead."
        )


def _refuse_options(block: Any, family: str, kind: str, exp: int, looped: bool) -> None:
    recurrent = kind in ("Recurrent", "KWTA")
    if (recurrent or kind == "Input") and neurons.is_complex(block.neuron):
        raise UnsupportedError(
            f"{kind}: SLAYER's own forward pass raises with the two sums of {family} neurons. Use cuba or alif."
        )
    if kind == "Input" and exp not in (0, _rounded_exp(block)):
        raise UnsupportedError("Input: it rounds the graded spikes that arrive. Put it first, or leave it out.")
    refuse(
        {
            "count_log": (block.count_log, "the block returns a tuple. Build it with count_log=False"),
            "dropout": (
                block.neuron.drop is not None and block.neuron.training,
                "the module is in training mode. Call .eval()",
            ),
            "persistent_state": (
                block.neuron.persistent_state and not recurrent and not looped,
                "samples must start from reset. Set it to False; a Recurrent or KWTA block sets it in the dictionary "
                "of parameters that it is given, so give every block one of its own",
            ),
            "graded_spike": (
                recurrent and block.neuron.graded_spike,
                "feedback is unary: graded spikes that are fed back have another unit than what arrives beside them. "
                "Set it to False",
            ),
            "what arrives": (
                recurrent and not 0 <= -exp <= WEIGHT_EXP_MAX,
                f"graded spikes arrive in units of 2**{exp}, and what comes back can be shifted by up to "
                f"{WEIGHT_EXP_MAX} bits. Put a block that sends unary spikes before it",
            ),
            "threshold": (
                kind == "KWTA" and synapses.winners_bias(block) != 0,
                "SLAYER adds a constant to what arrives in every step, and no synapse does. It is rounded to 0 if the "
                "threshold is at most n / |n - 2 k|, for k winners of n neurons",
            ),
        }
    )


def _average(block: Any, name: str, shape: Shape | None) -> tuple[Layer, Shape]:
    """Read an average as a read-out of every step: the sum of each group, of which 2 are a spike."""
    refuse({"count_log": (block.count_log, "the block returns a tuple. Build it with count_log=False")})
    synapse, shape = synapses.average(block, shape)
    neuron = Readout(num_neurons=block.num_outputs, v_decay=DECAY_ONE)
    return Layer(name=name, synapse=synapse, neuron=neuron, scale=WEIGHT_STEP), shape


def _axon(block: Any, shape: Shape) -> Axon | None:
    """Read a block's delays: the step of ``delay_shift``, and learned ones, of which SLAYER uses the whole steps."""
    delay: Any = 0
    if block.delay is not None:
        drawn = block.delay.init
        refuse({"delay": (not drawn, "it is drawn in the block's first forward pass. Run the module once")})
        delay = block.delay.delay.detach().clamp(0, block.delay.max_delay).floor().cpu().numpy()
    # A sigma-delta input block does not look at its own.
    late = getattr(block, "delay_shift", False) and kinds.kind(block) != ("sigma_delta", "Input")
    delay = per_channel(np.asarray(delay), shape) + int(late)
    return Axon(delay=delay) if delay.any() else None

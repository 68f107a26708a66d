"""PyTorch modules -> network records: spikeproof's blocks and stock SLAYER blocks.

What cannot be exact on Lava is refused here, by name, before anything is written.
"""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..contract.axon import Axon
from ..contract.errors import LintWarning, RecordError, UnsupportedError
from ..contract.fixed import DECAY_ONE, WEIGHT_STEP
from ..contract.net import Input, Layer, Net, sent_exp
from ..contract.neurons import RULES
from ..contract.oscillators import Oscillators
from ..contract.readout import Readout
from . import netx, slayer_constants, slayer_neurons, slayer_order, slayer_synapses
from .lint import modules as lint_modules
from .refusal import refuse
from .slayer_neurons import per_channel


class Block(NamedTuple):
    """A layer of a network before it becomes a record."""

    module: Any
    """The block: a spikeproof or SLAYER module with synapses and neurons."""
    cpg: Oscillators | None
    """Oscillators that it listens to beside its input."""
    flatten: bool = False
    """Whether images are flattened on their way to it."""


def blocks(module: nn.Module, sample: npt.ArrayLike | None = None) -> list[Block]:
    """Return a network's layers in the order in which they run.

    Parameters
    ----------
    module : Module
        A Sequential of blocks, nested or not, a module with ``.blocks``, as SLAYER's examples have, or a single block.
        With `sample`, any module whose forward pass calls blocks one after the other. A `spikeproof.cpg.Concat`
        belongs to the block that follows it.
    sample : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps), optional
        Input. A module with a forward pass of its own is run on it, which shows the order of its blocks.

    Raises
    ------
    UnsupportedError
        There are no blocks to find, they do not follow each other, or a Concat has no block behind it.
    InputError
        The module does not take the sample.
    """
    if hasattr(module, "deployed"):
        raise UnsupportedError(
            f"{type(module).__name__}: it has no blocks, whose forward pass is that of integers, but is made into a "
            "record as a whole. Go on with that: spikeproof.record(module)."
        )
    listed: list[Block] = []
    cpg: Oscillators | None = None
    flatten = False
    for member in slayer_order.members(module, None if sample is None else _tensor(module, sample)):
        if hasattr(member, "oscillators"):
            if cpg is not None:
                raise UnsupportedError(
                    "Two Concat modules follow each other; a layer listens to one set of oscillators."
                )
            cpg = member.oscillators()
        elif slayer_order.kind(member)[1] == "Flatten":
            flatten = True
        elif slayer_order.kind(member)[1] == "Input" and member.neuron is None:
            family = slayer_order.kind(member)[0]
            if member.delay_shift or family == "sigma_delta":
                mend = "Leave" if family == "sigma_delta" else "Build it with delay_shift=False, or leave"
                raise UnsupportedError(f"Input: without a neuron SLAYER's own forward pass raises. {mend} it out.")
        else:
            listed.append(Block(member, cpg, flatten))
            cpg, flatten = None, False
    if not listed or cpg is not None:
        what = "ends in a Concat" if cpg is not None else "holds no layers"
        raise UnsupportedError(f"{type(module).__name__} {what}. Add the dense block that it is for.")
    return listed


def _tensor(module: nn.Module, sample: npt.ArrayLike) -> torch.Tensor:
    parameter = next(module.parameters(), torch.empty(0))
    return torch.as_tensor(np.asarray(sample), dtype=torch.float32, device=parameter.device)


def record(
    module: nn.Module,
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | None = None,
) -> Net:
    """Return the integers of a trained network; the live module is not changed.

    Parameters
    ----------
    module : Module
        The network, see `blocks`.
    steps : int, optional
        Sample period. Default: that of `sample`, or the number of columns of the temporal encoding.
    sample : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps), optional
        Input. Convolutions need it for the size of their images, and a module with a forward pass of its own for the
        order of its blocks: it is run on it once.
    input : Input, optional
        What enters a stock SLAYER block that comes first: unary spikes by default, or up to 16 bits of the block's
        own payload units for sigma-delta. Its channels are counted from the block. A spikeproof block says itself
        what it takes.

    Returns
    -------
    Net
        The record. Layers are called after their kind and place: ``celif1``, ``cuba2``, ``readout3``.

    Raises
    ------
    UnsupportedError
        A layer or an option cannot be made exact; the message names the layer, the reason and the mend.
    """
    deployed: Any = getattr(module, "deployed", None)
    if deployed is not None:  # what is no stack of blocks makes its record itself
        whole: Net = deployed()
        return whole
    listed = blocks(module, sample)
    shape = None if sample is None else np.shape(sample)[1:-1]
    source = source_of(listed[0].module, input)
    layers: list[Layer] = []
    for i, block in enumerate(listed, start=1):
        layer, shape = read_layer(block, i, shape, sent_exp(layers[-1]) if layers else source.exp)
        layers.append(layer)
        if i < len(listed) and not RULES[type(layer.neuron)].fires:
            raise UnsupportedError(
                f"layer {layer.name!r}: {type(block.module).__name__}: it puts out numbers in every step, and synapses "
                "carry spikes. Put it last."
            )
    encoding = _shared_encoding(listed)
    if steps is None:
        steps = getattr(encoding, "steps", None) if sample is None else np.shape(sample)[-1]
        if steps is None:
            raise UnsupportedError(
                "The network has no temporal encoding to take the sample length from. Pass steps= or sample=, an input."
            )
    if input is None and not hasattr(listed[0].module, "record") and source.bits:
        synapse = layers[0].synapse  # as many bits as its sums have room for
        room = (2 ** (synapse.port_bits - 1) - 1) // max(1, synapse.bound(1))
        source = dataclasses.replace(source, bits=max(1, min(source.bits, (room + 1).bit_length() - 1)))
    return Net(
        input=dataclasses.replace(source, num_channels=layers[0].num_inputs),
        layers=tuple(layers),
        steps=steps,
        te=None if encoding is None else encoding.record(),
    )


def export_netx(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | None = None,
) -> Net:
    """Write a trained network to a NetX HDF5 file.

    Parameters
    ----------
    module : Module
        The network, see `blocks`.
    path : path-like
        Where to; the file appears whole or not at all.
    steps, sample, input : optional
        As in `record`.

    Returns
    -------
    Net
        The record that was written.

    Raises
    ------
    UnsupportedError
        See `record`; nothing is written.
    InputError
        The folder cannot be written to.

    Warns
    -----
    LintWarning
        A part of the module is not in the file, or is trained on what a simulation does not have; see
        `spikeproof.lint`.
    """
    net = record(module, steps=steps, sample=sample, input=input)
    netx.write(net, path)
    if hasattr(module, "deployed"):
        return net
    for found in lint_modules.of_blocks(module, [each.module for each in blocks(module, sample)]):
        if found.severity == "warning":
            warnings.warn(str(found), LintWarning, stacklevel=2)
    return net


def _shared_encoding(listed: Iterable[Block]) -> Any:
    encodings = {
        id(block.module.neuron.temporal_encoding): block.module.neuron.temporal_encoding
        for block in listed
        if hasattr(getattr(block.module, "neuron", None), "temporal_encoding")
    }
    if len(encodings) > 1:
        raise UnsupportedError(
            f"The CE-LIF layers use {len(encodings)} different TemporalEncoding objects; a network shares one. Give "
            "every layer the same object."
        )
    return next(iter(encodings.values()), None)


_MENDS = {
    "TimeDecimation": "it puts out fractions of spikes, and its output has another clock. Decimate the input before "
    "the network",
}
"""Kind of block that no record can hold -> why, and what to do."""

Shape = tuple[int, ...]
"""Shape of what arrives at a block, or of its neurons: (neurons,) or (channels, rows, columns)."""


def source_of(first: Any, stated: Input | None) -> Input:
    """Return what enters a network whose first block is `first`."""
    if hasattr(first, "input_record"):
        source: Input = first.input_record()
        return source
    if rounds_input(first):
        source = Input(num_channels=1, bits=7, exp=_rounded_exp(first))
        if stated is not None and (stated.bits, stated.exp) != (source.bits, source.exp):
            raise UnsupportedError(
                f"Input: it rounds what enters to multiples of 2**{source.exp} itself. Leave input= out."
            )
        return source
    if stated is not None:
        return stated
    if slayer_order.kind(first)[0] == "sigma_delta":
        return Input(num_channels=1, bits=16, exp=-(first.neuron.s_scale.bit_length() - 1))
    return Input(num_channels=1)


def rounds_input(first: Any) -> bool:
    """Whether a SLAYER block that comes first rounds what enters, as ours do."""
    return slayer_order.kind(first)[1] == "Input"


def _rounded_exp(block: Any) -> int:
    """Return the power of two of whose multiples an input block makes its input."""
    return 2 - int(block.neuron.w_scale).bit_length()


def name_of(block: Any, index: int) -> str:
    """Return what the layer of a block is called, the `index`-th from 1 on."""
    return f"{type(block).__module__.rsplit('.', 1)[-1]}{index}"


def read_layer(found: Block, index: int, shape: Shape | None, exp: int) -> tuple[Layer, Shape]:
    """Return a block's record and the shape of its neurons.

    `shape` is that of what arrives, if it is known, and ``2**exp`` what a payload of 1 means.
    """
    block = found.module
    name = name_of(block, index)
    if found.flatten and shape is not None:
        shape = (math.prod(shape),)
    if hasattr(block, "record"):
        if index > 1 and getattr(block, "input", None) is not None:
            raise UnsupportedError(f"layer {name!r}: input_exp is for the first layer; this one receives spikes.")
        if index > 1 and exp:
            raise UnsupportedError(
                f"layer {name!r}: it takes unary spikes, but the layer before it sends graded ones. Put a SLAYER block "
                "here, or build the one before with graded_spike=False."
            )
        layer: Layer = block.record(name)
        shape = (layer.num_neurons,)
    else:
        try:
            layer, shape = _stock(block, name, shape, exp)
        except (UnsupportedError, RecordError) as error:
            raise UnsupportedError(f"layer {name!r}: {error}") from None
    if found.cpg is not None and layer.cpg is not None:
        raise UnsupportedError(
            f"layer {name!r}: norm: behind a Concat there is no place for its mean. Build it without."
        )
    return layer if found.cpg is None else dataclasses.replace(layer, cpg=found.cpg), shape


def _stock(block: Any, name: str, shape: Shape | None, exp: int) -> tuple[Layer, Shape]:
    """Read a stock SLAYER block by the readers of its neuron and of its synapses."""
    family, kind = slayer_order.kind(block)
    if family and kind in _MENDS:
        raise UnsupportedError(f"{kind}: {_MENDS[kind]}.")
    if family and kind == "Average":
        return _average(block, name, shape)
    if family not in slayer_neurons.READERS or kind not in slayer_synapses.READERS:
        families, kinds = (", ".join(readers.READERS) for readers in (slayer_neurons, slayer_synapses))
        raise UnsupportedError(
            f"{type(block).__module__}.{type(block).__name__} cannot be exported yet. Supported are "
            f"spikeproof.celif.Dense, spikeproof.Readout and {slayer_order.STOCK}<family>.<kind> with families "
            f"{families} and kinds {kinds}."
        )
    recurrent = kind in ("Recurrent", "KWTA")
    if (recurrent or kind == "Input") and slayer_neurons.is_complex(block.neuron):
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
                block.neuron.persistent_state and not recurrent,
                "samples must start from reset. Set it to False; a Recurrent or KWTA block sets it in the dictionary "
                "of parameters that it is given, so give every block one of its own",
            ),
            "graded_spike": (
                recurrent and block.neuron.graded_spike,
                "feedback is unary: graded spikes that are fed back have another unit than what arrives beside them. "
                "Set it to False",
            ),
            "threshold": (
                kind == "KWTA" and slayer_synapses.winners_bias(block) != 0,
                "SLAYER adds a constant to what arrives in every step, and no synapse does. It is rounded to 0 if the "
                "threshold is at most n / |n - 2 k|, for k winners of n neurons",
            ),
        }
    )
    synapse, shape = slayer_synapses.READERS[kind](block, shape)
    read = slayer_neurons.READERS.get(f"{family}.{kind}", slayer_neurons.READERS[family])
    neuron = read(block.neuron, shape, exp)
    constant = slayer_constants.added_to_sums(block, kind, shape)
    if constant is not None:
        synapse = slayer_constants.with_constant(synapse, constant)
    layer = Layer(
        name=name,
        synapse=synapse,
        neuron=neuron,
        scale=block.neuron.w_scale,
        cpg=None if constant is None else slayer_constants.ALWAYS,
        axon=_axon(block, shape),
        feedback=slayer_synapses.feedback(block),
    )
    return layer, shape


def _average(block: Any, name: str, shape: Shape | None) -> tuple[Layer, Shape]:
    """Read an average as a read-out of every step: the sum of each group, of which 2 are a spike."""
    refuse({"count_log": (block.count_log, "the block returns a tuple. Build it with count_log=False")})
    synapse, shape = slayer_synapses.average(block, shape)
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
    late = getattr(block, "delay_shift", False) and slayer_order.kind(block) != ("sigma_delta", "Input")
    delay = per_channel(delay, shape) + int(late)
    return Axon(delay=delay) if delay.any() else None

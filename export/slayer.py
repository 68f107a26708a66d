"""PyTorch modules -> network records: spikeproof's blocks and stock SLAYER blocks.

What cannot be exact on Lava is refused here, by name, before anything is written.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from torch import nn

from ..contract.axon import Axon
from ..contract.errors import UnsupportedError
from ..contract.net import Input, Layer, Net
from ..contract.oscillators import Oscillators
from . import netx, slayer_neurons, slayer_synapses
from .refusal import refuse
from .slayer_neurons import per_channel

_STOCK = "lava.lib.dl.slayer.block."


class Block(NamedTuple):
    """A layer of a network before it becomes a record."""

    module: Any
    """The block: a spikeproof or SLAYER module with synapses and neurons."""
    cpg: Oscillators | None
    """Oscillators that it listens to beside its input."""


def blocks(module: nn.Module) -> list[Block]:
    """Return a network's blocks in the order in which they run.

    Parameters
    ----------
    module : Module
        A module with ``.blocks``, as SLAYER's examples have, a Sequential or ModuleList, nested or not, or a single
        block. A `spikeproof.cpg.Concat` belongs to the block that follows it.

    Raises
    ------
    UnsupportedError
        There are no blocks to find, or a Concat has no block behind it.
    """
    found = getattr(module, "blocks", module)
    if not isinstance(found, nn.Sequential | nn.ModuleList) and not hasattr(found, "synapse"):
        raise UnsupportedError(
            f"{type(module).__name__} has no .blocks and is no Sequential, so the order of its layers is unknown. "
            "Keep the layers in an nn.ModuleList or nn.Sequential called blocks."
        )
    listed: list[Block] = []
    cpg: Oscillators | None = None
    for member in _flat(found):
        if hasattr(member, "oscillators"):
            if cpg is not None:
                raise UnsupportedError(
                    "Two Concat modules follow each other; a layer listens to one set of oscillators."
                )
            cpg = member.oscillators()
        else:
            listed.append(Block(member, cpg))
            cpg = None
    if not listed or cpg is not None:
        what = "ends in a Concat" if cpg is not None else "holds no layers"
        raise UnsupportedError(f"{type(module).__name__} {what}. Add the dense block that it is for.")
    return listed


def _flat(module: Any) -> Iterator[Any]:
    if isinstance(module, nn.Sequential | nn.ModuleList):
        for member in module:
            yield from _flat(member)
    else:
        yield module


def record(module: nn.Module, *, steps: int | None = None) -> Net:
    """Return the integers of a trained network; the live module is not changed.

    Parameters
    ----------
    module : Module
        The network, see `blocks`.
    steps : int, optional
        Sample period. Default: the number of columns of the temporal encoding.

    Returns
    -------
    Net
        The record. Layers are called after their kind and place: ``celif1``, ``cuba2``, ``readout3``.

    Raises
    ------
    UnsupportedError
        A layer or an option cannot be made exact; the message names the layer, the reason and the mend.
    """
    listed = blocks(module)
    layers = tuple(_layer(block, i) for i, block in enumerate(listed, start=1))
    encoding = _shared_encoding(listed)
    if steps is None:
        steps = getattr(encoding, "steps", None)
        if steps is None:
            raise UnsupportedError("The network has no temporal encoding to take the sample length from. Pass steps=.")
    first = listed[0].module
    source = first.input_record() if hasattr(first, "input_record") else Input(num_channels=1)
    return Net(
        input=dataclasses.replace(source, num_channels=layers[0].num_inputs),
        layers=layers,
        steps=steps,
        te=None if encoding is None else encoding.record(),
    )


def export_netx(module: nn.Module, path: str | os.PathLike[str], *, steps: int | None = None) -> Net:
    """Write a trained network to a NetX HDF5 file.

    Parameters
    ----------
    module : Module
        The network, see `blocks`.
    path : path-like
        Where to; the file appears whole or not at all.
    steps : int, optional
        Sample period. Default: the number of columns of the temporal encoding.

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
    """
    net = record(module, steps=steps)
    netx.write(net, path)
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


def _layer(found: Block, index: int) -> Layer:
    block = found.module
    name = f"{type(block).__module__.rsplit('.', 1)[-1]}{index}"
    layer = _layer_alone(block, name, index)
    return layer if found.cpg is None else dataclasses.replace(layer, cpg=found.cpg)


def _layer_alone(block: Any, name: str, index: int) -> Layer:
    if hasattr(block, "record"):
        if index > 1 and getattr(block, "input", None) is not None:
            raise UnsupportedError(f"layer {name!r}: input_exp is for the first layer; this one receives spikes.")
        layer: Layer = block.record(name)
        return layer
    try:
        return _stock(block, name)
    except UnsupportedError as error:
        raise UnsupportedError(f"layer {name!r}: {error}") from None


def _stock(block: Any, name: str) -> Layer:
    """Read a stock SLAYER block by the readers of its neuron and of its synapses."""
    full = f"{type(block).__module__}.{type(block).__name__}"
    family, _, kind = full.removeprefix(_STOCK).partition(".")
    if not full.startswith(_STOCK) or family not in slayer_neurons.READERS or kind not in slayer_synapses.READERS:
        families, kinds = (", ".join(readers.READERS) for readers in (slayer_neurons, slayer_synapses))
        raise UnsupportedError(
            f"{full} cannot be exported yet. Supported are spikeproof.celif.Dense, spikeproof.Readout and {_STOCK}"
            f"<family>.<kind> with families {families} and kinds {kinds}."
        )
    refuse(
        {
            "count_log": (block.count_log, "the block returns a tuple. Build it with count_log=False"),
        }
    )
    synapse = slayer_synapses.READERS[kind](block)
    shape = (synapse.num_neurons // (2 if block.neuron.complex else 1),)
    neuron = slayer_neurons.READERS[family](block.neuron, shape)
    return Layer(name=name, synapse=synapse, neuron=neuron, scale=block.neuron.w_scale, axon=_axon(block, shape))


def _axon(block: Any, shape: tuple[int, ...]) -> Axon | None:
    """Read a block's delays: the step of ``delay_shift``, and learned ones, of which SLAYER uses the whole steps."""
    delay: Any = 0
    if block.delay is not None:
        drawn = block.delay.init
        refuse({"delay": (not drawn, "it is drawn in the block's first forward pass. Run the module once")})
        delay = block.delay.delay.detach().clamp(0, block.delay.max_delay).floor().cpu().numpy()
    delay = per_channel(delay, shape) + int(getattr(block, "delay_shift", False))
    return Axon(delay=delay) if delay.any() else None

"""PyTorch modules -> network records: the blocks that a run of the module calls, one after the other."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import BackendError, InputError, LintWarning, UnsupportedError
from ...contract.net import Input, Layer, Net, sent_exp
from ...contract.synapses.conv import Conv
from .. import netx
from ..capture import guard
from ..capture.capture import Capture, CaptureError, capture
from ..capture.host import Host, Operation, listed
from ..lint import modules as lint_modules
from ..parts import kinds
from ..parts.protocol import is_own_block
from . import chain, fold, traced
from .blocks import Block, read_layer, rounds_input, source_of


class Network(NamedTuple):
    """A module's record, and the run of the module that it was read from."""

    net: Net
    blocks: tuple[Block, ...]
    """One a layer of the record."""
    capture: Capture | None
    """None for a plain Sequential that was listed without a sample."""
    places: tuple[int, ...]
    """For each layer of the record, its place among the capture's."""

    @property
    def host(self) -> Host:
        """What runs on the host around the network; of a plain Sequential, what its last block adds."""
        around = Host() if self.capture is None else self.capture.host
        words = getattr(self.blocks[-1].module, "on_host", "")
        divides = (Operation(words, None),) if words else ()
        return around._replace(after=(*divides, *around.after))

    @property
    def has_tail(self) -> bool:
        """Whether the host makes something of what the network puts out."""
        return self.capture is not None and bool(self.capture.host.after)


def takes_stated_input(found: Capture) -> bool:
    """Whether the first block leaves open what enters it, as stock blocks but ``Input`` do."""
    first = found.layers[0].part
    return not is_own_block(first) and not rounds_input(first)


def record(
    module: nn.Module,
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | None = None,
) -> Net:
    """Return the integers of a trained network; the live module is not changed.

    Only `spikeproof.verify` proves that they are the module's: a record alone compares nothing with ``module(x)``. It
    holds the blocks that the forward pass calls, and notes what stands in front of them and behind them, which runs on
    the host.

    Parameters
    ----------
    module : Module
        The network: any module that calls blocks one after the other. A Sequential of blocks, or a block, may go
        without `sample`.
    steps : int, optional
        Sample period. Default: that of `sample`, or the number of columns of the temporal encoding.
    sample : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps), optional
        Input, as the module takes it: the module is run on two samples of it. Convolutions need it for the size of
        their images, and a module with a forward pass of its own, because only a run shows what that does.
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
        A layer, an option or an operation between layers cannot be made exact; the message names it, its place, the
        reason and what to do.
    InputError
        The module does not take the sample.
    """
    deployed: Any = getattr(module, "deployed", None)
    if deployed is not None:  # what is no stack of blocks makes its record itself
        whole: Net = deployed()
        return whole
    return network(module, steps=steps, sample=sample, input=input).net


def network(
    module: nn.Module,
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | None = None,
) -> Network:
    """Return a module's record with what it was read from; see `record`."""
    if hasattr(module, "deployed"):
        raise UnsupportedError(
            f"{type(module).__name__}: it has no blocks, whose forward pass is that of integers, but is made into a "
            "record as a whole. Go on with that: spikeproof.record(module)."
        )
    if sample is None:
        found = chain.listed(module)
        made = Network(None, tuple(found), None, tuple(range(len(found))))  # type: ignore[arg-type]
        return made._replace(net=_record(found, steps, input, made.host))
    return of_capture(captured(module, sample), steps=steps, input=input)


def captured(module: nn.Module, sample: npt.ArrayLike) -> Capture:
    """Return what `capture` finds; a block that raises is refused with the reason, where a reader knows it."""
    try:
        return capture(module, sample)
    except CaptureError as error:
        if error.failed is not None and kinds.is_block(error.failed[0]):
            part, shape = error.failed
            read_layer(Block(part, shape=shape), 1, None, 0)  # its refusal says more than what torch raises
        raise InputError(str(error)) from error.__cause__


def of_capture(found: Capture, *, steps: int | None = None, input: Input | None = None) -> Network:
    """Return the record of a captured module; see `record`."""
    rows = chain.captured(found)
    blocks = [each.block for each in rows]
    places = tuple(next(i for i, one in enumerate(found.layers) if one is each.layer) for each in rows)
    first = found.layers[0].received
    if first.ndim < 3:
        raise InputError(
            f"What arrives at the first block has shape {tuple(first.shape)}; expected (samples, channels, steps)."
        )
    made = Network(None, tuple(blocks), found, places)  # type: ignore[arg-type]
    with guard.undisturbed(found.module):  # read as it was run, in evaluation mode
        net = _record(blocks, steps or int(first.shape[-1]), input, made.host)
    made = made._replace(net=net)
    _check_registers(made)
    return made


def blocks(module: nn.Module, sample: npt.ArrayLike | None = None) -> list[Block]:
    """Return a network's layers in the order in which they run; see `record`."""
    if sample is None and not hasattr(module, "deployed"):
        return list(chain.listed(module))
    return list(network(module, sample=sample).blocks)


def _record(found: Sequence[Block], steps: int | None, input: Input | None, host: Host) -> Net:
    shape: tuple[int, ...] | None = None
    source = source_of(found[0].module, input)
    layers: list[Layer] = []
    for i, block in enumerate(found, start=1):
        layer, shape = read_layer(block, i, shape, sent_exp(layers[-1]) if layers else source.exp)
        if layers:
            layer = _folded(layer, block, layers[-1])
        layers.append(layer)
        if i < len(found) and not layer.neuron.fires:
            raise UnsupportedError(
                f"layer {layer.name!r}: {type(block.module).__name__}: it puts out numbers in every step, and synapses "
                "carry spikes. Put it last."
            )
    encoding = _shared_encoding(found)
    if steps is None:
        steps = getattr(encoding, "steps", None)
        if steps is None:
            raise UnsupportedError(
                "The network has no temporal encoding to take the sample length from. Pass sample=, an input, or "
                "steps=."
            )
    if input is None and not is_own_block(found[0].module) and source.bits:
        source = source.fitted(layers[0].synapse)
    return Net(
        inputs=(dataclasses.replace(source, num_channels=layers[0].num_inputs),),
        layers=tuple(layers),
        steps=steps,
        te=None if encoding is None else encoding.record(),
        host_before=listed(host.before),
        host_after=listed(host.after),
    )


def _folded(layer: Layer, block: Block, before: Layer) -> Layer:
    """Return a layer that takes the spikes of the one before it as they are, whatever stands between them."""
    if block.edge is not None:
        return fold.into_synapses(layer, block.edge, before.num_neurons)
    images = before.shape
    if isinstance(layer.synapse, Conv) and len(images) == 3 and images != layer.synapse.in_shape:
        return dataclasses.replace(layer, synapse=fold.dense(layer))
    return layer


def _check_registers(found: Network) -> None:
    """Refuse a block whose output in the recorded run is not that of its registers."""
    assert found.capture is not None
    rounds = not takes_stated_input(found.capture)
    with guard.undisturbed(found.capture.module):
        for i, (layer, block, place) in enumerate(zip(found.net.layers, found.blocks, found.places, strict=True)):
            shown = found.capture.layers[place]
            if i == 0 and not rounds and not _is_whole(found.net.input, shown.received):
                continue  # what is no payload is told by whoever runs the record
            try:
                traced.variables(layer, block.module, found.net.payload_exp(i), shown.received, shown.output)
            except BackendError as error:
                raise UnsupportedError(str(error)) from None


def _is_whole(source: Input, received: torch.Tensor) -> bool:
    scaled = received.detach().to(torch.float64) * 2.0**-source.exp
    return bool((scaled == scaled.round()).all()) and bool((scaled.abs() <= source.max_payload).all())


def export_netx(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | None = None,
) -> Net:
    """Write a trained network to a NetX HDF5 file.

    The file holds the network, and a note of what the module does in front of it and behind it on the host. Whether it
    is what ``module(x)`` computes, `spikeproof.verify` proves, and nothing else does.

    Parameters
    ----------
    module : Module
        The network, see `record`.
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
        The folder cannot be written to, or the module does not take the sample.

    Warns
    -----
    LintWarning
        A part of the module is not in the file, or is trained on what a simulation does not have, or the sample is not
        what the network takes; see `spikeproof.lint`.
    """
    if hasattr(module, "deployed"):
        net = record(module)
        netx.write(net, path)
        return net
    found = network(module, steps=steps, sample=sample, input=input)
    netx.write(found.net, path)
    for finding in lint_modules.of_blocks(module, [each.module for each in found.blocks]):
        if finding.severity == "warning":
            warnings.warn(str(finding), LintWarning, stacklevel=2)
    words = _unlike_input(found)
    if words:
        warnings.warn(words, LintWarning, stacklevel=2)
    return found.net


def _unlike_input(found: Network) -> str:
    """Return what is wrong with the sample as input of the network, if it is a stock block's."""
    first = found.blocks[0].module
    if found.capture is None or is_own_block(first) or rounds_input(first):
        return ""
    source, received = found.net.input, found.capture.layers[found.places[0]].received
    if _is_whole(source, received):
        return ""
    value = received[received * 2.0**-source.exp != (received * 2.0**-source.exp).round()]
    example = f"{value.reshape(-1)[0].item():g}" if value.numel() else f"{received.abs().max().item():g}"
    takes = f"multiples of 2**{source.exp}" if source.bits else "unary spikes, 0 and 1"
    return (
        f"the sample gives the first layer {example}, and the file takes {takes}. Pass input=Input(num_channels="
        f"{source.num_channels}, bits=..., exp=...) for graded values; multiply what Event.fill_tensor made by its "
        "sampling_time."
    )


def _shared_encoding(found: Iterable[Block]) -> Any:
    encodings = {
        id(block.module.neuron.temporal_encoding): block.module.neuron.temporal_encoding
        for block in found
        if hasattr(getattr(block.module, "neuron", None), "temporal_encoding")
    }
    if len(encodings) > 1:
        raise UnsupportedError(
            f"The CE-LIF layers use {len(encodings)} different TemporalEncoding objects; a network shares one. Give "
            "every layer the same object."
        )
    return next(iter(encodings.values()), None)

"""PyTorch modules -> network records: the blocks that a run of the module calls, one after the other."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import BackendError, InputError, LintWarning, UnsupportedError
from ...contract.net import Input, Net
from .. import formats, netx
from ..capture import guard
from ..capture.capture import Capture, CaptureError, capture
from ..capture.host import Host, Operation
from ..lint import modules as lint_modules
from ..parts import kinds
from ..parts.protocol import is_own_block
from . import rows, traced
from .assemble import assemble
from .blocks import Block, read_layer, rounds_input


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
    """Whether a block leaves open what enters it, as stock blocks but ``Input`` do."""
    entered = [layer.part for layer in found.layers if any(edge.source < 0 for edge in layer.edges)]
    return any(leaves_open(part) for part in entered)


def leaves_open(part: Any) -> bool:
    """Whether a block does not say itself what enters it."""
    return not is_own_block(part) and not rounds_input(part)


def record(
    module: nn.Module,
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | Sequence[Input] | None = None,
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
        _refuse_for_whole(module, steps=steps, input=input)  # a sample would show nothing new
        whole: Net = deployed()
        return whole
    return network(module, steps=steps, sample=sample, input=input).net


def _refuse_for_whole(module: nn.Module, **given: Any) -> None:
    """Refuse what is for modules of blocks, where a module is made into a record as a whole."""
    stated = [name for name, value in given.items() if value is not None]
    if stated:
        raise InputError(
            f"{type(module).__name__} says itself what enters it and for how many steps; leave out {', '.join(stated)}."
        )


def network(
    module: nn.Module,
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | Sequence[Input] | None = None,
) -> Network:
    """Return a module's record with what it was read from; see `record`."""
    if hasattr(module, "deployed"):
        raise UnsupportedError(
            f"{type(module).__name__}: it has no blocks, whose forward pass is that of integers, but is made into a "
            "record as a whole. Go on with that: spikeproof.record(module)."
        )
    if sample is None:
        found = rows.chained(rows.listed(module))
        made = Network(None, tuple(row.block for row in found), None, tuple(range(len(found))))  # type: ignore[arg-type]
        return made._replace(net=assemble(found, steps=steps, stated=input, host=made.host))
    with guard.left_alone(module):
        return of_capture(captured(module, sample), steps=steps, input=input)


def captured(module: nn.Module, sample: npt.ArrayLike) -> Capture:
    """Return what `capture` finds; a block that raises is refused with the reason, where a reader knows it."""
    try:
        return capture(module, sample)
    except CaptureError as error:
        if error.failed is not None and kinds.is_block(error.failed[0]):
            part, shape = error.failed
            # Its refusal says more than what torch raises.
            read_layer(Block(part, shape=shape, enters=True), 1, None, 0)
        raise InputError(str(error)) from error.__cause__


def of_capture(found: Capture, *, steps: int | None = None, input: Input | Sequence[Input] | None = None) -> Network:
    """Return the record of a captured module; see `record`."""
    listed = rows.captured(found)
    places = tuple(next(i for i, one in enumerate(found.layers) if one is row.layer) for row in listed)
    for port in found.ports:
        if len(port.shape) < 1:
            raise InputError(
                f"What arrives at the first block has shape {tuple(found.layers[0].received.shape)}; expected "
                "(samples, channels, steps)."
            )
    made = Network(None, tuple(row.block for row in listed), found, places)  # type: ignore[arg-type]
    with guard.undisturbed(found.module):  # read as it was run, in evaluation mode
        net = assemble(
            listed,
            steps=steps or int(found.layers[0].received.shape[-1]),
            stated=input,
            shapes=[port.shape for port in found.ports],
            answers=_answers(found, listed, places),
            host=made.host,
        )
    _refuse_other_steps(found)
    made = made._replace(net=net)
    _check_registers(made)
    return made


def _refuse_other_steps(found: Capture) -> None:
    """Refuse layers that do not all run for the same number of steps."""
    first = found.layers[0]
    steps = int(first.received.shape[-1])
    for layer in found.layers:
        if layer.received.shape[-1] != steps:
            raise UnsupportedError(
                f"{layer.place}: {layer.name!r} receives {layer.received.shape[-1]} steps, and {first.name!r} {steps}. "
                "All layers of a network run for the same steps: cut the input in front of the network, or what it "
                "puts out behind it."
            )


def _answers(found: Capture, listed: Sequence[rows.Row], places: Sequence[int]) -> list[int]:
    """Return which rows no other row receives anything from, the one that the module returns first first."""
    heard = {edge.source for row in listed for edge in row.edges}
    order = {place: i for i, place in enumerate(found.answers)}
    ends = [i for i in range(len(listed)) if i not in heard]
    return sorted(ends, key=lambda i: order.get(places[i], len(order) + i))


def blocks(module: nn.Module, sample: npt.ArrayLike | None = None) -> list[Block]:
    """Return a network's layers in the order in which they run; see `record`."""
    if sample is None and not hasattr(module, "deployed"):
        return list(rows.listed(module))
    return list(network(module, sample=sample).blocks)


def _check_registers(found: Network) -> None:
    """Refuse a block whose output in the recorded run is not that of its registers."""
    assert found.capture is not None
    with guard.undisturbed(found.capture.module):
        for i, (layer, block, place) in enumerate(zip(found.net.layers, found.blocks, found.places, strict=True)):
            shown = found.capture.layers[place]
            entering = [found.net.inputs[-1 - way.source] for way in found.net.incoming(i) if way.source < 0]
            if entering and leaves_open(block.module) and not _is_whole(entering[0], shown.received):
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
    input: Input | Sequence[Input] | None = None,
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
        The folder cannot be written to, the name is one of a NIR file, or the module does not take the sample.

    Warns
    -----
    LintWarning
        A part of the module is not in the file, or is trained on what a simulation does not have, or the sample is not
        what the network takes; see `spikeproof.lint`.
    """
    if formats.is_nir(path):
        raise InputError(
            f"{os.fspath(path)}: export_netx writes NetX files, and a file of this name is read as NIR. Call it "
            ".net, or write NIR with spikeproof.write(spikeproof.record(module), path)."
        )
    if hasattr(module, "deployed"):
        net = record(module, steps=steps, sample=sample, input=input)
        netx.write(net, path)
        return net
    found = network(module, steps=steps, sample=sample, input=input)
    netx.write(found.net, path)
    blocks = [each.module for each in found.blocks]
    for finding in lint_modules.of_blocks(module, blocks, captured=found.capture is not None):
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

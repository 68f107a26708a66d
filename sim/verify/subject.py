"""What is verified: a module, a record or a file, and what each of them can be asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import SpikeproofError, UnsupportedError
from ...contract.net import Input, Net
from ...contract.record import differences
from ...export import formats, stock
from ..simulate import joined_inputs
from ..trace import Trace
from . import whole
from .pairing import Ends, Side, one_by_one

if TYPE_CHECKING:
    from ...export.capture.capture import Capture
    from ...export.capture.host import Host
    from ...export.slayer.network import Network
    from .float_twin import FloatTwin
    from .gaps import FloatGap


class Subject(NamedTuple):
    """What is verified."""

    net: Net
    """The record that is simulated."""
    given: npt.NDArray[Any]
    """Its input in SLAYER's units."""
    arriving: Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]] | None = None
    """The same for some samples that run by themselves; None if that is no other."""
    trained: Net | None = None
    """That of the trained module, if one was given."""
    altered: tuple[tuple[str, Any, Any], ...] = ()
    """What differs between the two."""
    sides: tuple[Side, ...] = ()
    """Torch, if a module was given."""
    ends: Ends | None = None
    """What the module is asked."""
    host: Host | None = None
    twin: str = "no trained module was given"
    """Why there is no module without rounding, if there is none."""
    notes: tuple[str, ...] = ()
    blocks: Mapping[str, str] = MappingProxyType({})
    """Layer -> what the module calls its block."""
    stepwise: frozenset[str] = frozenset()
    """Read-outs whose blocks answer in every step, though they add up."""


def subject_of(
    network: Any, x: npt.ArrayLike, file: str | os.PathLike[str] | None, input: Input | Sequence[Input] | None
) -> Subject:
    """Return what is verified, for a module, a record or the path of a file, and an input; see `spikeproof.verify`."""
    if isinstance(network, Net):
        return Subject(network, joined_inputs(x))
    if isinstance(network, str | os.PathLike):
        given = joined_inputs(x)
        return Subject(formats.read(network, steps=given.shape[-1] if given.ndim else None), given)
    from ...export.capture import guard

    with guard.left_alone(network):
        return _of_module(network, guard.arguments(x), file, input)


def _of_module(
    network: Any, samples: Any, file: str | os.PathLike[str] | None, input: Input | Sequence[Input] | None
) -> Subject:
    from ...export.capture import guard
    from ...export.slayer import network as networks
    from ..torch.backend import Torch

    captured = networks.captured(network, samples)
    own = None if file is None or _is_stock(file) else formats.read(file, steps=guard.each(samples)[0].shape[-1])
    if own is not None and input is None and networks.takes_stated_input(captured):
        input = own.inputs
    made = networks.of_capture(captured, steps=None if own is None else own.steps, input=input)
    trained, net, notes = made.net, made.net, captured.notes
    altered: tuple[tuple[str, Any, Any], ...] = ()
    if file is not None:
        images = captured.input_shape
        net, trained, altered, said = _stored(file, own, trained, images if len(images) == 3 else None)
        notes += said
    torch = Torch(made, net, samples)
    twin = _float_twin(made)
    ends = Ends(torch.replay, None if isinstance(twin, str) else partial(_twinned, torch, twin, made.has_tail))
    return Subject(
        net=net,
        given=torch.given,
        arriving=None if captured.takes_input else torch.arriving,
        trained=trained,
        altered=altered,
        sides=(Side("torch", one_by_one(torch.run), one_by_one(partial(torch.run, registers=False))),),
        ends=ends,
        host=made.host,
        twin=twin if isinstance(twin, str) else "",
        notes=notes,
        blocks=_blocks_of(net, captured, made.places),
        stepwise=torch.stepwise if len(net.layers) == len(made.places) else frozenset(),
    )


def _blocks_of(net: Net, captured: Capture, places: Sequence[int]) -> dict[str, str]:
    """Return what a module calls the blocks of a network's layers; nothing if the network is of another one."""
    if len(net.layers) != len(places):
        return {}
    return {layer.name: captured.layers[place].name for layer, place in zip(net.layers, places, strict=True)}


def _stored(
    file: str | os.PathLike[str], own: Net | None, trained: Net, images: tuple[int, ...] | None
) -> tuple[Net, Net, tuple[tuple[str, Any, Any], ...], tuple[str, ...]]:
    """Return a file's record, the module's under the names of the file's layers, what differs, and what to say."""
    read: list[tuple[Net, str]] = []
    if own is not None:
        read.append((own, ""))
    else:
        refused: list[SpikeproofError] = []
        for late in (False, True):
            try:
                net = stock.load(file, steps=trained.steps, delay_shift=late, input_shape=images)
            except SpikeproofError as error:
                refused.append(error)
                continue
            read.append((net, f"{os.path.basename(file)} was read {'with' if late else 'without'} delay_shift"))
        if not read:
            raise refused[0]
    compared = []
    for net, note in read:
        named = _named_as(trained, net)
        compared.append((net, named, tuple(differences(named, net)), note))
    net, named, altered, note = min(compared, key=lambda each: len(each[2]))
    if note:
        note += ", which fits the module." if not altered else ": that is nearer to the module, and not equal to it."
    return net, named, altered, (note,) if note else ()


def _is_stock(file: str | os.PathLike[str]) -> bool:
    return not formats.is_nir(file) and stock.is_stock(file)


def _named_as(trained: Net, stored: Net) -> Net:
    """Return a record under the names and notes of another, which do not count as differences."""
    layers = trained.layers
    if len(layers) == len(stored.layers):
        layers = tuple(replace(layer, name=other.name) for layer, other in zip(layers, stored.layers, strict=True))
    return replace(trained, layers=layers, host_before=stored.host_before, host_after=stored.host_after)


def _twinned(torch: Any, twin: FloatTwin, has_tail: bool, samples: npt.NDArray[np.int64], fixed: Trace) -> FloatGap:
    """Return what quantisation costs on samples; in the module's own classes, if it makes them on the host."""
    found = twin.run(torch.arriving(samples))
    if not has_tail:
        return twin.compare(found, fixed)
    without = whole.scores(torch.replay_real(samples, twin.outputs(found)), len(samples))
    with_it = whole.scores(fixed.answer, len(samples))
    return twin.compare(found, fixed, (without, with_it))


def _float_twin(found: Network) -> FloatTwin | str:
    """Return a module's float twin, or why it has none."""
    from .float_twin import FloatTwin

    try:
        return FloatTwin(found.blocks, found.net)
    except UnsupportedError as error:
        return str(error)

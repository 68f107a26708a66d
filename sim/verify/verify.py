"""Proof that a trained module, its exported file and Lava compute the same spikes and registers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError, SpikeproofError, UnsupportedError
from ...contract.net import Input, Net
from ...contract.record import differences
from ...export import formats, stock
from ..simulate import BACKENDS, Backend, encode, run_payload
from ..sweep.sweep import Sweep, Swept
from ..trace import SPIKES, VARIABLES, Trace, without_registers
from . import headroom as room
from . import whole
from .pairing import Ends, Paired, Run, Side, pair
from .verdict import Answers, Verdict

if TYPE_CHECKING:
    from torch import nn

    from ...export.capture.host import Host
    from ...export.slayer.network import Network
    from .float_twin import FloatTwin
    from .gaps import FloatGap

Payload = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int32]]
"""Gives the encoded input of samples."""
Tell = Callable[[str, int, int], None]
"""Called with (what runs, done, in all)."""


def verify(
    network: nn.Module | Net | str | os.PathLike[str],
    x: npt.ArrayLike,
    *,
    file: str | os.PathLike[str] | None = None,
    input: Input | None = None,
    backends: Sequence[Backend] = ("engine", "lava"),
    lava_samples: int | None = None,
    seed: int = 0,
    registers: bool = True,
    deadline: float | None = None,
    sweep: Sweep | None = None,
    progress: Tell | None = None,
) -> Verdict:
    """Prove that a trained module, its exported network and Lava compute the same, from its input to its output.

    Every spike and register of every block is compared between torch, the batch engine and Lava. And the module is run
    again with what they computed played back in place of its blocks' outputs: what it returns must be ``module(x)``, to
    the last bit, whatever it does on the host in front of its blocks and behind them. Of a record or a file alone,
    which no module belongs to, the backends are compared with each other.

    Parameters
    ----------
    network : Module, Net or path-like
        A trained module, whose own forward pass is then the first trace; or a record or an exported file, where the
        first of `backends` is.
    x : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps)
        Input of the module, or of the network in SLAYER's units. Samples are streamed back to back through one Lava
        run. A tensor may be on any device, of any layout, and may require a gradient.
    file : path-like, optional
        With a module: the exported file to simulate instead of a fresh record of the module. What differs between the
        two is reported; names of layers do not count. A stock file, which does not say whether its blocks had
        ``delay_shift``, is read both ways.
    input : Input, optional
        With a module: what enters a stock SLAYER block that comes first, see `spikeproof.export.slayer.record`.
        Default: what the file says.
    backends : sequence of {"engine", "reference", "lava"}
        What to compare with.
    lava_samples : int, optional
        Number of samples that Lava, which is some thousand times slower than the others, vouches for; they are drawn
        by `seed`. Default: all.
    seed : int
        Seed of that choice.
    registers : bool
        Whether torch and the engine are compared in every register too. Without, in every spike of every layer and
        in what the network answers: what the next layer sees and what a user sees, many times faster, since torch
        then runs its fused kernels alone. Lava is always compared in both.
    deadline : float, optional
        Seconds that Lava may take.
    sweep : Sweep, optional
        Spreads Lava's samples over processes or a cluster; they are compared there with those of the other backend
        in `backends`, and no traces come back.
    progress : callable, optional
        Called with (what runs, done, in all).

    Returns
    -------
    Verdict
        ``verdict.exact`` is the answer; it is never True if nothing fired. ``verdict.whole`` is True if it is an answer
        about the whole module, and ``verdict.host`` says what of it runs on the host.

    Raises
    ------
    InputError
        The input does not fit the network, or fewer than two traces would be compared.
    UnsupportedError
        The module cannot be exported.
    FileFormatError
        The file cannot be read.
    BackendError
        Lava failed or did not end by the deadline.
    """
    _refuse_backends(backends)
    subject = _subject(network, x, file, input)
    net = subject.net
    if subject.trained is not None and not _same_layers(subject.trained, net):
        return Verdict(
            net=net,
            comparisons=(),
            answers={},
            traces=(),
            altered=subject.altered,
            host=subject.host,
            notes=subject.notes,
        )
    every = encode(net, subject.given)  # refuses what does not fit before anything runs

    def payload(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return every[samples] if subject.arriving is None else encode(net, subject.arriving(samples))

    sides = [*subject.sides]
    for backend in backends:
        run = _runner(net, payload, backend, deadline, _part(progress, "Lava steps"))
        sides.append(Side(backend, run, partial(_without_registers, net, payload, backend, run)))
    if len(sides) < 2:
        raise InputError("A comparison needs two sides; name at least two backends, or give the trained module.")
    swept_pair = _swept_pair([side.name for side in sides]) if sweep is not None else None
    found: list[Paired | Swept] = []
    answers: dict[str, Answers] = {}
    first, *others = sides
    for other in others:
        with_lava = "lava" in (first.name, other.name)
        chosen = _chosen(len(every), lava_samples if with_lava else None, seed)
        names: tuple[str, str] = (first.name, other.name)
        scores: tuple[Any, Any] = (None, None)
        if sweep is not None and swept_pair is not None and other.name == "lava":
            names, told = swept_pair, _part(progress, "Lava samples")
            found.append(sweep.run(net, subject.given, chosen, swept_pair, deadline=deadline, progress=told))
        else:
            ends = subject.ends if not found or subject.ends is None else subject.ends._replace(twin=None)
            paired = pair(
                net,
                payload,
                first,
                other,
                chosen,
                registers=registers or with_lava,
                at_once=with_lava,
                trained=subject.trained if subject.altered else None,
                ends=ends,
                progress=progress,
            )
            found.append(paired)
            scores = paired.answers
        for name, output, rows in zip(names, found[-1].output, scores, strict=True):
            if name not in answers or len(answers[name].samples) < len(chosen):
                answers[name] = Answers(chosen, output, rows)
    return _verdict(subject, found, answers, hashlib.sha256(every.tobytes()).hexdigest())


def _refuse_backends(backends: Sequence[str]) -> None:
    unknown = [backend for backend in backends if backend not in BACKENDS]
    if unknown:
        raise InputError(f"Unknown backend {unknown[0]!r}; known are {', '.join(BACKENDS)}.")
    if len(set(backends)) < len(backends):
        raise InputError(
            f"backends={tuple(backends)} names one twice; a side that is compared with itself proves nothing."
        )


class _Subject(NamedTuple):
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


def _subject(network: Any, x: npt.ArrayLike, file: str | os.PathLike[str] | None, input: Input | None) -> _Subject:
    if isinstance(network, Net):
        return _Subject(network, np.asarray(x))
    if isinstance(network, str | os.PathLike):
        given = np.asarray(x)
        return _Subject(formats.load(network, steps=given.shape[-1] if given.ndim else None), given)
    if hasattr(network, "deployed"):
        raise UnsupportedError(
            f"{type(network).__name__}: it is floating-point, and another network than its record. Give "
            "spikeproof.record(module), and for input the spikes of train.sequence.deploy.inputs(module, x)."
        )
    from ...export.capture import guard
    from ...export.slayer import network as networks
    from ..torch.backend import Torch

    samples = guard.plain(x)
    captured = networks.captured(network, samples)
    own = None if file is None or _is_stock(file) else formats.load(file, steps=samples.shape[-1])
    if own is not None and input is None and networks.takes_stated_input(captured):
        input = own.input
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
    return _Subject(
        net=net,
        given=torch.given,
        arriving=None if captured.takes_input else torch.arriving,
        trained=trained,
        altered=altered,
        sides=(Side("torch", torch.run, partial(torch.run, registers=False)),),
        ends=ends,
        host=made.host,
        twin=twin if isinstance(twin, str) else "",
        notes=notes,
    )


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
    return twin.compare(found, fixed, None if without is None or with_it is None else (without, with_it))


def _runner(
    net: Net,
    payload: Payload,
    backend: Backend,
    deadline: float | None,
    progress: Callable[[int, int], None] | None,
) -> Run:
    def run(samples: npt.NDArray[np.int64]) -> Trace:
        return run_payload(net, payload(samples), backend, deadline=deadline, progress=progress)

    return run


def _verdict(subject: _Subject, found: Sequence[Paired | Swept], answers: dict[str, Answers], digest: str) -> Verdict:
    paired = [one for one in found if isinstance(one, Paired)]
    pictured = next((one for one in paired if one.diagnosis is not None), paired[-1] if paired else None)
    float_gap = next((one.float_gap for one in paired if one.float_gap is not None), None)
    return Verdict(
        net=subject.net,
        comparisons=tuple(one.comparison for one in found),
        answers=answers,
        traces=pictured.traces if pictured else (),
        traced=pictured.traced if pictured else np.arange(0),
        altered=subject.altered,
        host=subject.host,
        ends=tuple(one.whole for one in paired if one.whole is not None),
        notes=subject.notes,
        diagnoses=tuple(one.diagnosis for one in found),
        headroom=room.fullest([one.headroom for one in paired if one.headroom]),
        float_gap=float_gap or subject.twin or "all samples ran in a sweep",
        input_sha256=digest,
    )


def _part(tell: Tell | None, what: str) -> Callable[[int, int], None] | None:
    """Return what tells how much of one thing is done."""
    return None if tell is None else partial(tell, what)


def _swept_pair(sides: Sequence[str]) -> tuple[Backend, Backend]:
    """Return what a sweep compares: a backend that needs no module, and Lava."""
    known: tuple[Backend, ...] = ("engine", "reference")
    integer = [one for one in known if one in sides]
    if "lava" not in sides[1:] or not integer:
        raise InputError("A sweep is for Lava beside another backend; give backends=('engine', 'lava').")
    return integer[0], "lava"


def _float_twin(found: Network) -> FloatTwin | str:
    """Return a module's float twin, or why it has none."""
    from .float_twin import FloatTwin

    try:
        return FloatTwin(found.blocks, found.net)
    except UnsupportedError as error:
        return str(error)


def _chosen(available: int, wanted: int | None, seed: int) -> npt.NDArray[np.int64]:
    if wanted is None or wanted >= available:
        return np.arange(available)
    return np.sort(np.random.default_rng(seed).choice(available, wanted, replace=False))


def _without_registers(net: Net, payload: Payload, backend: str, run: Run, samples: npt.NDArray[np.int64]) -> Trace:
    """Run samples and return every spike and what a read-out holds after the last step."""
    if backend == "engine":
        from .. import engine

        output = [(net.readout.name, "v")] if net.readout else []
        spikes = [(layer.name, SPIKES) for layer in net.layers if SPIKES in VARIABLES[type(layer.neuron)]]
        trace = engine.run(net, payload(samples), record=[*spikes, *output])
    else:
        trace = run(samples)
    return without_registers(trace, net)


def _same_layers(a: Net, b: Net) -> bool:
    """Whether two networks have layers of the same kinds and widths, so that traces can be compared."""
    shapes = [[(type(layer.neuron), layer.num_neurons) for layer in net.layers] for net in (a, b)]
    return shapes[0] == shapes[1] and a.steps == b.steps and a.input.num_channels == b.input.num_channels

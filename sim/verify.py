"""Proof that a trained module, its exported file and Lava compute the same spikes and registers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError, UnsupportedError
from ..contract.net import Input, Net
from ..contract.record import differences
from ..export import formats
from . import headroom as room
from .pairing import Paired, Run, Side, pair
from .simulate import BACKENDS, Backend, encode, simulate
from .sweep import Sweep, Swept
from .trace import SPIKES, VARIABLES, Trace, without_registers
from .verdict import Answers, Verdict

if TYPE_CHECKING:
    from torch import nn

    from .float_twin import FloatTwin

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
    """Compare every spike and register of a network between torch, the batch engine and Lava.

    Parameters
    ----------
    network : Module, Net or path-like
        A trained module, whose own forward pass is then the first trace; or a record or an exported file, where the
        first of `backends` is.
    x : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps)
        Input in SLAYER's units. Samples are streamed back to back through one Lava run.
    file : path-like, optional
        With a module: the exported file to simulate instead of a fresh record of the module. What differs between the
        two is reported.
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
        ``verdict.exact`` is the answer; it is never True if nothing fired.

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
    unknown = [backend for backend in backends if backend not in BACKENDS]
    if unknown:
        raise InputError(f"Unknown backend {unknown[0]!r}; known are {', '.join(BACKENDS)}.")
    x = np.asarray(x)
    subject = _subject(network, x, file, input)
    net = subject.net
    if subject.trained is not None and not _same_layers(subject.trained, net):
        return Verdict(net=net, comparisons=(), answers={}, traces=(), altered=subject.altered)
    sides = [*subject.sides]
    for backend in backends:
        run = partial(simulate, net, backend=backend, deadline=deadline, progress=_part(progress, "Lava steps"))
        sides.append(Side(backend, run, partial(_without_registers, net, backend, run)))
    if len(sides) < 2:
        raise InputError("A comparison needs two sides; name at least two backends, or give the trained module.")
    payload = encode(net, x)  # refuses what does not fit before anything runs
    swept_pair = _swept_pair([side.name for side in sides]) if sweep is not None else None
    found: list[Paired | Swept] = []
    answers: dict[str, Answers] = {}
    first, *others = sides
    for other in others:
        with_lava = "lava" in (first.name, other.name)
        chosen = _chosen(len(x), lava_samples if with_lava else None, seed)
        names: tuple[str, str] = (first.name, other.name)
        if sweep is not None and swept_pair is not None and other.name == "lava":
            names, told = swept_pair, _part(progress, "Lava samples")
            found.append(sweep.run(net, x, chosen, swept_pair, deadline=deadline, progress=told))
        else:
            found.append(
                pair(
                    net,
                    x,
                    first,
                    other,
                    chosen,
                    registers=registers or with_lava,
                    at_once=with_lava,
                    trained=subject.trained if subject.altered else None,
                    twin=None if found or isinstance(subject.twin, str) else subject.twin,
                    progress=progress,
                )
            )
        for name, output in zip(names, found[-1].output, strict=True):
            if name not in answers or len(answers[name].samples) < len(chosen):
                answers[name] = Answers(chosen, output)
    return _verdict(subject, found, answers, hashlib.sha256(payload.tobytes()).hexdigest())


class _Subject(NamedTuple):
    """What is verified."""

    net: Net
    """The record that is simulated."""
    trained: Net | None = None
    """That of the trained module, if one was given."""
    altered: tuple[tuple[str, Any, Any], ...] = ()
    """What differs between the two."""
    sides: tuple[Side, ...] = ()
    """Torch, if a module was given."""
    twin: FloatTwin | str = "no trained module was given"
    """The module without rounding, or why there is none."""


def _subject(
    network: nn.Module | Net | str | os.PathLike[str],
    x: npt.NDArray[Any],
    file: str | os.PathLike[str] | None,
    input: Input | None,
) -> _Subject:
    steps = x.shape[-1] if x.ndim else None
    if isinstance(network, Net):
        return _Subject(network)
    if isinstance(network, str | os.PathLike):
        return _Subject(formats.load(network, steps=steps))
    from ..export.slayer import record
    from . import torch_backend

    if hasattr(network, "deployed"):
        raise UnsupportedError(
            f"{type(network).__name__}: it is floating-point, and another network than its record. Give "
            "spikeproof.record(module), and for input the spikes of train.sequence.deploy.inputs(module, x)."
        )
    stored = None if file is None else formats.load(file)
    if stored is not None:
        steps, input = stored.steps, input or stored.input
    trained = record(network, steps=steps, sample=x[:1] if x.ndim >= 3 and len(x) else None, input=input)
    net = stored or trained
    whole = partial(torch_backend.run, network, trained)
    torch = Side("torch", whole, partial(whole, registers=False))
    return _Subject(net, trained, tuple(differences(trained, net)), (torch,), _float_twin(network, trained))


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
        diagnoses=tuple(one.diagnosis for one in found),
        headroom=room.fullest([one.headroom for one in paired if one.headroom]),
        float_gap=float_gap or (subject.twin if isinstance(subject.twin, str) else "all samples ran in a sweep"),
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


def _float_twin(module: nn.Module, net: Net) -> FloatTwin | str:
    """Return a module's float twin, or why it has none."""
    from .float_twin import FloatTwin

    try:
        return FloatTwin(module, net)
    except UnsupportedError as error:
        return str(error)


def _chosen(available: int, wanted: int | None, seed: int) -> npt.NDArray[np.int64]:
    if wanted is None or wanted >= available:
        return np.arange(available)
    return np.sort(np.random.default_rng(seed).choice(available, wanted, replace=False))


def _without_registers(net: Net, backend: str, run: Run, x: npt.NDArray[Any]) -> Trace:
    """Run samples and return every spike and what a read-out holds after the last step."""
    if backend == "engine":
        from . import engine

        output = [(net.readout.name, "v")] if net.readout else []
        spikes = [(layer.name, SPIKES) for layer in net.layers if SPIKES in VARIABLES[type(layer.neuron)]]
        trace = engine.run(net, encode(net, x), record=[*spikes, *output])
    else:
        trace = run(x)
    return without_registers(trace, net)


def _same_layers(a: Net, b: Net) -> bool:
    """Whether two networks have layers of the same names, kinds and widths, so that traces can be compared."""
    shapes = [[(layer.name, type(layer.neuron), layer.num_neurons) for layer in net.layers] for net in (a, b)]
    return shapes[0] == shapes[1]

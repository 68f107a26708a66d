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

from ...contract.errors import InputError
from ...contract.net import Input, Net
from ..bounds import bounds, quick
from ..simulate import BACKENDS, Backend, encode, refuse_deadline, run_payload
from ..sweep.sweep import Sweep, SweepResult
from ..trace import SPIKES, VARIABLES, Trace, without_registers
from . import headroom as room
from . import provable
from .pairing import Paired, Side, in_one_run, one_by_one, pair
from .subject import Subject, subject_of
from .verdict import Answers, Verdict

if TYPE_CHECKING:
    from torch import nn

    from ...export.nir.foreign import Imported

Payload = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int32]]
"""Gives the encoded input of samples."""
Progress = Callable[[str, int, int], None]
"""Called with (what runs, done, in all)."""


def verify(
    network: nn.Module | Net | str | os.PathLike[str] | Imported | provable.Provable,
    x: npt.ArrayLike | None = None,
    *,
    samples: provable.Samples = None,
    dt: float | None = None,
    file: str | os.PathLike[str] | None = None,
    input: Input | Sequence[Input] | None = None,
    backends: Sequence[Backend] = ("engine", "lava"),
    lava_samples: int | None = None,
    seed: int = 0,
    registers: bool = True,
    deadline: float | None = None,
    sweep: Sweep | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Prove that a trained module, its exported network and Lava compute the same, from its input to its output.

    Every spike and register of every block is compared between torch, the batch engine and Lava. And the module is run
    again with what they computed played back in place of its blocks' outputs: what it returns must be ``module(x)``, to
    the last bit, whatever it does on the host in front of its blocks and behind them. Of a record or a file alone,
    which no module belongs to, the backends are compared with each other.

    Parameters
    ----------
    network : Module, Net, path-like, or something that says itself what is to be proved of it
        A trained module, whose own forward pass is then the first trace; or a record or an exported file, where the
        first of `backends` is. A training run, or the path of its folder, is proved on the test part of its task, and
        the verdict says what the answers are worth there. Of a floating-point sequence model its record is proved, and
        the verdict says how far that is from the model.
    x : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps)
        Input of the module, or of the network in SLAYER's units. Samples are streamed back to back through one Lava
        run. A tensor may be on any device, of any layout, and may require a gradient. None for a training run. Or a
        ``DataLoader`` of such samples and their classes, whose first `samples` are taken; the verdict then says how
        many classes are right.
    samples : int or "all", optional
        The first so many samples. Default: all of `x`; 20 of a training run's test part, or all of fewer.
    dt : float, optional
        Seconds of a time step, for the path of another tool's NIR graph, see `spikeproof.load`. For what else a file
        does not say, give what ``spikeproof.load`` returns.
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
    progress : callable or True, optional
        Called with (what runs, done, in all). True for bars on stderr.

    Returns
    -------
    Verdict
        ``verdict.exact`` is the answer; it is never True if nothing fired. ``verdict.whole`` is True if it is an answer
        about the whole module, and ``verdict.host`` says what of it runs on the host.

    Raises
    ------
    InputError
        The input does not fit the network, fewer than two traces would be compared, or a number of samples or a seed is
        none.
    UnsupportedError
        The module cannot be exported.
    FileFormatError
        The file cannot be read.
    BackendError
        Lava failed or did not end by the deadline.
    """
    _refuse_backends(backends)
    if isinstance(network, np.ndarray):
        raise InputError("verify(network, x): the network comes first, and the samples after it.")
    _refuse_numbers(lava_samples, seed)
    refuse_deadline(deadline)
    if not isinstance(registers, bool | np.bool_):
        raise InputError(f"registers={registers!r}: give True or False.")
    if sweep is not None and not isinstance(sweep, Sweep):
        raise InputError(f"sweep={sweep!r}: give a spikeproof.Sweep, or leave it out.")
    options = _Options(backends, lava_samples, seed, registers, deadline, sweep, progress)
    again = partial(verify, **options._asdict())
    network = provable.opened(network, x, dt)
    stated = provable.verdict(network, x, samples, again, stated=file is not None or input is not None)
    if stated is not None:
        return stated
    found = subject_of(network, provable.given_samples(x, samples), file, input)
    if found.trained is None or _same_layers(found.trained, found.net):
        return _compared(found, options)
    return Verdict(
        net=found.net,
        comparisons=(),
        answers={},
        traces=(),
        altered=found.altered,
        host=found.host,
        blocks=found.blocks,
        notes=found.notes,
    )


class _Options(NamedTuple):
    """How things are compared; see `verify`."""

    backends: Sequence[Backend]
    lava_samples: int | None
    seed: int
    registers: bool
    deadline: float | None
    sweep: Sweep | None
    progress: Progress | None


def _compared(subject: Subject, asked: _Options) -> Verdict:
    """Compare the first side with every other one."""
    net, progress = subject.net, asked.progress
    every = encode(net, subject.given)  # refuses what does not fit before anything runs

    def payload(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return every[samples] if subject.arriving is None else encode(net, subject.arriving(samples))

    sides = [*subject.sides]
    for backend in asked.backends:
        lava_steps = _part(progress, "Lava steps")
        sides.append(_side(net, payload, backend, asked.deadline, lava_steps, subject.stepwise))
    if len(sides) < 2:
        raise InputError("A comparison needs two sides; name at least two backends, or give the trained module.")
    swept_pair = _swept_pair([side.name for side in sides]) if asked.sweep is not None else None
    found: list[Paired | SweepResult] = []
    answers: dict[str, Answers] = {}
    first, *others = sides
    swept = "lava" if swept_pair is not None else None
    chosen_for, measured = _shares(first, others, len(every), swept, asked)
    for other in others:
        chosen = chosen_for[other.name]
        names: tuple[str, str] = (first.name, other.name)
        scores: tuple[Any, Any] = (None, None)
        if asked.sweep is not None and swept_pair is not None and other.name == swept:
            names, told = swept_pair, _part(progress, "Lava samples")
            found.append(
                asked.sweep.run(net, subject.given, chosen, swept_pair, deadline=asked.deadline, progress=told)
            )
        else:
            ends = subject.ends if other.name == measured or subject.ends is None else subject.ends._replace(twin=None)
            paired = pair(
                net,
                payload,
                first,
                other,
                chosen,
                registers=asked.registers or "lava" in names,
                trained=subject.trained if subject.altered else None,
                ends=ends,
                progress=progress,
            )
            found.append(paired)
            scores = paired.answers
        for name, output, rows in zip(names, found[-1].output, scores, strict=True):
            if name not in answers or len(answers[name].samples) < len(chosen):
                answers[name] = Answers(chosen, output, rows)
    verdict = _verdict(subject, found, answers, hashlib.sha256(np.ascontiguousarray(every).data).hexdigest())
    # Who asks for spikes alone wants to be quick.
    return replace(verdict, bounds=bounds(net)) if asked.registers and quick(net) else verdict


def _shares(
    first: Side, others: Sequence[Side], available: int, swept: str | None, asked: _Options
) -> tuple[dict[str, npt.NDArray[np.int64]], str | None]:
    """Return the samples that each side is compared on, and the side beside which is measured what rounding costs.

    That is measured once, where the most samples run; a sweep, which is called `swept`, has no traces for it.
    """
    chosen = {}
    for other in others:
        wanted = asked.lava_samples if "lava" in (first.name, other.name) else None
        chosen[other.name] = _chosen(available, wanted, asked.seed)
    return chosen, max((name for name in chosen if name != swept), key=lambda name: len(chosen[name]), default=None)


def _refuse_backends(backends: Sequence[str]) -> None:
    if isinstance(backends, str) or not isinstance(backends, Sequence):
        raise InputError(f"backends={backends!r} is no sequence of names. Give ('engine', 'lava'), say.")
    unknown = [backend for backend in backends if backend not in BACKENDS]
    if unknown:
        raise InputError(f"Unknown backend {unknown[0]!r}; known are {', '.join(BACKENDS)}.")
    if len(set(backends)) < len(backends):
        raise InputError(
            f"backends={tuple(backends)} names one twice; a side that is compared with itself proves nothing."
        )


def _refuse_numbers(lava_samples: int | None, seed: int) -> None:
    if lava_samples is not None and (not isinstance(lava_samples, int | np.integer) or lava_samples < 1):
        raise InputError(
            f"lava_samples={lava_samples!r}: Lava compares at least one sample; leave it out of backends to go without."
        )
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed={seed!r}: a seed is a whole number from 0 on.")


def _side(
    net: Net,
    payload: Payload,
    backend: Backend,
    deadline: float | None,
    progress: Callable[[int, int], None] | None,
    stepwise: frozenset[str],
) -> Side:
    def run(samples: npt.NDArray[np.int64]) -> Trace:
        return run_payload(net, payload(samples), backend)

    def stream(parts: Sequence[npt.NDArray[np.int64]]) -> Trace:
        together = np.concatenate([payload(part) for part in parts])
        return run_payload(net, together, backend, deadline=deadline, progress=progress)

    if backend == "lava":
        return Side(backend, in_one_run(stream), in_one_run(stream))
    return Side(backend, one_by_one(run), one_by_one(partial(_without_registers, net, payload, backend, run, stepwise)))


def _verdict(
    subject: Subject, found: Sequence[Paired | SweepResult], answers: dict[str, Answers], digest: str
) -> Verdict:
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
        blocks=subject.blocks,
        ends=tuple(one.whole for one in paired if one.whole is not None),
        notes=subject.notes,
        diagnoses=tuple(one.diagnosis for one in found),
        same=tuple(one for each in paired for one in each.same),
        headroom=room.fullest([one.headroom for one in paired if one.headroom]),
        float_gap=float_gap or subject.twin or "all samples ran in a sweep",
        input_sha256=digest,
    )


def _part(tell: Progress | None, what: str) -> Callable[[int, int], None] | None:
    """Return what tells how much of one thing is done."""
    return None if tell is None else partial(tell, what)


def _swept_pair(sides: Sequence[str]) -> tuple[Backend, Backend]:
    """Return what a sweep compares: a backend that needs no module, and Lava."""
    known: tuple[Backend, ...] = ("engine", "reference")
    integer = [one for one in known if one in sides]
    if "lava" not in sides[1:] or not integer:
        raise InputError("A sweep is for Lava beside another backend; give backends=('engine', 'lava').")
    return integer[0], "lava"


def _chosen(available: int, wanted: int | None, seed: int) -> npt.NDArray[np.int64]:
    if wanted is None or wanted >= available:
        return np.arange(available)
    return np.sort(np.random.default_rng(seed).choice(available, wanted, replace=False))


def _without_registers(
    net: Net,
    payload: Payload,
    backend: str,
    run: Callable[[npt.NDArray[np.int64]], Trace],
    stepwise: frozenset[str],
    samples: npt.NDArray[np.int64],
) -> Trace:
    """Run samples and return every spike and what a read-out holds after the last step."""
    if backend == "engine":
        from .. import engine

        output = [(layer.name, "v") for layer in net.layers if not layer.neuron.fires]
        spikes = [(layer.name, SPIKES) for layer in net.layers if SPIKES in VARIABLES[type(layer.neuron)]]
        trace = engine.run(net, payload(samples), record=[*spikes, *output])
    else:
        trace = run(samples)
    return without_registers(trace, net, stepwise)


def _same_layers(a: Net, b: Net) -> bool:
    """Whether the inputs, layers and answers of two networks are alike, whatever they are called: traces compare."""
    return _shape(a) == _shape(b)


def _shape(net: Net) -> tuple[Any, ...]:
    layers = [(type(layer.neuron), layer.num_neurons) for layer in net.layers]
    inputs = [source.num_channels for source in net.inputs]
    return net.steps, inputs, layers, [net.index(answer) for answer in net.answers]

"""Proof that a trained module, its exported file and Lava compute the same spikes and registers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError, UnsupportedError
from ..contract.net import Net
from ..contract.record import differences
from ..export import netx
from . import gaps
from .diagnose import Diagnosis, diagnose
from .gaps import FloatGap, LavaGap
from .parity import Comparison, Mismatch, compare, merge
from .simulate import BACKENDS, Backend, encode, simulate
from .sweep import Sweep
from .trace import SPIKES, VARIABLES, Trace, without_registers

if TYPE_CHECKING:
    from torch import nn

    from .float_twin import FloatTwin


_CHUNK_BYTES = 2**27
"""Size of a trace of the samples that are compared at once; more samples take their turn."""
_PICTURED = 4
"""Samples whose registers are run again for pictures when the comparison did without."""


class Answers(NamedTuple):
    """What a backend answered to the samples that it ran."""

    samples: npt.NDArray[np.int64]
    """Which of the samples they are."""
    output: npt.NDArray[np.int32]
    """Read-out registers or spike counts, shape (samples, outputs)."""

    @property
    def predictions(self) -> npt.NDArray[np.int64]:
        """The first of the largest outputs of each sample."""
        return np.asarray(self.output.argmax(-1), dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of `verify`.

    Parameters
    ----------
    net : Net
        The record that was simulated.
    comparisons : tuple of Comparison
        Each later backend against the first.
    answers : mapping of backend to Answers
        In the order in which they were compared.
    traces : tuple of Trace
        The first and the last backend on the samples that both ran, for pictures; of many samples, the last ones.
    altered : tuple of (path, value in the trained module, value in the file)
        Where the file's record is not the trained module's; empty if it is, or if only one of them was given.
    """

    net: Net
    comparisons: tuple[Comparison, ...]
    answers: Mapping[str, Answers]
    traces: tuple[Trace, ...]
    altered: tuple[tuple[str, Any, Any], ...] = ()
    diagnoses: tuple[Diagnosis | None, ...] = ()
    """For each comparison, why the two sides differ; None if they do not."""
    float_gap: FloatGap | str = "no trained module was given"
    """What quantisation costs, over the samples of the first comparison; or why that was not measured."""

    @property
    def exact(self) -> bool:
        """Whether every comparison is exact and the file holds the trained network."""
        return not self.altered and all(comparison.exact for comparison in self.comparisons)

    @property
    def lava_gap(self) -> LavaGap | None:
        """What differs between the integer network and Lava, which must be nothing; None if Lava was not run."""
        return gaps.lava_gap(self.comparisons)

    def __str__(self) -> str:
        lines = [f"{'EXACT' if self.exact else 'NOT EXACT'}"]
        if self.altered:
            path, trained, stored = self.altered[0]
            more = f" (and {len(self.altered) - 1} more)" if len(self.altered) > 1 else ""
            lines.append(
                f"the file is not the trained network: {self._place(path)}: trained {trained}, file {stored}{more}"
            )
        for i, comparison in enumerate(self.comparisons):
            lines.append(str(comparison))
            diagnosis = self.diagnoses[i] if i < len(self.diagnoses) else None
            if diagnosis is not None:
                lines += str(diagnosis).splitlines()
        if isinstance(self.float_gap, FloatGap):
            lines.append(str(self.float_gap))
        if self.lava_gap is not None:
            lines.append(str(self.lava_gap))
        return "\n".join(lines)

    def _place(self, path: str) -> str:
        """Say in words where in the record a path such as ``layers[1].synapse.weight[3, 5]`` is."""
        head, _, rest = path.partition("].")
        if not head.startswith("layers[") or not rest:
            return path
        layer = self.net.layers[int(head.removeprefix("layers["))]
        _, _, index = rest.partition("[")
        neuron = f", neuron {index.rstrip(']').split(',')[0]}" if index else ""
        return f"layer {layer.name!r}{neuron}, {rest}"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values for JSON."""
        return {
            "exact": self.exact,
            "altered": [
                {"where": self._place(path), "trained": _plain(trained), "file": _plain(stored)}
                for path, trained, stored in self.altered
            ],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
            "diagnoses": [None if diagnosis is None else diagnosis.as_dict() for diagnosis in self.diagnoses],
            "gaps": {
                "float_to_fixed": {"measured": False, "why": self.float_gap}
                if isinstance(self.float_gap, str)
                else self.float_gap.as_dict(),
                "fixed_to_lava": None if self.lava_gap is None else vars(self.lava_gap) | {"zero": self.lava_gap.zero},
            },
        }


def verify(
    network: nn.Module | Net | str | os.PathLike[str],
    x: npt.ArrayLike,
    *,
    file: str | os.PathLike[str] | None = None,
    backends: Sequence[Backend] = ("engine", "lava"),
    lava_samples: int | None = None,
    seed: int = 0,
    registers: bool = True,
    deadline: float | None = None,
    sweep: Sweep | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Verdict:
    """Compare every spike and register of a network between torch, the batch engine and Lava.

    Parameters
    ----------
    network : Module, Net or path-like
        A trained module, whose own forward pass is then the first trace; or a record or an exported file, where the
        first of `backends` is.
    x : array_like, shape (samples, channels, steps)
        Input in SLAYER's units. Samples are streamed back to back through one Lava run.
    file : path-like, optional
        With a module: the exported file to simulate instead of a fresh record of the module. What differs between the
        two is reported.
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
    altered: list[tuple[str, Any, Any]] = []
    trained: Net | None = None
    twin: FloatTwin | str = "no trained module was given"
    runs: dict[str, Callable[[npt.NDArray[Any]], Trace]] = {}
    quick: dict[str, Callable[[npt.NDArray[Any]], Trace]] = {}
    if isinstance(network, Net | str | os.PathLike):
        net = network if isinstance(network, Net) else netx.load(network)
    else:
        from ..export.slayer import record
        from . import torch_backend

        module = network
        stored = None if file is None else netx.load(file)
        trained = record(module, steps=stored.steps if stored else x.shape[-1] if x.ndim else None)
        net = stored or trained
        altered = differences(trained, net)
        if not _same_layers(trained, net):
            return Verdict(net=net, comparisons=(), answers={}, traces=(), altered=tuple(altered))
        runs["torch"] = partial(torch_backend.run, module, trained)
        quick["torch"] = partial(torch_backend.run, module, trained, registers=False)
        twin = _float_twin(module, trained)

    def tell(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    for backend in backends:
        runs[backend] = partial(simulate, net, backend=backend, deadline=deadline, progress=tell("Lava steps"))
        quick[backend] = partial(_without_registers, net, backend, runs[backend])
    if len(runs) < 2:
        raise InputError("A comparison needs two sides; name at least two backends, or give the trained module.")
    encode(net, x)  # refuses what does not fit before anything runs
    first, *others = runs
    pair = _swept_pair(first, others) if sweep is not None else None
    comparisons: list[Comparison] = []
    diagnoses: list[Diagnosis | None] = []
    float_gap: FloatGap | str = twin if isinstance(twin, str) else ""
    shown: tuple[Trace, ...] = ()
    answers: dict[str, Answers] = {}
    for other in others:
        chosen = _chosen(len(x), lava_samples if "lava" in (first, other) else None, seed)
        if sweep is not None and pair is not None and other == "lava":
            swept = sweep.run(net, x, chosen, pair, deadline=deadline, progress=tell("Lava samples"))
            comparisons.append(swept.comparison)
            diagnoses.append(swept.diagnosis)
            for side, output in zip(pair, swept.output, strict=True):
                answers.setdefault(side, Answers(chosen, output))
            continue
        # Lava runs its samples in one stream; the others share out what a trace may take of the memory.
        with_lava = "lava" in (first, other)
        used = runs if registers or with_lava else quick
        size = len(chosen) if with_lava else max(1, _CHUNK_BYTES // _trace_bytes(net, registers=registers))
        parts = [chosen[i : i + size] for i in range(0, len(chosen), size)]
        found = []
        rounding: list[FloatGap] = []
        why: Diagnosis | None = None
        for done, part in enumerate(parts):
            a, b = shown = used[first](x[part]), used[other](x[part])
            comparison = compare(a, b)
            found.append((comparison, a.output(net), b.output(net)))
            if other == others[0] and not isinstance(twin, str):
                rounding.append(twin.compare(x[part], a))
            if comparison.first is not None and (why is None or _earlier(net, comparison.first.layer, why.layer)):
                where: Mismatch | None = comparison.first
                if used is quick:  # a diagnosis looks at registers
                    part = part[[comparison.first.sample]]
                    a, b = runs[first](x[part]), runs[other](x[part])
                    where = compare(a, b).first
                assert where is not None
                why = diagnose(net, encode(net, x[part]), a, b, where, trained=trained if altered else None)
                why = why.renamed(int(part[where.sample]))
            if progress is not None and len(parts) > 1:
                progress(f"samples of {other}", min(size * (done + 1), len(chosen)), len(chosen))
        if used is quick:  # pictures show registers
            shown = tuple(runs[name](x[chosen[-_PICTURED:]]) for name in (first, other))
        comparisons.append(merge([comparison for comparison, _, _ in found], parts))
        diagnoses.append(why)
        float_gap = gaps.merge(rounding) if rounding else float_gap
        for name, column in ((first, 1), (other, 2)):
            answered = Answers(chosen, np.concatenate([row[column] for row in found]))
            if name not in answers or len(answers[name].samples) < len(chosen):
                answers[name] = answered
    return Verdict(
        net=net,
        comparisons=tuple(comparisons),
        answers=answers,
        traces=shown,
        altered=tuple(altered),
        diagnoses=tuple(diagnoses),
        float_gap=float_gap,
    )


def _swept_pair(first: str, others: Sequence[str]) -> tuple[Backend, Backend]:
    """Return what a sweep compares: a backend that needs no module, and Lava."""
    known: tuple[Backend, ...] = ("engine", "reference")
    integer = [one for one in known if one in (first, *others)]
    if "lava" not in others or not integer:
        raise InputError("A sweep is for Lava beside another backend; give backends=('engine', 'lava').")
    return integer[0], "lava"


def _float_twin(module: nn.Module, net: Net) -> FloatTwin | str:
    """Return a module's float twin, or why it has none."""
    from .float_twin import FloatTwin

    try:
        return FloatTwin(module, net)
    except UnsupportedError as error:
        return str(error)


def _earlier(net: Net, one: str, other: str) -> bool:
    """Whether a layer comes before another one."""
    order = [layer.name for layer in net.layers]
    return order.index(one) < order.index(other)


def _chosen(available: int, wanted: int | None, seed: int) -> npt.NDArray[np.int64]:
    if wanted is None or wanted >= available:
        return np.arange(available)
    return np.sort(np.random.default_rng(seed).choice(available, wanted, replace=False))


def _trace_bytes(net: Net, *, registers: bool) -> int:
    """Return the size of one sample's trace."""
    variables = [len(VARIABLES[type(layer.neuron)]) if registers else 1 for layer in net.layers]
    return sum(4 * net.steps * layer.num_neurons * n for layer, n in zip(net.layers, variables, strict=True))


def _without_registers(net: Net, backend: str, run: Callable[[npt.NDArray[Any]], Trace], x: npt.NDArray[Any]) -> Trace:
    """Run samples and return every spike and what a read-out holds after the last step."""
    if backend == "engine":
        from . import engine

        output = [(net.readout.name, "v")] if net.readout else []
        spikes = [(layer.name, SPIKES) for layer in net.layers if SPIKES in VARIABLES[type(layer.neuron)]]
        trace = engine.run(net, encode(net, x), record=[*spikes, *output])
    else:
        trace = run(x)
    return without_registers(trace)


def _same_layers(a: Net, b: Net) -> bool:
    """Whether two networks have layers of the same names, kinds and widths, so that traces can be compared."""
    shapes = [[(layer.name, type(layer.neuron), layer.num_neurons) for layer in net.layers] for net in (a, b)]
    return shapes[0] == shapes[1]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else repr(value)

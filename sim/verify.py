"""Proof that a trained module, its exported file and Lava compute the same spikes and registers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError, UnsupportedError
from ..contract.net import Input, Net
from ..contract.record import differences
from ..export import formats
from . import gaps
from . import headroom as room
from .diagnose import Diagnosis
from .gaps import FloatGap, LavaGap
from .headroom import Headroom
from .pairing import Paired, Run, Side, pair
from .parity import Comparison
from .simulate import BACKENDS, Backend, encode, simulate
from .sweep import Sweep, Swept
from .trace import SPIKES, VARIABLES, Trace, without_registers

if TYPE_CHECKING:
    from torch import nn

    from .float_twin import FloatTwin


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
        Two backends on the same samples, for pictures: those among which they differ first, or else the last ones.
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
    headroom: tuple[Headroom, ...] = ()
    """How near every register came to its limit, over the compared samples; empty if registers were not compared."""
    float_gap: FloatGap | str = "no trained module was given"
    """What quantisation costs, over the samples of the first comparison; or why that was not measured."""
    traced: npt.NDArray[np.int64] = field(default_factory=lambda: np.arange(0))
    """Which samples `traces` are of."""
    input_sha256: str = ""
    """Digest of the input's integer payloads, all samples."""

    @property
    def exact(self) -> bool:
        """Whether every comparison is exact and the file holds the trained network."""
        return not self.altered and all(comparison.exact for comparison in self.comparisons)

    @property
    def lava_gap(self) -> LavaGap | None:
        """What differs between the integer network and Lava, which must be nothing; None if Lava was not run."""
        return gaps.lava_gap(self.comparisons)

    def __str__(self) -> str:
        return "\n".join(["EXACT" if self.exact else "NOT EXACT", *self.sentences(diagnoses=True)])

    def sentences(self, *, diagnoses: bool = False) -> list[str]:
        """Return what was found, a line each, with or without the registers around mismatches and their causes."""
        lines = []
        if self.altered:
            path, trained, stored = self.altered[0]
            more = f" (and {len(self.altered) - 1} more)" if len(self.altered) > 1 else ""
            lines.append(
                f"the file is not the trained network: {self._place(path)}: trained {trained}, file {stored}{more}"
            )
        for i, comparison in enumerate(self.comparisons):
            lines.append(str(comparison))
            diagnosis = self.diagnoses[i] if i < len(self.diagnoses) else None
            if diagnoses and diagnosis is not None:
                lines += str(diagnosis).splitlines()
        lines += room.sentences(self.headroom)
        if isinstance(self.float_gap, FloatGap):
            lines.append(str(self.float_gap))
        if self.lava_gap is not None:
            lines.append(str(self.lava_gap))
        return lines

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
            "input_sha256": self.input_sha256,
            "altered": [
                {"where": self._place(path), "trained": _plain(trained), "file": _plain(stored)}
                for path, trained, stored in self.altered
            ],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
            "diagnoses": [None if diagnosis is None else diagnosis.as_dict() for diagnosis in self.diagnoses],
            "headroom": [one.as_dict() for one in self.headroom],
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
    input: Input | None = None,
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
    altered: list[tuple[str, Any, Any]] = []
    trained: Net | None = None
    twin: FloatTwin | str = "no trained module was given"
    sides: list[Side] = []
    if isinstance(network, Net | str | os.PathLike):
        net = network if isinstance(network, Net) else formats.load(network, steps=x.shape[-1] if x.ndim else None)
    else:
        from ..export.slayer import record
        from . import torch_backend

        module = network
        if hasattr(module, "deployed"):
            raise UnsupportedError(
                f"{type(module).__name__}: it is floating-point, and another network than its record. Give "
                "spikeproof.record(module), and for input the spikes of train.sequence.deploy.inputs(module, x)."
            )
        stored = None if file is None else formats.load(file)
        sample = x[:1] if x.ndim >= 3 and len(x) else None
        steps = stored.steps if stored else x.shape[-1] if x.ndim else None
        trained = record(module, steps=steps, sample=sample, input=input or (stored.input if stored else None))
        net = stored or trained
        altered = differences(trained, net)
        if not _same_layers(trained, net):
            return Verdict(net=net, comparisons=(), answers={}, traces=(), altered=tuple(altered))
        whole = partial(torch_backend.run, module, trained)
        sides.append(Side("torch", whole, partial(whole, registers=False)))
        twin = _float_twin(module, trained)

    def tell(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    for backend in backends:
        run = partial(simulate, net, backend=backend, deadline=deadline, progress=tell("Lava steps"))
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
            names = swept_pair
            found.append(sweep.run(net, x, chosen, swept_pair, deadline=deadline, progress=tell("Lava samples")))
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
                    trained=trained if altered else None,
                    twin=None if found or isinstance(twin, str) else twin,
                    progress=progress,
                )
            )
        for name, output in zip(names, found[-1].output, strict=True):
            if name not in answers or len(answers[name].samples) < len(chosen):
                answers[name] = Answers(chosen, output)
    paired = [one for one in found if isinstance(one, Paired)]
    pictured = next((one for one in paired if one.diagnosis is not None), paired[-1] if paired else None)
    float_gap = next((one.float_gap for one in paired if one.float_gap is not None), None)
    return Verdict(
        net=net,
        comparisons=tuple(one.comparison for one in found),
        answers=answers,
        traces=pictured.traces if pictured else (),
        traced=pictured.traced if pictured else np.arange(0),
        altered=tuple(altered),
        diagnoses=tuple(one.diagnosis for one in found),
        headroom=room.fullest([one.headroom for one in paired if one.headroom]),
        float_gap=float_gap or (twin if isinstance(twin, str) else "all samples ran in a sweep"),
        input_sha256=hashlib.sha256(payload.tobytes()).hexdigest(),
    )


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


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else repr(value)

"""What `spikeproof.verify` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from ...contract.net import Net
from ..bounds import Bounds
from ..compare import Comparison
from ..diagnose.diagnose import Diagnosis
from ..pictures import cards
from ..pictures.of_verdict import figures_of
from ..pictures.svg import Picture
from ..trace import Trace
from . import gaps
from . import headroom as room
from .gaps import FloatGap, LavaGap
from .headroom import Headroom
from .same import Same
from .scores import Scores
from .whole import Whole, classes

if TYPE_CHECKING:
    from ...export.capture.host import Host


class Answers(NamedTuple):
    """What a backend answered to the samples that it ran."""

    samples: npt.NDArray[np.int64]
    """Which of the samples they are."""
    output: npt.NDArray[np.int64]
    """Read-out registers or spike counts, shape (samples, outputs)."""
    scores: npt.NDArray[Any] | None = None
    """What the user's module returned with this backend's spikes, where that is scores or classes."""

    @property
    def predictions(self) -> npt.NDArray[np.int64]:
        """The first of the largest scores of each sample; of the outputs, where the module returns something else."""
        return classes(self.output if self.scores is None else self.scores)

    def rows(self, samples: npt.NDArray[np.int64]) -> list[int]:
        """Return at which rows some of the samples lie."""
        row = {sample: i for i, sample in enumerate(self.samples.tolist())}
        return [row[sample] for sample in samples.tolist()]


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
    host: Host | None = None
    """What runs on the host in front of the network and behind it; None if no trained module was given."""
    blocks: Mapping[str, str] = field(default_factory=dict)
    """Layer -> what the trained module calls its block; empty if no trained module was given."""
    ends: tuple[Whole, ...] = ()
    """For each backend whose spikes were played back in the module: whether ``module(x)`` was the same."""
    notes: tuple[str, ...] = ()
    """What is worth knowing of the module or the file, and no fault."""
    diagnoses: tuple[Diagnosis | None, ...] = ()
    """For each comparison, why the two sides differ; None if they do not."""
    same: tuple[Same, ...] = ()
    """For each comparison and answer how often both sides gave it alike; empty if the network has one answer."""
    headroom: tuple[Headroom, ...] = ()
    """How near every register came to its limit, over the compared samples; empty if registers were not compared."""
    bounds: Bounds | None = None
    """How far every register can go for every input; None if that was not computed, which can take long."""
    float_gap: FloatGap | str = "no trained module was given"
    """What quantisation costs, over the samples of the first comparison; or why that was not measured."""
    traced: npt.NDArray[np.int64] = field(default_factory=lambda: np.arange(0))
    """Which samples `traces` are of."""
    input_sha256: str = ""
    """Digest of the input's integer payloads, all samples."""
    scores: Scores = field(default_factory=Scores)
    """What the answers are worth on the task, if a training run was verified."""

    @property
    def exact(self) -> bool:
        """Whether every comparison is exact, the file holds the trained network, and ``module(x)`` is reproduced."""
        compared = bool(self.comparisons) and all(comparison.exact for comparison in self.comparisons)
        return not self.altered and compared and all(end.equal for end in self.ends)

    @property
    def whole(self) -> bool:
        """Whether this says of the user's module, from its input to its output, that it is exact.

        False where no trained module was compared: a file's record can be exact on every backend, and nothing is known
        of the module that it came from.
        """
        return self.exact and bool(self.ends)

    @property
    def lava_gap(self) -> LavaGap | None:
        """What differs between the integer network and Lava, which must be nothing; None if Lava was not run."""
        return gaps.lava_gap(self.comparisons)

    def plot(self) -> Picture:
        """Return a picture of what two backends did in one sample, which a notebook shows; ``.save(path)`` writes it.

        It is the sample in which they first differ, or else the first one.

        Raises
        ------
        InputError
            The verdict kept no traces: it is of a sweep, or the file is not the trained network.
        """
        found = figures_of(self)
        if not found:
            raise InputError("This verdict kept no traces to draw. Verify without a sweep, and a file of this network.")
        return Picture(tuple(found))

    def __repr__(self) -> str:
        samples = max((comparison.num_samples for comparison in self.comparisons), default=0)
        backends = ", ".join(self.answers) or "nothing compared"
        return f"Verdict({'EXACT' if self.exact else 'NOT EXACT'}, {_samples(samples)} of {backends})"

    def _repr_html_(self) -> str:
        return cards.verdict(self)

    def __str__(self) -> str:
        said = "EXACT" if self.exact else "NOT EXACT"
        return "\n".join([said, *self.sentences(diagnoses=True), *self.scores.lines()])

    def sentences(self, *, diagnoses: bool = False) -> list[str]:
        """Return what was found, a line each, with or without the registers around mismatches and their causes."""
        lines = []
        if self.altered:
            path, trained, stored = self.altered[0]
            more = f" (and {len(self.altered) - 1} more)" if len(self.altered) > 1 else ""
            lines.append(
                f"the file is not the trained network: {self._place(path)}: trained {trained}, file {stored}{more}"
            )
        if self.blocks and not self.exact:
            called = ", ".join(f"{layer} is {name!r}" for layer, name in self.blocks.items())
            lines.append(f"layers and what the module calls them: {called}")
        if self.host is not None:
            lines.append(str(self.host))
        lines += self._end_sentences()
        for i, comparison in enumerate(self.comparisons):
            lines.append(str(comparison))
            diagnosis = self.diagnoses[i] if i < len(self.diagnoses) else None
            if diagnoses and diagnosis is not None:
                lines += str(diagnosis).splitlines()
        lines += map(str, self.same)
        if isinstance(self.float_gap, FloatGap):
            lines.append(str(self.float_gap))
        if self.lava_gap is not None:
            lines.append(str(self.lava_gap))
        lines += room.sentences(self.headroom)
        if self.bounds is not None:
            lines.append(str(self.bounds))
        lines += (f"note: {note}" for note in self.notes)
        return lines

    def _end_sentences(self) -> list[str]:
        """Return what became of ``module(x)``, in words."""
        wrong = [end for end in self.ends if not end.equal]
        if wrong:
            return [end.sentence for end in wrong]
        if self.ends:
            of = " and ".join(f"{end.backend} ({_samples(end.samples)})" for end in self.ends)
            return [f"module(x) is the same to the last bit with the spikes of {of} in place of its own"]
        return []

    def _place(self, path: str) -> str:
        """Say in words where in the record a path such as ``layers[1].synapse.weight[3, 5]`` is."""
        head, _, rest = path.partition("].")
        if head.startswith("edges[") and rest:
            return f"edge {self.net.edges[int(head.removeprefix('edges['))].label}, {rest}"
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
            "whole": self.whole,
            "host": None if self.host is None else self.host.as_dict(),
            "blocks": dict(self.blocks),
            "module": [end.as_dict() for end in self.ends],
            "notes": list(self.notes),
            "input_sha256": self.input_sha256,
            "altered": [
                {"where": self._place(path), "trained": _plain(trained), "file": _plain(stored)}
                for path, trained, stored in self.altered
            ],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
            "diagnoses": [None if diagnosis is None else diagnosis.as_dict() for diagnosis in self.diagnoses],
            "answers": [one.as_dict() for one in self.same],
            "headroom": [one.as_dict() for one in self.headroom],
            "bounds": None if self.bounds is None else self.bounds.as_dict(),
            "gaps": {
                "float_to_fixed": {"measured": False, "why": self.float_gap}
                if isinstance(self.float_gap, str)
                else self.float_gap.as_dict(),
                "fixed_to_lava": None if self.lava_gap is None else vars(self.lava_gap) | {"zero": self.lava_gap.zero},
            },
            **self.scores.as_dict(),
        }


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count:,} samples"


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else repr(value)

"""What `spikeproof.verify` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.net import Net
from . import gaps
from . import headroom as room
from .diagnose import Diagnosis
from .gaps import FloatGap, LavaGap
from .headroom import Headroom
from .parity import Comparison
from .trace import Trace


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


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else repr(value)

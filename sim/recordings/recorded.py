"""Compares a network with what a chip or another simulator has recorded of it, as much as there is.

A recording may hold any layers, registers, neurons and steps. What recorded it may count steps in another way, so the
lag of each layer is looked for: the one for which the fewest of its entries differ, those counted too that one side has
and a lag would push out of what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from ...contract.net import Net
from ..compare import compare
from ..diagnose.diagnose import Diagnosis, diagnose
from ..simulate import run_payload
from ..trace import SPIKES, VARIABLES, Trace
from .recordings import Recording

LONGEST_LAG = 64
"""Lags beyond this many steps, in either direction, are not looked for."""
_DIAGNOSED = 32
"""Samples that a diagnosis looks at."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How a recorded variable compares with the network's."""

    name: str
    compared: int
    """Entries that were compared."""
    differ: int
    active: int
    """Recorded entries among them that are not 0."""
    lag: int
    """Steps by which the recording is later than the layer's own time."""
    beyond: int
    """Recorded steps that lie outside of the samples, and so were not compared."""
    first: Mapping[str, int] | None
    """Where it differs first: sample, step, neuron, and the recorded and computed values."""
    where_firing: int
    """How many of the entries that differ are of a neuron in a step in which it fires."""
    unseen: int = 0
    """Spikes of either side that the lag leaves without an entry to compare with."""
    unexplained: int = 0
    """Recorded spikes among them, in front of the first step: nothing that the network does stands for them."""

    def __str__(self) -> str:
        what = f", {self.active:,} {_counted('spike', self.active)}" if self.name.endswith(f"/{SPIKES}") else ""
        words = f"{self.name}: {self.compared - self.differ:,} of {self.compared:,} entries are equal{what}"
        if self.lag:
            late = "later" if self.lag > 0 else "earlier"
            words += f"; recorded {abs(self.lag)} {_counted('step', abs(self.lag))} {late} than the layer's own time"
        if self.first is not None:
            at = "sample {sample}, step {step}, neuron {neuron}: recorded {recorded}, computed {computed}"
            words += f"; the first that differs is in {at.format(**self.first)}"
            if self.where_firing:
                words += f"; {self.where_firing:,} of the {self.differ:,} are steps in which the neuron fires"
        if self.beyond:
            lie = "lies" if self.beyond == 1 else "lie"
            words += f"; {self.beyond:,} recorded {_counted('step', self.beyond)} {lie} outside of the samples"
        if self.unseen:
            what = f"{self.unseen:,} {_counted('spike', self.unseen)}"
            words += f"; {what} of one side {'has' if self.unseen == 1 else 'have'} no step to compare with"
        if self.unexplained:
            words += f", {self.unexplained:,} of them recorded, in front of its first step"
        return words


@dataclass(frozen=True, kw_only=True)
class RecordedVerdict:
    """What a recording says about a network."""

    compared: tuple[Compared, ...]
    missing: tuple[str, ...]
    """What was not recorded, ``layer`` or ``layer/variable``."""
    diagnosis: Diagnosis | None
    """Why they differ, where everything was recorded."""

    @property
    def equal(self) -> bool:
        """Whether all entries that were compared are equal."""
        return not any(each.differ for each in self.compared)

    @property
    def exact(self) -> bool:
        """Whether all entries are equal, something happened, and the network explains every recorded spike."""
        return self.equal and self._happened and not self._unexplained

    @property
    def _unexplained(self) -> list[str]:
        """Variables with recorded spikes in front of the network's first step."""
        return [each.name for each in self.compared if each.unexplained]

    @property
    def _happened(self) -> bool:
        spikes = [each for each in self.compared if each.name.endswith(f"/{SPIKES}")]
        return any(each.active for each in spikes or self.compared) and not self._silent

    @property
    def _silent(self) -> list[str]:
        """Layers that fire, but in no step that was compared."""
        return [each.name for each in self.compared if each.unseen and not each.active and not each.differ]

    def __str__(self) -> str:
        head = "EXACT" if self.exact else "NOT EXACT"
        if self.equal and not self._happened:
            where = f" in the steps that were compared of {', '.join(self._silent)}" if self._silent else ""
            head = f"NOT EXACT: everything compared is equal, but nothing fired{where}, so this proves nothing"
        elif self.equal and self._unexplained:
            head = (
                f"NOT EXACT: everything compared is equal, but of {', '.join(self._unexplained)} spikes were recorded "
                "in front of the network's first step, which nothing explains. Begin the recording with the input"
            )
        lines = [head, *map(str, self.compared)]
        if self.missing:
            lines.append(f"not recorded, so nothing is said about it: {', '.join(self.missing)}")
        if self.diagnosis is not None:
            lines.append(str(self.diagnosis))
        return "\n".join(lines)

    @property
    def _failure(self) -> str:
        if not self.equal:
            return "mismatch"
        return "spikes outside" if self._happened else "nothing fired"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values for JSON."""
        return {
            "verdict": "exact" if self.exact else self._failure,
            "compared": [asdict(each) for each in self.compared],
            "missing": list(self.missing),
            "diagnosis": None if self.diagnosis is None else self.diagnosis.as_dict(),
        }


def verify_recorded(net: Net, payload: npt.NDArray[np.int32], recordings: Sequence[Recording]) -> RecordedVerdict:
    """Compare a network with what was recorded of it.

    Parameters
    ----------
    net : Net
        The network.
    payload : ndarray of int32, shape (samples, channels, steps)
        The input with which it was recorded.
    recordings : sequence of Recording
        See `spikeproof.sim.recordings.recordings.of_arrays` and ``of_columns``.

    Returns
    -------
    RecordedVerdict

    Raises
    ------
    InputError
        The recording has another number of samples than the input, or nothing of it lies in the samples.
    """
    trace = run_payload(net, payload, "engine")
    compared, lags = [], {}
    for layer in dict.fromkeys(each.layer for each in recordings):
        of = [each for each in recordings if each.layer == layer]
        lags[layer] = _lag(trace, of)
        compared += [_compared(trace, each, lags[layer]) for each in of]
    missing = _missing(net, trace, recordings, lags)
    verdict = RecordedVerdict(compared=tuple(compared), missing=missing, diagnosis=None)
    full = None if missing or verdict.equal else _full(trace, recordings, lags)
    return verdict if full is None else replace(verdict, diagnosis=_why(net, payload, trace, full))


def _counted(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


def _paired(
    trace: Trace, recording: Recording, lag: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return what was computed and what was recorded of the same steps, and which they are."""
    computed = _in_the_way_of(recording, trace.layers[recording.layer][recording.variable])
    steps = recording.steps - lag
    inside = (steps >= 0) & (steps < computed.shape[-1])
    return computed[..., steps[inside]], recording.values[..., inside], steps[inside]


def _in_the_way_of(recording: Recording, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the recorded neurons of a variable, samples after each other where they are so in the recording."""
    if not recording.streamed and len(array) != len(recording.values):
        raise InputError(f"{recording.name}: {len(recording.values)} samples, but the input has {len(array)}.")
    array = array[:, list(recording.neurons)]
    return array.transpose(1, 0, 2).reshape(1, array.shape[1], -1) if recording.streamed else array


def _lag(trace: Trace, recordings: Sequence[Recording]) -> int:
    """Return the lag at which the smallest part of a layer's entries differs; of several, the shortest.

    What one side has in a step that the other has no entry for counts as different: without that, a lag could push all
    that a layer does out of what is compared.
    """
    parts, busy = {}, [_busy(trace, each) for each in recordings]
    for lag in sorted(range(-LONGEST_LAG, LONGEST_LAG + 1), key=lambda lag: (abs(lag), lag < 0)):
        pairs = [_paired(trace, each, lag)[:2] for each in recordings]
        sizes = [
            (recorded.shape[-1], each.values.shape[-1]) for (_, recorded), each in zip(pairs, recordings, strict=True)
        ]
        if all(2 * inside >= whole for inside, whole in sizes):
            size = sum(recorded.size for _, recorded in pairs)
            differ = sum(int((a != b).sum()) for a, b in pairs)
            unseen = sum(_unseen(each, recording, lag) for each, recording in zip(busy, recordings, strict=True))
            parts[lag] = (differ + unseen) / max(1, size)
    if not parts:
        raise InputError(
            f"{recordings[0].name}: fewer than half of its steps lie in the samples of the input. Give the whole input "
            "with which it was recorded, or say with an array of steps which ones they are."
        )
    return min(parts, key=lambda lag: parts[lag])


def _busy(trace: Trace, recording: Recording) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how many entries of each step are not 0, computed and recorded."""
    computed = _in_the_way_of(recording, trace.layers[recording.layer][recording.variable])
    return np.count_nonzero(computed, axis=(0, 1)), np.count_nonzero(recording.values, axis=(0, 1))


def _unseen(busy: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], recording: Recording, lag: int) -> int:
    """Return how many entries that are not 0 a lag leaves alone: recorded ones outside, and computed ones uncovered."""
    computed, recorded = busy
    steps, end = recording.steps - lag, len(computed)
    outside = recorded[(steps < 0) | (steps >= end)]
    known = np.unique(recording.steps[(recording.steps >= 0) & (recording.steps < end)])
    return int(outside.sum() + computed[np.setdiff1d(known, steps)].sum())


def _unexplained(trace: Trace, recording: Recording, lag: int) -> int:
    """Return how many recorded spikes a lag pushes in front of the samples, where nothing of the network explains them.

    In a recording that was cut into samples, the first steps of one are the last of the sample before, as far as the
    lag goes. What was recorded behind the last step is no matter of a lag: a chip may go on.
    """
    computed = _in_the_way_of(recording, trace.layers[recording.layer][recording.variable])
    steps = recording.steps - lag
    early = (steps < 0) & (recording.steps >= 0)
    values = recording.values[..., early]
    before = np.zeros_like(values)
    if not recording.streamed:
        at = computed.shape[-1] + steps[early]
        before[1:] = np.where(at >= 0, computed[:-1][..., np.maximum(at, 0)], 0)
    return int(np.count_nonzero((values != 0) & (values != before)))


def _compared(trace: Trace, recording: Recording, lag: int) -> Compared:
    computed, recorded, steps = _paired(trace, recording, lag)
    unequal = computed != recorded
    first, firing = None, 0
    if unequal.any():
        k, i, j = (int(index) for index in np.argwhere(unequal.transpose(2, 0, 1))[0])
        sample, step = i, int(steps[k])
        if recording.streamed:
            sample, step = divmod(step, trace.layers[recording.layer][recording.variable].shape[-1])
        first = {"sample": sample, "step": step, "neuron": recording.neurons[j]}
        first |= {"recorded": int(recorded[i, j, k]), "computed": int(computed[i, j, k])}
        if recording.variable != SPIKES and SPIKES in trace.layers[recording.layer]:
            fires = _in_the_way_of(recording, trace.layers[recording.layer][SPIKES])[..., steps] != 0
            firing = int((unequal & fires).sum())
    spikes = recording.variable == SPIKES
    return Compared(
        name=recording.name,
        compared=recorded.size,
        differ=int(unequal.sum()),
        active=int(np.count_nonzero(recorded)),
        lag=lag,
        beyond=recording.values.shape[-1] - recorded.shape[-1],
        first=first,
        where_firing=firing,
        unseen=_unseen(_busy(trace, recording), recording, lag) if spikes else 0,
        unexplained=_unexplained(trace, recording, lag) if spikes else 0,
    )


def _missing(net: Net, trace: Trace, recordings: Sequence[Recording], lags: Mapping[str, int]) -> tuple[str, ...]:
    found = []
    for layer in net.layers:
        of = {each.variable: each for each in recordings if each.layer == layer.name}
        lacking = [name for name in VARIABLES[type(layer.neuron)] if name not in of]
        found += [layer.name] if not of else [f"{layer.name}/{name}" for name in lacking]
        for each in of.values():
            neurons = len(set(each.neurons))
            if neurons < layer.num_neurons:
                found.append(f"{layer.num_neurons - neurons:,} of {layer.num_neurons:,} neurons of {each.name}")
        steps = {_left_out(trace, each, lags[layer.name]): each.name for each in of.values()}
        for (left, whole), name in steps.items():
            if left:
                found.append(f"{left:,} of {whole:,} steps of {layer.name if len(steps) == 1 else name}")
    return tuple(found)


def _left_out(trace: Trace, recording: Recording, lag: int) -> tuple[int, int]:
    """Return how many steps of the samples were not recorded, of how many."""
    samples, _, steps = trace.layers[recording.layer][recording.variable].shape
    whole = samples * steps if recording.streamed else steps
    return whole - len(np.unique(_paired(trace, recording, lag)[2])), whole


def _full(trace: Trace, recordings: Sequence[Recording], lags: Mapping[str, int]) -> Trace | None:
    """Return a recording as a trace, if it holds every step of every sample."""
    layers: dict[str, dict[str, Any]] = {name: {} for name in trace.layers}
    for each in recordings:
        computed = trace.layers[each.layer][each.variable]
        _, recorded, steps = _paired(trace, each, lags[each.layer])
        whole = computed.shape[0] * computed.shape[2] if each.streamed else computed.shape[2]
        if len(steps) != whole or len(set(steps.tolist())) != whole:
            return None
        ordered = np.empty_like(recorded[..., :whole])
        ordered[..., steps] = recorded
        rows = np.argsort(each.neurons)
        of = ordered[:, rows].astype(np.int32)
        if each.streamed:
            of = of.reshape(of.shape[1], computed.shape[0], -1).transpose(1, 0, 2)
        layers[each.layer][each.variable] = of
    in_order = {name: {key: of[key] for key in trace.layers[name]} for name, of in layers.items()}
    return Trace(backend="recording", layers=in_order)


def _why(net: Net, payload: npt.NDArray[np.int32], trace: Trace, recorded: Trace) -> Diagnosis | None:
    first = compare(trace, recorded, net.groups).first
    assert first is not None
    begin = max(0, first.sample + 1 - _DIAGNOSED)
    some = slice(begin, begin + _DIAGNOSED)
    sides = [
        replace(each, layers={n: {k: v[some] for k, v in of.items()} for n, of in each.layers.items()})
        for each in (trace, recorded)
    ]
    first = compare(sides[0], sides[1], net.groups).first
    assert first is not None
    return diagnose(net, payload[some], sides[0], sides[1], first).renamed(begin + first.sample)

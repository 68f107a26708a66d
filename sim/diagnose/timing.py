"""Known faults in when a layer does things: its encoding, bias, reset, input or output is some steps off.

Samples are run back to back, as Lava runs them, since such faults carry one sample into the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import reference
from .case import Case, Cause, Variables


def shifted_encoding(case: Case) -> Iterator[Cause]:
    """Test a temporal encoding that is read some steps ahead or behind."""
    if case.te is None:
        return
    for shift in _shifts(case):
        if case.reproduced_by(reference.scan(case.layer.neuron, case.sums, _encoding(case, shift))):
            yield Cause("te shifted", f"step t uses row t {shift:+d} of the temporal encoding")


def early_bias(case: Case) -> Iterator[Cause]:
    """Test a bias that is integrated before the sample begins, as a stock Lava neuron does that is not reset then."""
    for early in range(1, _latency(case) + 2):
        x = np.concatenate([np.zeros((early, *case.sums.shape[1:]), np.int64), case.sums])
        te = None if case.te is None else np.concatenate([np.zeros_like(case.te[:1]).repeat(early, 0), case.te])
        whole = reference.scan(case.layer.neuron, x, te)
        every = {key: array[..., early:] for key, array in whole.items()}
        once = {key: np.concatenate([array[:1], case.expected[key][1:]]) for key, array in every.items()}
        words = f"the bias is integrated {_steps(early)} before"
        if case.reproduced_by(every):
            yield Cause("bias early", f"{words} each sample begins")
        elif case.begins and case.reproduced_by(once):
            yield Cause("bias early", f"{words} the first sample begins")


def reset_offset(case: Case) -> Iterator[Cause]:
    """Test registers that are reset some steps late or early, or never."""
    for early in (0, _latency(case)):
        found = [shift for shift in _shifts(case) if case.reproduced_by(_streamed(case, reset=shift, early=early))]
        for shift in found:
            yield Cause("reset offset", f"registers are reset {_steps(abs(shift))} {'late' if shift > 0 else 'early'}")
        if not found and case.reproduced_by(_streamed(case, reset=None, early=early)):
            yield Cause("no reset", "registers are never reset between samples")
            return
        if found:
            return


def shifted_clock(case: Case) -> Iterator[Cause]:
    """Test a layer's own time, with its reset, bias and encoding, that begins some steps late or early."""
    for shift in _shifts(case):
        te = _encoding(case, -shift)
        trace = _streamed(case, reset=shift, early=max(0, -shift), te=te)
        if shift > 0 and case.begins:
            for array in trace.values():
                array[0, :, :shift] = 0  # not begun
        if case.reproduced_by(trace):
            when = "late" if shift > 0 else "early"
            yield Cause("clock shifted", f"the layer's own time begins {_steps(abs(shift))} {when}, its input does not")


def shifted_input(case: Case) -> Iterator[Cause]:
    """Test inputs that arrive some steps early, as when a delay is dropped, or late."""
    for shift in _shifts(case):
        trace = _unknown_from(case, _streamed(case, ahead=shift), -shift)
        if case.reproduced_by(trace):
            if shift > 0:
                yield Cause("dropped delay", f"inputs arrive {_steps(shift)} early")
            else:
                yield Cause("lagging input", f"inputs arrive {_steps(-shift)} late")


def lag(case: Case) -> Iterator[Cause]:
    """Test whether everything that the layer does is some steps late or early."""
    for shift in _shifts(case):
        trace = {}
        for key, array in case.expected.items():
            stream = array.transpose(1, 0, 2).reshape(array.shape[1], -1)
            shifted = np.zeros_like(stream)
            if shift > 0:
                shifted[:, shift:] = stream[:, :-shift]
            else:
                shifted[:, :shift] = stream[:, -shift:]
            trace[key] = _samples(case, shifted)
        if case.reproduced_by(trace if shift > 0 and case.begins else _unknown_from(case, trace, shift)):
            yield Cause("lag", f"the layer's whole trace is {_steps(abs(shift))} {'late' if shift > 0 else 'early'}")


def _latency(case: Case) -> int:
    return case.net.latency(case.index)


def _shifts(case: Case) -> list[int]:
    """Return the shifts to try, small ones first: up to one more than the layer's latency, and less than a sample."""
    most = min(_latency(case) + 1, case.steps - 1)
    return [shift for k in range(1, most + 1) for shift in (k, -k)]


def _encoding(case: Case, shift: int) -> npt.NDArray[Any] | None:
    """Return the encoding whose row t is row t + shift of the layer's."""
    if case.te is None:
        return None
    if isinstance(case.net.te, np.ndarray):
        rows = np.arange(case.steps) + shift
        table: npt.NDArray[Any] = case.net.te[rows % len(case.net.te), : case.layer.num_neurons]
        return table
    longer = reference.encoding(case.net, case.index, case.steps + abs(shift))
    assert longer is not None
    # Before a sample oscillators stand still; the row of step 0 multiplies a membrane that is 0.
    return longer[np.maximum(np.arange(case.steps) + shift, 0)]


def _streamed(
    case: Case,
    *,
    reset: int | None = 0,
    early: int = 0,
    ahead: int = 0,
    te: npt.NDArray[Any] | None = None,
) -> dict[str, npt.NDArray[np.int32]]:
    """Run the samples back to back.

    Parameters
    ----------
    case : Case
        The layer.
    reset : int or None
        Step of each sample before which registers are reset; negative in the sample before; None for never.
    early : int
        Steps without input that the neurons compute before the first sample.
    ahead : int
        Steps by which the inputs come early.
    te : ndarray, shape (steps, neurons), optional
        Another encoding than the layer's.

    Returns
    -------
    dict of variable to ndarray of int32, shape (samples, neurons, steps)
    """
    steps, samples, n = case.sums.shape
    sums = case.sums.transpose(1, 0, 2).reshape(samples * steps, 1, n)
    x = np.zeros((early + len(sums), 1, n), np.int64)
    if ahead >= 0:
        x[early : len(x) - ahead] = sums[ahead:]
    else:
        x[early - ahead :] = sums[:ahead]
    rows = case.te if te is None else te
    if rows is not None:
        # Early steps use the rows that a clock of their own would: only a clock that is early itself has such steps.
        rows = np.concatenate([np.roll(rows, -reset if reset else 0, 0)[:early], np.tile(rows, (samples, 1))])
    resets = () if reset is None else {early + i * steps + reset for i in range(samples + 1)}
    trace = reference.scan(case.layer.neuron, x, rows, resets=resets)
    return {key: _samples(case, array[0, :, early:]) for key, array in trace.items()}


def _samples(case: Case, stream: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Cut a stream of shape (neurons, samples * steps) into samples, shape (samples, neurons, steps)."""
    return np.ascontiguousarray(stream.reshape(len(stream), -1, case.steps).transpose(1, 0, 2))


def _unknown_from(case: Case, trace: Variables, shift: int) -> Variables:
    """Take from the layer itself what depends on steps outside of the samples: `shift` at the begin, or at the end."""
    known = {key: array.copy() for key, array in trace.items()}
    for key, array in known.items():
        if shift < 0:
            array[-1, :, shift:] = case.found[key][-1, :, shift:]
        elif not case.begins:
            array[0, :, :shift] = case.found[key][0, :, :shift]
    return known


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"

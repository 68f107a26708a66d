"""Runs that show whether a module does what its maps say: other spikes are played back in place of its blocks'.

The blocks do not run, and a run ends with the last input of a block, so probes cost little. The last ones run to the
end: they show what else the answer depends on, the samples beside a sample and random numbers.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from ...contract.errors import InputError, UnsupportedError
from . import guard
from .edges import MULTIPLES
from .host import plain_word
from .playback import OtherCallsError, Player, until_enough
from .provenance import INPUT, Event, Recorder, tensors_in, values_in

if TYPE_CHECKING:
    from .capture import Capture
    from .graph import Found

_OTHERS = (
    "what arrives at the network is another in other runs: forward draws random numbers, keeps state, or lets samples "
    "see each other. Every run here starts with the same seed."
)
_DRAWS = (
    "forward draws random numbers. Every run here starts with the same seed, and with another one module(x) may "
    "return something else."
)
_RANDOM = (
    "what the module returns is another in other runs: forward draws random numbers behind the network, or keeps "
    "state. Every run here starts with the same seed."
)
_TOGETHER = (
    "what the module returns for a sample depends on the samples beside it. What is compared is module(x) of the "
    "samples that ran together, and not of all of x."
)
_SHAPED_BY_VALUES = {"nonzero", "argwhere", "masked_select", "unique", "unique_consecutive"}
_ULPS = 1e-6
"""By how much a sum of few numbers of float32 is rounded."""
_ROUNDING = 1e-3
"""Sums over another number of samples round otherwise."""


def run(captured: Capture, x: tuple[torch.Tensor, ...], found: Found, recorder: Recorder) -> list[str]:
    """Check a module's maps with other spikes, other random numbers and another number of samples.

    Parameters
    ----------
    captured : Capture
        What is checked.
    x : tuple of Tensor, shape (2, ...)
        The arguments of the recorded run.
    found : Found
        What arrives where.
    recorder : Recorder
        The recorded run.

    Returns
    -------
    list of str
        What is worth knowing and no fault.

    Raises
    ------
    UnsupportedError
        A run contradicts a map.
    """
    notes: dict[str, None] = {}
    for read in recorder.reads:
        if read.name == "__bool__" and read.roots == INPUT:
            notes[f"forward branches on its input at {read.place}; every sample that is verified must go one way."] = (
                None
            )
    last = max(call for layer in captured.layers for call in layer.receives)
    for read in recorder.reads[: recorder.calls[last].reads_before]:
        if read.roots > INPUT and read.name != "__bool__":
            notes[
                f"forward reads numbers that spikes make at {read.place}, with blocks behind it. If it decides by "
                "them, only what the verified samples decide is compared."
            ] = None
    behind = next(event.serial for event in recorder.roots if event.call == last)
    for event in recorder.events[:behind]:
        if _shapes_by_values(event) and event.serial not in recorder.within:
            notes[
                f"the shape of what {plain_word(event)} makes at {event.place} depends on values, with blocks behind "
                "it. If forward decides by it, only what the verified samples decide is compared."
            ] = None
    generator = torch.Generator().manual_seed(1)
    reference = _Reference(captured, x, recorder, last)
    both, first, second = slice(2), slice(1), slice(1, 2)
    for which, seed, plays in ((both, 0, ("random", "ones")), (first, 1, ("random",)), (second, 0, ("zeros",))):
        played = _played(captured, recorder, plays, generator)
        player = Player(captured.cues, played, until=last)
        _run(captured, guard.samples_of(x, which), player, seed)
        if len(player.received) != last + 1:
            raise UnsupportedError(_other_calls(captured, len(plays)))
        notes.update(dict.fromkeys(_compare(captured, found, recorder, player, which, reference)))
    if not notes and _hears_others(captured, x, recorder, last):
        notes[_OTHERS] = None
    played = _played(captured, recorder, ("random", "ones"), generator)
    return [*notes, *_tail(captured, x, played, told=_OTHERS in notes)]


def _hears_others(captured: Capture, x: tuple[torch.Tensor, ...], recorder: Recorder, last: int) -> bool:
    """Whether what arrives for one sample is another if the sample beside it is louder, say in a norm over a batch."""
    louder = []
    for each in x:
        louder.append(each.clone())
        if each.is_floating_point():
            louder[-1][1] *= 10
    if all(map(torch.equal, louder, x)):
        return False
    outputs = _recorded_outputs(captured, recorder)
    player = Player(captured.cues, outputs, until=last)
    try:
        _run(captured, tuple(louder), player, seed=0)
    except InputError:  # a front end that takes no such numbers
        return False
    calls = [call for layer in captured.layers for call in layer.receives]
    return len(player.received) == last + 1 and not all(
        _rounded(player.received[call][0], recorder.calls[call].received[0][0]) for call in calls
    )


def _recorded_outputs(captured: Capture, recorder: Recorder) -> list[Any]:
    """Return what every call returned in the recorded run; None for synapses, which run."""
    outputs: list[Any] = [None] * len(captured.cues)
    for layer in captured.layers:
        for each in layer.calls:
            outputs[each] = next(tensors_in(recorder.calls[each].output))
    return outputs


def _shapes_by_values(event: Event) -> bool:
    """Whether what an operation makes has a shape that the values in its arguments decide."""
    if event.name == "where":
        return len(event.arguments) + len(event.keywords) == 1
    if event.name == "__getitem__":
        index = list(values_in(event.arguments[1:]))
        return any(value.dtype in (torch.bool, torch.uint8) for value in index)
    return event.name in _SHAPED_BY_VALUES


def _run(captured: Capture, x: tuple[torch.Tensor, ...], player: Player, seed: int) -> None:
    """Run the module once, from the state in which it is; after other calls than expected nothing is received."""
    try:
        with guard.undisturbed(captured.module):
            until_enough(partial(guard.run, captured.module, tuple(each.clone() for each in x), player, seed=seed))
    except OtherCallsError:
        player.received.clear()


class _Reference:
    """What the front end gives where nobody listens: some of torch's functions round otherwise then."""

    def __init__(self, captured: Capture, x: tuple[torch.Tensor, ...], recorder: Recorder, last: int) -> None:
        self._captured, self._x, self._recorder, self._last = captured, x, recorder, last
        self._received: list[torch.Tensor] | None = None

    def received(self, call: int) -> torch.Tensor | None:
        """Return what a call receives while what the recorded run put out is played back, if it is that but rounded."""
        if self._received is None:
            outputs = _recorded_outputs(self._captured, self._recorder)
            player = Player(self._captured.cues, outputs, until=self._last)
            _run(self._captured, self._x, player, seed=0)
            self._received = player.received
        found = self._received[call] if call < len(self._received) else None
        # What is rounded may decide whether a spike is sent, here and there.
        same = found is not None and _rounded(found, self._recorder.calls[call].received[0], others=0.01)
        return found if same else None


def _other_calls(captured: Capture, samples: int) -> str:
    name = type(captured.module).__name__
    if samples == 1:
        return (
            f"{name}: for one sample, or other spikes, forward calls other blocks than for two. On a chip every layer "
            "runs for every input: let forward always call the same blocks."
        )
    return (
        f"{name}: forward calls other blocks when they put out other spikes. On a chip every layer runs for every "
        "input: leave the condition out."
    )


def _played(captured: Capture, recorder: Recorder, plays: tuple[str, ...], generator: torch.Generator) -> list[Any]:
    """Return what every call returns in a probe, a sample for each of `plays`; None for synapses, which run."""
    played: list[Any] = [None] * len(captured.cues)
    for layer in captured.layers:
        unary = bool(((layer.output == 0) | (layer.output == 1)).all())
        for call in layer.calls:
            output = next(tensors_in(recorder.calls[call].output))
            most = 2 if unary else 4
            samples = {
                "random": torch.randint(0, most, output.shape[1:], generator=generator),
                "ones": torch.ones(output.shape[1:]),
                "zeros": torch.zeros(output.shape[1:]),
            }
            played[call] = torch.stack([samples[play] for play in plays]).to(output.dtype).to(output.device)
    return played


def _rounded(a: torch.Tensor, b: torch.Tensor, others: float = 0.0) -> bool:
    """Whether two tensors are the same but for the rounding of sums, or all but a share of `others` are."""
    if a.shape != b.shape:
        return False
    a, b = a.detach().cpu().double(), b.detach().cpu().double()
    largest = float(b.nan_to_num().abs().max()) if b.numel() else 0.0
    close = torch.isclose(a, b, rtol=1e-4, atol=1e-5 * largest, equal_nan=True)
    return int(close.sum()) >= (1 - others) * close.numel()


def _values(found: Found, recorder: Recorder, player: Player, which: slice) -> torch.Tensor:
    """Return the values of all elements that maps are about: those that were played, and else those of the record."""
    values = [torch.zeros(1, dtype=torch.float64)]
    for event, tensors in recorder.roots.items():
        for tensor in tensors:
            value = tensor.detach().cpu().to(torch.float64)
            output = None if event.call is None or event.call >= len(player.outputs) else player.outputs[event.call]
            if output is not None:
                value = torch.zeros_like(value)
                value[which] = output.cpu().to(torch.float64)
            values.append(value.reshape(-1))
    for host in found.hosts:
        value = recorder.calls[host].received[0].detach().cpu().to(torch.float64, copy=True)
        if player.received[host].shape[1:] == value.shape[1:]:  # sums of another batch round otherwise
            value[which] = player.received[host].cpu().to(torch.float64)
        values.append(value.reshape(-1))
    return torch.cat(values)


def _compare(
    captured: Capture, found: Found, recorder: Recorder, player: Player, which: slice, reference: _Reference
) -> list[str]:
    """Compare what the layers received for some samples with what their maps make of what was played."""
    notes = []
    alone = len(player.received[0]) == 1
    played = _values(found, recorder, player, which)
    for layer in captured.layers:
        for call in layer.receives:
            received = player.received[call].cpu().to(torch.float64)
            arrival = found.arrivals[call]
            if arrival is not None:
                expected = arrival.apply(played)[which]
            else:
                expected = recorder.calls[call].received[0][which].cpu().to(torch.float64)
            if guard.same(received, expected):
                continue
            if arrival is None:
                plain = reference.received(call)
                expected = expected if plain is None else plain[which].cpu().to(torch.float64)
                if guard.same(received, expected):
                    continue
                if alone and _rounded(received, expected):
                    continue  # sums of another batch round otherwise; each part of a proof gets its own
                if alone:
                    notes.append(_OTHERS)
                    continue
                raise UnsupportedError(
                    f"{layer.place}: {layer.name!r} receives something that depends on spikes, on a way that cannot be "
                    "followed, or forward keeps state. Use torch operations between blocks, and keep nothing between "
                    "calls."
                )
            if received.shape == expected.shape and torch.allclose(received, expected, rtol=_ULPS, atol=_ULPS):
                raise UnsupportedError(
                    f"{layer.joins}: with other spikes, what arrives at {layer.name!r} is rounded, and integers do not "
                    f"round. {MULTIPLES}"
                )
            raise UnsupportedError(
                f"{layer.place}: with other spikes {layer.name!r} receives something else than its map says: forward "
                "decides by their values, keeps state between calls, or leaves torch (TorchScript, NumPy). Let forward "
                "do the same whatever the spikes are."
            )
    return notes


def _tail(captured: Capture, x: tuple[torch.Tensor, ...], played: list[Any], told: bool) -> list[str]:
    """Return what else an answer depends on, when spikes are played back in place of the blocks'.

    Parameters
    ----------
    captured : Capture
        What is looked at.
    x : tuple of Tensor, shape (2, ...)
        The arguments of two samples.
    played : list
        What every call returns for the two; None for one that runs.
    told : bool
        Whether it has been told that what arrives at the network is another in other runs.
    """
    both, drawn = _answer(captured, x, played, seed=0)
    again, others = _answer(captured, x, played, seed=1)
    # A forward pass that seeds the generators itself ends where it does whatever the seed.
    draws = [_DRAWS] if drawn and others and drawn != others and not told else []
    if both is None or again is None:
        return draws
    if not all(map(_close, both, again)):
        return [_RANDOM]  # which would make one sample look different too
    for sample in range(2):
        one = slice(sample, sample + 1)
        of_one = [each if each is None else each[one] for each in played]
        alone, _ = _answer(captured, guard.samples_of(x, one), of_one, 0)
        if alone is not None and not all(_close_alone(a, b, sample) for a, b in zip(both, alone, strict=False)):
            return [*draws, _TOGETHER]
    return draws


def _answer(
    captured: Capture, x: tuple[torch.Tensor, ...], played: list[Any], seed: int
) -> tuple[list[torch.Tensor] | None, tuple[Any, ...]]:
    """Return the tensors that a module returns, None where it does not take this input, and what it drew."""
    player = Player(captured.cues, played)
    try:
        with guard.undisturbed(captured.module), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of one sample a deviation is no number, which no user asked for
            answer = guard.run(captured.module, tuple(each.clone() for each in x), player, seed=seed)
            drawn = guard.drawn(seed)
    except (InputError, OtherCallsError):  # a tail that takes no single sample, say; a proof of one would tell
        return None, ()
    return [_dense(tensor.detach().cpu()) for tensor in tensors_in(answer)], drawn


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    """Return numbers that can be compared; nothing of a tensor that is quantized or nested."""
    try:
        return tensor.to_dense().to(torch.complex128 if tensor.is_complex() else torch.float64)
    except (RuntimeError, TypeError, NotImplementedError):
        return torch.empty(0)


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape:
        return False
    largest = float(a.abs().nan_to_num().max()) if a.numel() else 0.0
    return torch.allclose(a, b, rtol=_ROUNDING, atol=_ROUNDING * largest * 1e-2, equal_nan=True)


def _close_alone(both: torch.Tensor, alone: torch.Tensor, sample: int) -> bool:
    """Whether the answer for one sample is its part of that for two, along the axis that is half as long."""
    halved = [i for i, sizes in enumerate(zip(both.shape, alone.shape, strict=False)) if sizes[0] != sizes[1]]
    if both.ndim != alone.ndim or len(halved) > 1 or any(both.shape[i] != 2 * alone.shape[i] for i in halved):
        return True  # an answer of another form, which has no rows of samples
    size = alone.shape[halved[0]] if halved else 0
    return _close(both.narrow(halved[0], sample * size, size) if halved else both, alone)

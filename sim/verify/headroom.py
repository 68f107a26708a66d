"""How near the registers came to their limits.

Torch has wider registers than Loihi 2, and Lava wraps or clips what does not fit into 24 bits. So a network that leaves
the range is another network there, and a comparison that finds a difference should say so. Sums of graded payloads have
a limit in torch too, and so have the registers of sigma-delta neurons, which have 32 bits in Lava: past 2**24 a float32
skips numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.fixed import STATE_MAX
from ...contract.net import Incoming, Layer, Net
from ...contract.room import sum_limit
from ...contract.sources import raster
from .. import reference
from ..ranges.layer import SUM
from ..trace import SPIKES, Trace


@dataclass(frozen=True, kw_only=True)
class Headroom:
    """The largest magnitude of one register of a layer."""

    layer: str
    register: str
    largest: int
    limit: int
    """Magnitude that is at the end of the register's range."""
    sample: int
    step: int
    neuron: int
    """Where the register first left its range, or, if it did not, where it was largest."""
    value: int
    """What it held there."""

    @property
    def used(self) -> float:
        """Part of the range that was used; 1 and more if it was left."""
        return self.largest / self.limit

    @property
    def left(self) -> bool:
        """Whether the register came to the end of its range or past it."""
        return self.largest >= self.limit

    def __str__(self) -> str:
        where = f"layer {self.layer!r}, neuron {self.neuron}, sample {self.sample}, step {self.step}"
        if not self.left:
            return f"{where}: {self.register} = {self.value}, {self.used:.0%} of its range"
        if self.register == SUM:
            return (
                f"{where}: what arrives adds up to {self.value}, and from {self.limit} on torch's float32 rounds it or "
                "Lava's port wraps it. Use smaller weights or payloads"
            )
        if self.limit != STATE_MAX:
            return (
                f"{where}: {self.register} = {self.value} is at or past {self.limit}, from where torch's float32 "
                "rounds it and Lava does not. Use smaller weights, input or scale"
            )
        return (
            f"{where}: {self.register} = {self.value} is at or past the end of its 24 bits, {self.limit}, where Lava "
            "clips or wraps and torch may not. Use smaller weights, input or scale"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"used": self.used}


def measure(
    net: Net,
    payload: npt.NDArray[np.int32],
    traces: Sequence[Trace],
    samples: npt.NDArray[np.int64],
    before: Sequence[Headroom] = (),
) -> tuple[Headroom, ...]:
    """Return the headroom of every register of every layer.

    Parameters
    ----------
    net : Net
        The record.
    payload : ndarray of int32, shape (samples, channels, steps)
        The input of the samples.
    traces : sequence of Trace
        What backends saw of them; the fullest counts.
    samples : ndarray of int64
        What the samples are called.
    before : sequence of Headroom
        What was measured on earlier samples, which counts too; empty if there are none.

    Returns
    -------
    tuple of Headroom
        In the network's order. Where payloads are graded, what reaches a layer (`SUM`) is among them.
    """
    found: list[Headroom] = []

    def add(layer: Layer, register: str, limit: int, arrays: Sequence[npt.NDArray[Any]]) -> None:
        known = before[len(found)] if before else None
        found.append(_of(layer, register, limit, arrays, samples, known))

    sent = reference.senders(net, traces[0].layers, payload)
    for index, layer in enumerate(net.layers):
        ways = net.incoming(index)
        if any(net.sent_exp(way.source) for way in ways):
            sums = _largest_sums(net, index, sent).transpose(1, 2, 0)
            limit = sum_limit(net, index)
            add(layer, SUM, limit, [sums])
        for name in traces[0].layers[layer.name]:
            if name != SPIKES:
                add(layer, name, layer.neuron.register_max, [trace.layers[layer.name][name] for trace in traces])
    return tuple(found)


def _largest_sums(net: Net, index: int, sent: reference.Sent) -> npt.NDArray[np.int64]:
    """Return the sums of magnitudes that arrive at a layer, shape (steps, samples, sums)."""
    own, *others = net.incoming(index)
    layer = net.layers[index]
    magnitudes = np.abs(sent[own.source])
    if own.delay.ndim == 2:
        total = _of_magnitudes(own, magnitudes)
        if layer.cpg is not None:
            spikes = raster(layer.cpg, magnitudes.shape[-1]) * net.cpg_payload(index)
            total = total - _negative(layer.synapse).sums(np.pad(spikes, ((0, 0), (layer.num_inputs, 0))))[:, None]
    else:
        total = -_negative(layer.synapse).sums(reference.arriving(net, index, magnitudes).transpose(2, 0, 1))
    for way in others:
        total = total + _of_magnitudes(way, np.abs(sent[way.source]))
    return total


def _of_magnitudes(way: Incoming, magnitudes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the sums of magnitudes that one way delivers, shape (steps, samples, sums)."""
    return -way._replace(synapse=_negative(way.synapse)).delivered(magnitudes)


def _negative(synapse: Any) -> Any:
    """Return synapses of negative weights, for their range reaches further."""
    return replace(synapse, weight=-np.abs(synapse.weight))


def left_by(found: Sequence[Headroom], layer: str, sample: int, step: int) -> str:
    """Return the register of a layer that had left its range at a step of a sample, in words.

    Empty if none had, or if the first sample in which one did is another: samples begin anew, and of others nothing is
    known.
    """
    gone = (one for one in found if one.left and (one.layer, one.sample) == (layer, sample) and one.step <= step)
    first = min(gone, key=lambda one: one.step, default=None)
    if first is None:
        return ""
    what = "what arrives" if first.register == SUM else first.register
    return f"{what} of neuron {first.neuron} (sample {first.sample}, step {first.step})"


def sentences(found: Sequence[Headroom]) -> list[str]:
    """Return what is to be said: each layer's first register that left its range, or which is the fullest if any is."""
    left: dict[str, Headroom] = {}
    for one in found:
        earlier = left.get(one.layer)
        if one.left and (earlier is None or (one.sample, one.step) < (earlier.sample, earlier.step)):
            left[one.layer] = one
    if left:
        return [f"OUT OF RANGE: {one}" for one in left.values()]
    fullest = max(found, key=lambda one: one.used, default=None)
    return [f"nearly out of range: {fullest}"] if fullest is not None and fullest.used >= 0.5 else []


def fullest(comparisons: Sequence[Sequence[Headroom]]) -> tuple[Headroom, ...]:
    """Return the least headroom of every register that any of the comparisons saw."""
    return tuple(max(column, key=lambda one: (one.left, one.largest)) for column in zip(*comparisons, strict=True))


def _of(
    layer: Layer,
    register: str,
    limit: int,
    arrays: Sequence[npt.NDArray[Any]],
    samples: npt.NDArray[np.int64],
    before: Headroom | None,
) -> Headroom:
    """Return the headroom of a register from arrays of shape (samples, n or 2 * n, steps) and what was known before."""
    largest = max((max(int(array.max()), -int(array.min())) for array in arrays if array.size), default=0)
    if before is not None and (before.left or largest <= before.largest):
        return replace(before, largest=max(before.largest, largest))
    reached = min(limit, largest)
    places = [(*_first(array, reached), side) for side, array in enumerate(arrays)]
    sample, step, row, side = min(place for place in places if place[0] >= 0)
    return Headroom(
        layer=layer.name,
        register=register,
        largest=largest,
        limit=limit,
        sample=int(samples[sample]),
        step=step,
        neuron=row % layer.num_neurons,
        value=int(arrays[side][sample, row, step]),
    )


def _first(array: npt.NDArray[Any], reached: int) -> tuple[int, int, int]:
    """Return the first (sample, step, row) in which a magnitude is at least `reached`; -1 for none."""
    there = (array >= reached) | (array <= -reached)
    samples = there.any((1, 2))
    if not samples.any():
        return -1, -1, -1
    sample = int(samples.argmax())
    step, row = (int(i) for i in np.argwhere(there[sample].T)[0])
    return sample, step, row

"""Bounds of every sum and register of a network, for every input that its record allows.

The layers advance together, step by step of a sample, with intervals in place of integers: `Neuron.bounded_step` of a
kind takes what its registers and sums can be, and gives what they can be a step later. Temporal encodings and
oscillators are known in every step and enter as what they are. So a register whose bound stays within its range never
leaves it, whatever the input: there torch, the engine and Lava are the same function.

What is not followed, and makes bounds wider than what can happen: that the neurons of a layer see the same input, and
that a spike in one step excludes others. A bound past the range proves nothing, in neither direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.fixed import STATE_MAX, WEIGHT_STEP
from ..contract.interval import Interval, exactly
from ..contract.net import Net
from ..contract.sources import raster
from ..contract.synapses.conv import Conv
from ..contract.synapses.dense import Dense, Synapse

SUM = "sum"
"""Name of what reaches a layer's neurons, beside its registers."""
FLOAT32_SUM = 2**24 * WEIGHT_STEP
"""Sums of whole multiples of a weight's step are exact in float32 up to here, in any order of additions."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How far one register of a layer, or what reaches its neurons, can go."""

    layer: str
    register: str
    """Name of the register, or "sum"."""
    low: int
    high: int
    """No input takes any neuron's value below or above these, as far as the register would hold them."""
    limit: int
    """Magnitude that is at the end of the range."""
    step: int
    neuron: int
    """Where the bound is widest first."""

    @property
    def largest(self) -> int:
        """Largest magnitude that the bounds allow."""
        return max(-self.low, self.high)

    @property
    def proven(self) -> bool:
        """Whether no input takes the register to the end of its range."""
        return self.largest < self.limit

    @property
    def used(self) -> float:
        """Part of the range that the bounds take; 1 and more if nothing is proven."""
        return self.largest / self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"used": self.used, "proven": self.proven}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The bounds of a whole network.

    Attributes
    ----------
    found : tuple of Bound
        Of every sum and register, in the network's order.
    unknown : tuple of str
        Layers whose kind of neurons nobody has written bounds for.
    assumed : tuple of str
        What was assumed of the input beside its record, in words.
    steps : int
        For how many steps of a sample they hold.
    """

    found: tuple[Bound, ...]
    unknown: tuple[str, ...]
    assumed: tuple[str, ...]
    steps: int

    @property
    def proven(self) -> bool:
        """Whether every sum and register of every layer stays within its range, for every input."""
        return not self.unknown and all(bound.proven for bound in self.found)

    def __str__(self) -> str:
        given = f", given {' and '.join(self.assumed)}" if self.assumed else ""
        if self.proven:
            return f"for every input of {self.steps:,} steps{given}: no sum and no register leaves its range"
        layers = list(dict.fromkeys([*self.unknown, *(bound.layer for bound in self.found)]))
        open_ones = {bound.layer for bound in self.found if not bound.proven} | set(self.unknown)
        proven = [name for name in layers if name not in open_ones]
        first = f"proven in {_listed(proven)}" if proven else "proven in no layer"
        widest: dict[str, Bound] = {}
        for bound in self.found:
            if not bound.proven and (bound.layer not in widest or bound.used > widest[bound.layer].used):
                widest[bound.layer] = bound
        rest = [
            f"{name}'s {widest[name].register} could reach {widest[name].used:.3g} times its range by the bound"
            if name in widest
            else f"{name}: no bounds are known for its neurons"
            for name in layers
            if name in open_ones
        ]
        return f"for every input{given}: {first}; {'; '.join(rest)}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "proven": self.proven,
            "steps": self.steps,
            "assumed": list(self.assumed),
            "unknown": list(self.unknown),
            "bounds": [bound.as_dict() for bound in self.found],
        }


_FLOAT32 = 2**24
"""Sums of whole numbers below this are exact in float32, in any order of additions."""
_QUICK = 2 * 10**8
"""So many multiplications of weights take about as long as a look at one's watch."""


def quick(net: Net) -> bool:
    """Return whether the bounds of a network take a second or so, and not minutes."""
    weights = sum(
        layer.synapse.weight.size * (1 if isinstance(layer.synapse, Dense) else layer.num_neurons)
        + (layer.feedback.weight.size if layer.feedback else 0)
        for layer in net.layers
    )
    return bool(4 * weights * net.steps < _QUICK)


def bounds(net: Net, *, max_active: int | None = None, progress: Callable[[int, int], None] | None = None) -> Bounds:
    """Return how far every sum and register of a network can go, whatever the input.

    Parameters
    ----------
    net : Net
        The network.
    max_active : int, optional
        An assumption: at most this many inputs are not 0 in a step. Default: all can be.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Bounds

    Raises
    ------
    InputError
        `max_active` is not positive.
    """
    net.require_chain("spikeproof prove")
    if max_active is not None and max_active < 1:
        raise InputError(f"max_active = {max_active}: give at least 1 input that may be active in a step.")
    te = None if net.te is None else net.encoding(net.steps)
    layers = [_Layer(net, index, max_active if index == 0 else None) for index in range(len(net.layers))]
    given = exactly(np.zeros(net.input.num_channels)).hull(net.input.max_payload)
    if net.input.bits:
        given = given.hull(-net.input.max_payload)
    for t in range(net.steps):
        arriving, changed = given, False
        for layer in layers:
            arriving = layer.advance(t, arriving, None if te is None else te[t])
            changed |= layer.changed
            if layer.unknown:
                break  # and so of all layers behind it
        if progress is not None:
            progress(t + 1, net.steps)
        if not changed and te is None and not any(layer.cpg is not None for layer in layers):
            break  # the same state and the same input: every later step is this one
    assumed = (f"at most {max_active:,} active inputs a step",) if max_active is not None else ()
    unknown = [layer for layer in layers if layer.unknown or not layer.found]
    return Bounds(
        found=tuple(bound for layer in layers for bound in layer.bounds()),
        unknown=tuple(layer.layer.name for layer in unknown),
        assumed=assumed,
        steps=net.steps,
    )


def without_end(net: Net, payload: npt.NDArray[np.int32], layer: str, register: str) -> int:
    """Return the largest value that a register would hold on one input if it had no end.

    Parameters
    ----------
    net : Net
        The network.
    payload : ndarray of int32, shape (channels, steps)
        The input.
    layer, register : str
        Which register.

    Returns
    -------
    int
        The value of the largest magnitude of all neurons and steps, up to and with the first step in which a register
        leaves its range; 0 where it is not known, behind resonators for example, whose spikes are only bounded.
    """
    te = None if net.te is None else net.encoding(net.steps)
    layers = [_Layer(net, index, None) for index in range(len(net.layers))]
    largest = 0
    for t in range(net.steps):
        arriving = exactly(payload[:, t])
        for one in layers:
            arriving = one.advance(t, arriving, None if te is None else te[t])
            if one.layer.name == layer:
                break
        now = one.now.get(register)
        if now is None:
            return 0
        known = now.low[now.low == now.high]
        if known.size and abs(int(known[np.abs(known).argmax()])) > abs(largest):
            largest = int(known[np.abs(known).argmax()])
    return largest


class _Layer:
    """One layer on its way through a sample."""

    def __init__(self, net: Net, index: int, max_active: int | None) -> None:
        self.layer = net.layers[index]
        self.cpg = None if self.layer.cpg is None else raster(self.layer.cpg, net.steps) * net.cpg_payload(index)
        self.found: dict[str, tuple[Interval, Any]] = {}
        """Register -> the hull of its bounds, and the (step, neuron) at which each was widest first."""
        self.now: dict[str, Interval] = {}
        """The bounds of the last step alone."""
        self.unknown = False
        self.changed = True
        synapse, bound = self.layer.synapse, net.sum_bounds()[index]
        self._beside: npt.NDArray[np.int64] | None = None
        if isinstance(synapse, Dense) and self.layer.cpg is not None:
            self._beside = synapse.weight[:, self.layer.num_inputs :].astype(np.int64)
            synapse = Dense(weight=synapse.weight[:, : self.layer.num_inputs])
        self._synapse, self._most = _Signed(synapse, bound), max_active
        self._feedback = None if self.layer.feedback is None else _Signed(self.layer.feedback, bound)
        self._state = self.layer.neuron.bounded_reset()
        silence = exactly(np.zeros(self.layer.num_neurons))
        self._sent, self._ever = silence, silence
        self._fed: Interval | None = None
        self._x: Interval | None = None
        limit = min(FLOAT32_SUM, 2 ** (self.layer.synapse.port_bits - 1))
        self._limits = {SUM: limit}

    def advance(self, t: int, arriving: Interval, te: npt.NDArray[Any] | None) -> Interval:
        """Advance by a step of the sample; return what can arrive at the next layer."""
        x = self._sums(t, arriving)
        row = None if te is None else te[: self.layer.num_neurons]
        step = self.layer.neuron.bounded_step(self._state, x, row)
        if step is None:
            self.unknown = True
            return arriving
        self.now = step.registers
        self._note(step.registers, t)
        before = self._state, self._sent, self._ever
        self._state, self._sent = step.state, step.sent
        self._ever = self._ever.hull(step.sent)  # what a delay hands on was sent some time before, or nothing was
        self.changed = not _same(before, (self._state, self._sent, self._ever))
        return step.sent if self.layer.axon is None else self._ever

    def bounds(self) -> list[Bound]:
        """Return the bounds of all steps."""
        found = []
        for register, (hull, _) in self.found.items():
            size = np.maximum(-hull.low, hull.high)
            neuron = int(size.argmax())
            found.append(
                Bound(
                    layer=self.layer.name,
                    register=register,
                    low=int(hull.low.min()),
                    high=int(hull.high.max()),
                    limit=self._limits.get(register, STATE_MAX),
                    step=int(self.found[register][1][neuron]),
                    neuron=neuron % self.layer.num_neurons,
                )
            )
        return found

    def _sums(self, t: int, arriving: Interval) -> Interval:
        if self._x is None or not _same(self._fed, arriving):
            few = self._most
            self._x = self._synapse.sums(arriving) if few is None else self._synapse.of_few(arriving, few)
            self._fed = arriving
        x = self._x
        if self.cpg is not None and self._beside is not None:
            x = x.plus(self._beside @ self.cpg[t])  # what the oscillators add is known
        if self._feedback is not None:
            x = x.plus(self._feedback.sums(self._sent))
        bits = self.layer.synapse.port_bits
        half = 2 ** (bits - 1)
        self._note({SUM: x}, t)
        return x.where(x.within(-half, half - 1), Interval(np.asarray(-half), np.asarray(half - 1)))

    def _note(self, registers: dict[str, Interval], t: int) -> None:
        """Widen the bounds of the sample by those of a step."""
        for name, interval in registers.items():
            if name not in self.found:
                self.found[name] = interval, np.full(interval.low.shape, t)
                continue
            before, since = self.found[name]
            hull = before.hull(interval)
            grown = (hull.low != before.low) | (hull.high != before.high)
            if grown.any():
                self.found[name] = hull, np.where(grown, t, since)


def _same(a: Any, b: Any) -> bool:
    """Whether nested tuples hold the same arrays."""
    if isinstance(a, tuple):
        return all(_same(one, other) for one, other in zip(a, b, strict=True))
    return bool(np.array_equal(a, b))


class _Matrix(NamedTuple):
    """Dense weights whose sums are whole numbers that their type holds exactly."""

    weight: npt.NDArray[Any]

    def sums(self, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        total: npt.NDArray[np.int64] = (x.astype(self.weight.dtype) @ self.weight).astype(np.int64)
        return total


class _Signed:
    """Synapses, positive and negative weights apart: split once, and not in every step."""

    def __init__(self, synapse: Synapse, bound: int) -> None:
        self._synapse = synapse
        self._up: Any
        self._down: Any
        up, down = np.maximum(synapse.weight, 0), np.minimum(synapse.weight, 0)
        if isinstance(synapse, Dense):
            exact = np.float32 if bound < _FLOAT32 else np.float64
            self._up, self._down = (_Matrix(part.T.astype(exact)) for part in (up, down))
        else:
            self._up, self._down = (replace(synapse, weight=part) for part in (up, down))

    def sums(self, x: Interval) -> Interval:
        """Return what the sums can be of what can arrive."""
        low = self._up.sums(x.low) + self._down.sums(x.high)
        return Interval(low, self._up.sums(x.high) + self._down.sums(x.low))

    def of_few(self, x: Interval, most: int) -> Interval:
        """Return what the sums can be if at most so many inputs are not 0: the largest shares count."""
        if most >= self._synapse.num_inputs:
            return self.sums(x)
        weight = self._synapse.weight.astype(np.int64)
        if isinstance(self._synapse, Conv):
            size = int(np.abs(weight).max()) * most * int(max(-x.low.min(), x.high.max()))
            whole = self.sums(x)
            return Interval(np.maximum(whole.low, -size), np.minimum(whole.high, size))
        shares = [weight * x.low, weight * x.high]
        least, largest = np.minimum(np.minimum(*shares), 0), np.maximum(np.maximum(*shares), 0)
        return Interval(_largest(-least, most) * -1, _largest(largest, most))


def _largest(shares: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    total: npt.NDArray[np.int64] = np.partition(shares, -most, axis=1)[:, -most:].sum(axis=1)
    return total


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]

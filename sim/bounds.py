"""Bounds of every sum and register of a network, for every input that its record allows.

The layers advance together, step by step of a sample, with intervals in place of integers: `Neuron.bounded_step` of a
kind takes what its registers and sums can be, and gives what they can be a step later. Temporal encodings and
oscillators are known in every step and enter as what they are. What takes some steps on its way, on an edge or an
axon or around a cycle, is what its sender could send so many steps before. So a register whose bound stays within its
range never leaves it, whatever the input: there torch, the engine and Lava are the same function.

What is not followed, and makes bounds wider than what can happen: that the neurons of a layer see the same input, and
that a spike in one step excludes others. A bound past the range proves nothing, in neither direction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.net import Net
from ..contract.synapses.dense import Dense
from ..export import formats
from .ranges.assumptions import Assumptions
from .ranges.layer import SUM, Ranges
from .ranges.run import Run, before


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
    given : Assumptions
        What was assumed, for a search that keeps to it.
    """

    found: tuple[Bound, ...]
    unknown: tuple[str, ...]
    assumed: tuple[str, ...]
    steps: int
    given: Assumptions = field(default_factory=Assumptions)

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


_QUICK = 2 * 10**8
"""So many multiplications of weights take about as long as a look at one's watch."""
_LOOKED_UP = 16
"""A synapse with a delay of its own takes as long as so many multiplications."""


def quick(net: Net) -> bool:
    """Return whether the bounds of a network take a second or so, and not minutes."""
    weights = 0
    for index in range(len(net.layers)):
        for each in net.incoming(index):
            repeated = 1 if isinstance(each.synapse, Dense) else each.synapse.num_neurons
            weights += each.synapse.weight.size * repeated * (_LOOKED_UP if each.delay.ndim == 2 else 1)
    return bool(4 * weights * net.steps < _QUICK)


def bounds(
    net: Net | str | os.PathLike[str],
    *,
    max_active: int | None = None,
    unit_input: bool = False,
    max_spikes: Mapping[str, int] | None = None,
    samples: npt.ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Bounds:
    """Return how far every sum and register of a network can go, whatever the input.

    Parameters
    ----------
    net : Net or path-like
        The network, or its file.
    max_active : int, optional
        An assumption: at most this many channels of an input are not 0 in a step. Default: all can be.
    unit_input : bool
        An assumption: all values of the input are from 0 to 1.
    max_spikes : mapping of str to int, optional
        An assumption: at most so many neurons of a layer, which is named, fire in a step.
    samples : array_like, optional
        Input in SLAYER's units, see `spikeproof.simulate`, on which the assumptions are checked.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Bounds
        It names what was assumed, and whether samples were looked at.

    Raises
    ------
    InputError
        An assumption is not possible, or a sample is not as was assumed.
    """
    net = formats.given(net, "bounds(net)")
    if max_spikes is not None and not isinstance(max_spikes, Mapping):
        raise InputError(f"max_spikes = {max_spikes!r}: give the most spikes a step by the name of a layer.")
    assumed = Assumptions(max_active=max_active, unit_input=unit_input, max_spikes=dict(max_spikes or {}))
    assumed.check(net)
    words = assumed.words()
    if samples is not None and not words:
        raise InputError("samples: nothing is assumed that they could be checked for. Leave them out.")
    if samples is not None:
        words = [f"{each} (true of {assumed.checked(net, samples)})" for each in words]
    run = Run(net, assumed)
    for t in range(net.steps):
        run.advance(t)
        if progress is not None:
            progress(t + 1, net.steps)
        if run.settled:
            break  # every later step is this one
    layers = run.layers
    return Bounds(
        found=tuple(bound for layer in layers for bound in _bounds(layer)),
        unknown=tuple(layer.layer.name for layer in layers if layer.unknown),
        assumed=tuple(words),
        steps=net.steps,
        given=assumed,
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
        The value of the largest magnitude of all neurons and steps; 0 where it is not known, behind resonators for
        example, whose spikes are only bounded.
    """
    target = net.index(layer)
    run = Run(net, Assumptions(), payload, only=before(net, target))
    largest = 0
    for t in range(net.steps):
        run.advance(t)
        now = run.layers[target].now.get(register)
        if now is None:
            return 0
        known = now.low[now.low == now.high]
        if known.size and abs(int(known[np.abs(known).argmax()])) > abs(largest):
            largest = int(known[np.abs(known).argmax()])
    return largest


def _bounds(ranges: Ranges) -> list[Bound]:
    """Return a layer's bounds of all steps."""
    found = []
    for register, (hull, steps) in ranges.found.items():
        neuron = int(np.maximum(-hull.low, hull.high).argmax())
        found.append(
            Bound(
                layer=ranges.layer.name,
                register=register,
                low=int(hull.low.min()),
                high=int(hull.high.max()),
                limit=ranges.limit if register == SUM else ranges.layer.neuron.register_max,
                step=int(steps[neuron]),
                neuron=neuron % ranges.layer.num_neurons,
            )
        )
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]

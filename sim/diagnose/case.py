"""What is known of a layer that went wrong, and what a cause of it is.

A fault is a function of a `Case` that yields a `Cause` for every way of having it that, run again on the layer's good
inputs, gives what the layer computed: all registers of all neurons in all samples at every step, equal integers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract import fixed
from ...contract.net import Layer, Net
from .. import reference
from .way import Way

Variables = Mapping[str, npt.NDArray[np.int32]]


@dataclass(frozen=True)
class Cause:
    """A fault that reproduces what a layer computed."""

    name: str
    """The fault's name, "changed weight" say."""
    words: str
    """Which one it is."""


@dataclass(frozen=True)
class Case:
    """A layer that did not compute what its record says.

    Parameters
    ----------
    net : Net
        The record.
    index : int
        Which of its layers.
    sent : mapping of int to ndarray of int32, shape (samples, senders, steps)
        What it received: what its senders sent, see `spikeproof.sim.reference.Sent`.
    found : mapping of variable to ndarray of int32, shape (samples, neurons, steps)
        What it computed.
    where : (sample, step, neuron)
        The first place that is wrong.
    begins : bool
        Whether the first of the samples is the first that was run at all.
    """

    net: Net
    index: int
    sent: reference.Sent
    found: Variables
    where: tuple[int, int, int]
    begins: bool = True

    @property
    def layer(self) -> Layer:
        """The layer's record."""
        return self.net.layers[self.index]

    @property
    def payload(self) -> npt.NDArray[np.int32]:
        """What the sender of the layer's own synapses sent."""
        return self.sent[self.net.incoming(self.index)[0].source]

    @property
    def steps(self) -> int:
        """Steps of a sample."""
        return int(self.payload.shape[2])

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """Every way by which spikes reach the layer."""
        return tuple(Way(self.net, self.index, i, self.sent) for i in range(len(self.net.incoming(self.index))))

    @cached_property
    def sums(self) -> npt.NDArray[np.int64]:
        """The layer's dendritic sums, shape (steps, samples, sums); feedback delivers what the layer did send."""
        total = reference.sums(self.net, self.index, self.sent)
        back = [way.delivered() for way in self.ways if way.is_feedback]
        return np.asarray(fixed.wrap32(total + sum(back)), np.int64)

    @property
    def rows(self) -> list[int]:
        """Which sums are those of the neuron that is wrong first: one, or two of a complex one."""
        params = self.layer.neuron
        return [self.where[2] + part * params.num_neurons for part in range(params.sums)]

    @cached_property
    def te(self) -> npt.NDArray[Any] | None:
        """The layer's temporal encoding, shape (steps, neurons)."""
        return reference.encoding(self.net, self.index, self.steps)

    @cached_property
    def expected(self) -> Variables:
        """What the layer should have computed."""
        return self.run(self.sums)

    def run(self, sums: npt.NDArray[Any]) -> Variables:
        """Return what the layer computes of other sums, of which 32 bits are kept."""
        return reference.scan(self.layer.neuron, fixed.wrap32(sums), self.te)

    def up_to_the_first(self) -> Case:
        """Return the case of the samples up to the one that is wrong first."""
        last = self.where[0] + 1
        found = {key: array[:last] for key, array in self.found.items()}
        return replace(self, sent={source: array[:last] for source, array in self.sent.items()}, found=found)

    def reproduced_by(self, trace: Variables, found: Variables | None = None) -> bool:
        """Whether a trace is that of the layer, every integer of it."""
        found = self.found if found is None else found
        return all(np.array_equal(trace[key], array) for key, array in found.items())

    def copies(self, **changes: Any) -> tuple[Any, npt.NDArray[Any] | None]:
        """Return parameters and encoding of a layer of copies of the neuron that differs, one a value of `changes`."""
        neuron, params = self.where[2], self.layer.neuron
        count = len(next(iter(changes.values())))
        values: dict[str, Any] = {
            field.name: np.full(count, array[neuron])
            for field in dataclasses.fields(params)
            if isinstance(array := getattr(params, field.name), np.ndarray)
        }
        known = {key: value for key, value in changes.items() if hasattr(params, key)}
        te = None if self.te is None else np.repeat(self.te[:, neuron : neuron + 1], count, axis=1)
        return replace(params, num_neurons=count, **values | known), te

    def fitting(self, sums: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return which of many sums make the neuron that differs do what it did in the sample that differs.

        Parameters
        ----------
        sums : ndarray of int64, shape (candidates, sums a neuron, steps)
            Sums of that neuron in that sample.
        """
        if not len(sums):
            return np.arange(0)
        copies, te = self.copies(candidates=np.arange(len(sums)))
        x = sums.transpose(2, 1, 0).reshape(self.steps, 1, -1)
        return self.matching(reference.scan(copies, fixed.wrap32(x), te))

    def matching(self, trace: Variables) -> npt.NDArray[np.int64]:
        """Return which copies, run on the sample that differs, computed what the neuron that differs did there."""
        sample, _, neuron = self.where
        same = [(trace[key][0] == array[sample, neuron]).all(-1) for key, array in self.found.items()]
        return np.flatnonzero(np.logical_and.reduce(same))


Fault = Callable[[Case], Iterator[Cause]]

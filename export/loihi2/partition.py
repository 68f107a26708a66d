"""How a population is shared out over cores: the fewest equal parts of which each fits a core.

Intel's compiler halves until everything fits, does not put two layers on one core, and need not find the fewest parts
(a layer of 128 neurons that fits 3 cores took 3, one that fits 4 took 12). So the number of parts is a lower bound,
and the number that halving gives is told beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .limits import Limits
from .plan import Population
from .synapses import Part, Sparse


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one core holds; words have 64 bits."""

    neurons: int
    input_axons: int
    neuron_groups: int
    state_words: int
    synapse_words: int
    axon_map: int
    accumulators: int
    """Dendritic accumulators; how many a core has is not public."""
    synapses: int

    @property
    def core_words(self) -> int:
        """All tables together."""
        return self.input_axons + self.neuron_groups + self.state_words + self.synapse_words + self.axon_map

    def beyond(self, limits: Limits) -> tuple[str, ...]:
        """Return the limits that are passed, by name."""
        return tuple(name for name in LIMITED if getattr(self, name) > getattr(limits, name).value)


LIMITED = ("synapse_words", "input_axons", "axon_map", "state_words", "neuron_groups", "core_words")
"""Limits of a core, as fields of both `Use` and `Limits`."""


class Split(NamedTuple):
    """A population in equal parts."""

    channels: int
    """Parts of the channels."""
    places: int
    """Parts of the places."""
    halving: int
    """Parts that repeated halving needs."""

    @property
    def cores(self) -> int:
        """Number of parts."""
        return self.channels * self.places


def use(population: Population, part: Part, outgoing: Callable[[int, int], int]) -> Use:
    """Return what a core holds that has a part of a population.

    Parameters
    ----------
    population : Population
        The population.
    part : Part
        Its share.
    outgoing : callable
        (neurons, places) of the part -> output axons.
    """
    neurons = part.num_channels * part.num_places
    return Use(
        neurons=neurons,
        input_axons=sum(connection.axons(part) for connection in population.inputs),
        neuron_groups=min(population.groups, neurons),
        state_words=neurons * population.state_words,
        synapse_words=sum(connection.words(part) for connection in population.inputs),
        axon_map=outgoing(neurons, part.num_places),
        accumulators=neurons * population.accumulators,
        synapses=sum(connection.synapses(part) for connection in population.inputs),
    )


def parts(population: Population, channels: int, places: int) -> Iterator[Part]:
    """Yield the equal parts of a population, the larger ones first."""
    for of_channels in _shares(population.channels, channels):
        for of_places in _shares(population.places, places):
            yield Part(of_channels, of_places)


def split(population: Population, outgoing: Callable[[int, int], int], limits: Limits) -> Split | None:
    """Return the fewest equal parts of a population that fit a core each, or None if not even one neuron does."""

    def fits(channels: int, places: int) -> bool:
        every = parts(population, channels, places)
        if not any(isinstance(connection, Sparse) for connection in population.inputs):
            every = iter([next(every)])  # The first is the largest, and size alone matters.
        return not any(use(population, part, outgoing).beyond(limits) for part in every)

    channels = _fewest(lambda count: fits(count, population.places), population.channels)
    if channels is None:
        return None
    if population.places == 1:
        return Split(channels[0], 1, channels[1])
    places = _fewest(lambda count: fits(channels[0], count), population.places)
    return None if places is None else Split(channels[0], places[0], channels[1] * places[1])


def smallest(population: Population) -> Part:
    """Return the part of a population's first neuron."""
    return next(parts(population, population.channels, population.places))


def room(population: Population, index: int, outgoing: Callable[[int, int], int], limits: Limits) -> int:
    """Return the most inputs of connection `index` with which one neuron would fit a core, 0 if there is no such."""
    part = smallest(population)

    def fits(count: int) -> bool:
        changed = population.inputs[index].with_inputs(count)
        inputs = (*population.inputs[:index], changed, *population.inputs[index + 1 :])
        return not use(dataclasses.replace(population, inputs=inputs), part, outgoing).beyond(limits)

    low, high = 0, limits.input_axons.value + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _shares(count: int, number: int) -> Iterator[slice]:
    begin = 0
    for i in range(number):
        end = begin + count // number + (i < count % number)
        yield slice(begin, end)
        begin = end


def _fewest(fits: Callable[[int], bool], most: int) -> tuple[int, int] | None:
    """Return the least count that fits, and the least that doubling finds; None if none up to `most` does."""
    doubled = 1
    while not fits(min(doubled, most)):
        if doubled >= most:
            return None
        doubled *= 2
    low, high = doubled // 2, min(doubled, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high, min(doubled, most)

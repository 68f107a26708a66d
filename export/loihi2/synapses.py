"""Connections and the words of synaptic memory that they take, encoding by encoding.

A word has 64 bits. The formulas follow from the tables that Intel's compiler printed in its notebooks (see
docs/map.md): a list of weights, each with the 12-bit index of its target, behind a header, so that a list of b-bit
weights into n neurons takes ``floor(n * (b + 12) / 64) + 1`` words. An exact multiple of 64 takes the extra word too.

=======  =====================================================  ============================================
dense    one list an input axon, zeros too                      fits every printed row
sparse   one list an input axon, of its weights that are not 0  within 5 % of the printed rows, above them
conv     one list an input channel and place in the kernel      an upper bound, 2 to 4 times the printed rows
=======  =====================================================  ============================================

A population is split over cores by channels and by places; the neurons of a Dense layer are channels at one place.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

WORD = 64
INDEX_BITS = 12
"""Bits of a target's index, log2 of 4096 neurons a core."""
CONV_AXONS = 2
"""Input axons of a convolution: the printed tables say 1 or 2 a core."""


class Part(NamedTuple):
    """The share of a population that one core holds."""

    channels: slice
    places: slice

    @property
    def num_channels(self) -> int:
        """Number of channels; of neurons in a Dense layer."""
        return int(self.channels.stop - self.channels.start)

    @property
    def num_places(self) -> int:
        """Number of places; 1 in a Dense layer."""
        return int(self.places.stop - self.places.start)


def list_words(count: int, bits: int) -> int:
    """Return the words of a list of `count` weights of `bits` bits, delay bits among them."""
    return count * (bits + INDEX_BITS) // WORD + 1


def weight_bits(weight: npt.NDArray[Any]) -> int:
    """Return how many bits a record's weights need on the chip, 1..8.

    Weights of one sign are stored as magnitudes, others as signed numbers; a power of two that all share goes to the
    weight exponent. 7 bits count as 8: Loihi 1 has no format of 7, and one printed row of Loihi 2 fits 8 only.
    """
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    common = int(np.bitwise_or.reduce(np.abs(weight.astype(np.int64)), axis=None))
    if not common:
        return 1
    shift = (common & -common).bit_length() - 1
    if low >= 0 or high <= 0:
        bits = (max(-low, high) >> shift).bit_length()
    else:
        bits = 1 + max((high >> shift).bit_length(), ((-low >> shift) - 1).bit_length())
    return bits if bits < 7 else 8


@dataclass(frozen=True, kw_only=True)
class Dense:
    """All-to-all synapses, zeros stored too.

    Parameters
    ----------
    source : str
        Population that they come from.
    num_inputs : int
        Input axons.
    bits : int
        Bits of a weight.
    delay_bits : int
        Bits of a delay, in every synapse.
    sums : int
        Dendritic sums a neuron, each with synapses of its own.
    """

    source: str
    num_inputs: int
    bits: int = 8
    delay_bits: int = 0
    sums: int = 1
    encoding = "dense"

    def axons(self, part: Part) -> int:
        """Return the input axons of a core that holds `part`."""
        return self.num_inputs

    def words(self, part: Part) -> int:
        """Return the words of synaptic memory of a core that holds `part`."""
        return self.num_inputs * list_words(
            part.num_channels * part.num_places * self.sums, self.bits + self.delay_bits
        )

    def synapses(self, part: Part) -> int:
        """Return the synapses that a core stores for `part`."""
        return self.num_inputs * part.num_channels * part.num_places * self.sums

    def outgoing(self, neurons: int, places: int) -> int:
        """Return the output axons that this connection takes of a source core of so many neurons and places."""
        return neurons

    def with_inputs(self, count: int) -> Dense:
        """Return the connection with so many inputs."""
        return dataclasses.replace(self, num_inputs=count)


class Sparse:
    """Synapses of which those of weight 0 are left out.

    Parameters
    ----------
    source : str
        Population that they come from.
    present : array_like of int, shape (neurons, inputs)
        How many synapses there are.
    bits, delay_bits
        As in `Dense`.
    places : int
        Places of the population: its neurons are channels times places, those of a channel in a row.
    """

    encoding = "sparse"

    def __init__(
        self, *, source: str, present: npt.ArrayLike, bits: int = 8, delay_bits: int = 0, places: int = 1
    ) -> None:
        present = np.asarray(present).astype(np.int8)
        self.source, self.bits, self.delay_bits = source, bits, delay_bits
        self.num_inputs = present.shape[1]
        self._present = present.reshape(-1, places, self.num_inputs)

    def _counts(self, part: Part) -> npt.NDArray[np.int64]:
        return np.asarray(self._present[part.channels, part.places].sum(axis=(0, 1), dtype=np.int64))

    def axons(self, part: Part) -> int:
        """Return the input axons of a core that holds `part`: those that have a synapse there."""
        return int(np.count_nonzero(self._counts(part)))

    def words(self, part: Part) -> int:
        """Return the words of synaptic memory of a core that holds `part`."""
        counts = self._counts(part)
        width = self.bits + self.delay_bits + INDEX_BITS
        return int((counts[counts > 0] * width // WORD + 1).sum())

    def synapses(self, part: Part) -> int:
        """Return the synapses that a core stores for `part`."""
        return int(self._counts(part).sum())

    def outgoing(self, neurons: int, places: int) -> int:
        """Return the output axons that this connection takes of a source core of so many neurons and places."""
        return neurons

    def with_inputs(self, count: int) -> Dense:
        """Return a connection of so many inputs, each of which has all synapses."""
        return Dense(source=self.source, num_inputs=count, bits=self.bits, delay_bits=self.delay_bits)


@dataclass(frozen=True, kw_only=True)
class OneToOne:
    """One synapse an input axon and neuron, as in a ring: each neuron is fed by one other."""

    source: str
    bits: int = 1
    delay_bits: int = 0
    encoding = "sparse"

    def axons(self, part: Part) -> int:
        """Return the input axons of a core that holds `part`."""
        return part.num_channels * part.num_places

    def words(self, part: Part) -> int:
        """Return the words of synaptic memory of a core that holds `part`."""
        return self.axons(part) * list_words(1, self.bits + self.delay_bits)

    def synapses(self, part: Part) -> int:
        """Return the synapses that a core stores for `part`."""
        return self.axons(part)

    def outgoing(self, neurons: int, places: int) -> int:
        """Return the output axons that this connection takes of a source core of so many neurons and places."""
        return neurons

    def with_inputs(self, count: int) -> OneToOne:
        """Return the connection: it has one input a neuron."""
        return self


@dataclass(frozen=True, kw_only=True)
class Conv:
    """Convolution: the kernels are stored once and serve all places.

    Parameters
    ----------
    source : str
        Population that they come from.
    in_channels : int
        Input channels that an output channel sees.
    kernel : int
        Places of a kernel, rows times columns.
    bits, delay_bits, sums
        As in `Dense`.
    groups : int
        Groups of channels that see nothing of each other.
    group_channels : int
        Neurons' channels of a group; needed if there is more than one.
    copies : int
        How often the kernels are stored: once for each delay that spikes of one input channel have.
    channels : int
        Output channels, if the population is cut into others, and each core may need all of them; else 0.
    """

    source: str
    in_channels: int
    kernel: int
    bits: int = 8
    delay_bits: int = 0
    sums: int = 1
    groups: int = 1
    group_channels: int = 0
    copies: int = 1
    channels: int = 0
    encoding = "conv shared"

    def axons(self, part: Part) -> int:
        """Return the input axons of a core that holds `part`."""
        return CONV_AXONS * self.copies

    def words(self, part: Part) -> int:
        """Return an upper bound of the words of synaptic memory of a core that holds `part`."""
        channels, groups = self._channels(part), 1
        if self.groups > 1:
            # A part may begin and end within a group.
            groups = min(self.groups, channels // self.group_channels + 2, channels)
            channels = min(channels, self.group_channels)
        lists = groups * self.in_channels * self.kernel * self.copies
        return lists * list_words(channels * self.sums, self.bits + self.delay_bits)

    def synapses(self, part: Part) -> int:
        """Return the weights that a core stores for `part`."""
        return self.in_channels * self.kernel * self.copies * self._channels(part) * self.sums

    def _channels(self, part: Part) -> int:
        return min(self.channels or part.num_channels, part.num_channels * part.num_places)

    def outgoing(self, neurons: int, places: int) -> int:
        """Return the output axons that this connection takes of a source core: about one a place."""
        return places

    def with_inputs(self, count: int) -> Conv:
        """Return the connection with so many input channels."""
        return dataclasses.replace(self, in_channels=count)


Connection = Dense | Sparse | OneToOne | Conv
"""Any connection into a population."""

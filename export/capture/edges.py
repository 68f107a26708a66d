"""What a leaf receives, as a map of the elements that another one puts out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ...contract.errors import UnsupportedError
from .host import plain_word
from .place import Place
from .provenance import Event
from .rules import Elements, Terms
from .shadow import Opaque

IntArray = npt.NDArray[np.int64]

_LINEAR = {"linear", "matmul", "mm", "bmm", "einsum", "conv1d", "conv2d", "conv3d", "__matmul__", "addmm", "bilinear"}


class Edge(NamedTuple):
    """How what arrives at a layer is made of what another one puts out, the same in every sample and step."""

    source: int | None
    """The step whose output it is; None if it is the network's input."""
    elements: IntArray
    """Shape (terms, inputs): the element of the source's output, images flattened; -1 for none."""
    factors: IntArray
    """Shape (terms, inputs): what it is multiplied with."""

    @property
    def is_identity(self) -> bool:
        """Whether what is put out arrives as it is."""
        same = len(self.elements) == 1 and np.array_equal(self.elements[0], np.arange(self.elements.shape[1]))
        return same and bool((self.factors == 1).all())


class Ranges(NamedTuple):
    """Whose elements the numbers of `spikeproof.export.capture.shadow` are."""

    starts: npt.NDArray[np.int64]
    """The first number of each root."""
    roots: tuple[int | None, ...]
    """Call whose output it is; None for the module's input."""
    shapes: tuple[tuple[int, ...], ...]

    def owner(self, numbers: IntArray) -> IntArray:
        """Return which of the roots each number belongs to, -1 for number 0."""
        found = np.searchsorted(self.starts, numbers, side="right") - 1
        return np.where(numbers == 0, -1, found)


class Arrival(NamedTuple):
    """What arrives at a leaf, element by element."""

    numbers: IntArray
    """Shape (terms, *shape)."""
    factors: npt.NDArray[np.float64]
    moves_only: bool = False
    """Whether all factors are known to be 1."""

    def apply(self, values: torch.Tensor) -> torch.Tensor:
        """Return what arrives, float64, if the elements have these values; ``values[0]`` is 0."""
        found = values[torch.as_tensor(self.numbers)]
        if not self.moves_only:
            found = found * torch.as_tensor(self.factors)
        return found[0] if len(found) == 1 else found.sum(0)


def arrival(terms: Terms) -> Arrival:
    """Return terms as arrays, without those that are nowhere anything."""
    numbers = np.stack([each.numpy().astype(np.int64) for each in terms.numbers])
    factors = np.stack([each.numpy() for each in terms.factors])
    numbers = np.where(factors == 0, 0, numbers)
    some = [bool(each.any()) for each in numbers]
    some[0] |= not any(some)
    numbers, factors = numbers[some], np.where(numbers == 0, 1.0, factors)[some]
    return Arrival(numbers, factors, bool((factors == 1).all()))


def matches(found: Arrival, elements: Elements, received: torch.Tensor) -> bool:
    """Whether the recorded run shows what the map says."""
    return torch.equal(found.apply(elements.values), received.detach().cpu().to(torch.float64))


def edge_of(found: Arrival, owner: int, ranges: Ranges, source: int | None, where: str, moves: Place | None) -> Edge:
    """Return the map of an arrival all of whose elements are of one root.

    Parameters
    ----------
    found : Arrival
        Shape (terms, samples, ..., steps).
    owner : int
        The root, among `ranges`.
    ranges : Ranges
        Whose elements the numbers are.
    source : int or None
        What the edge calls it.
    where : str
        Between which blocks, for messages.
    moves : Place or None
        The last operation that moves data, for messages.

    Raises
    ------
    UnsupportedError
        The map is not the same for all samples and steps, or multiplies by fractions.
    """
    place = "" if moves is None else f"{moves}: "
    shape, start = ranges.shapes[owner], int(ranges.starts[owner])
    terms, samples, steps = len(found.numbers), found.numbers.shape[1], found.numbers.shape[-1]
    if len(shape) < 3 or found.numbers.ndim < 4:
        raise UnsupportedError(
            f"{place}what {where} is passed has no axis of steps. Blocks take tensors of (samples, ..., steps)."
        )
    numbers = found.numbers.reshape(terms, samples, -1, steps)
    factors = found.factors.reshape(numbers.shape)
    n, element, t = _split(numbers - start, (shape[0], int(np.prod(shape[1:-1])), shape[-1]))
    some = numbers > 0
    if not (np.where(some, t, np.arange(steps)) == np.arange(steps)).all() or steps != shape[-1]:
        raise UnsupportedError(
            f"{place}steps are mixed {where}. A layer receives in a step what was sent in that step; for a delay, "
            "use delay=True or delay_shift=True of the block before."
        )
    if not (np.where(some, n, np.arange(samples)[:, None, None]) == np.arange(samples)[:, None, None]).all():
        raise UnsupportedError(f"{place}samples are mixed {where}. Every sample runs by itself on a chip.")
    element = np.where(some, element, -1)
    same = (element == element[:, :1, :, :1]).all() and (factors == factors[:, :1, :, :1]).all()
    if not same:
        raise UnsupportedError(
            f"{place}another map for other samples or steps stands {where}. Synapses are the same in every step."
        )
    element, factors = element[:, 0, :, 0], factors[:, 0, :, 0]
    broken = factors != np.round(factors)
    if broken.any():
        raise UnsupportedError(
            f"{place}spikes arrive times {factors[broken][0]:g} {where}. Put the factor into the weights of the "
            "second; between blocks only whole factors belong to synapses."
        )
    return Edge(source, element, factors.astype(np.int64))


def _split(offsets: IntArray, shape: tuple[int, int, int]) -> tuple[IntArray, IntArray, IntArray]:
    _, elements, steps = shape
    return offsets // (elements * steps), offsets // steps % elements, offsets % steps


def refuse_opaque(opaque: Opaque, where: str, spikes: str) -> UnsupportedError:
    """Return the refusal of an operation that no rule follows."""
    event, name = opaque.event, plain_word(opaque.event)
    place = f"{event.place}: "
    if "delayfunction" in event.name.lower():
        return UnsupportedError(
            f"{place}steps are mixed {where}: a delay stands there by itself. Use delay=True or delay_shift=True "
            "of the block before."
        )
    if opaque.why:
        return UnsupportedError(
            f"{place}{name} stands {where}; {opaque.why}. Add it behind the network, or give it a block of its own."
        )
    if event.name in _LINEAR or event.place.kind in ("Linear", "Conv2d", "Conv1d", "Conv3d"):
        return UnsupportedError(
            f"{place}{name} stands {where}. Its numbers are no spikes; make it a block, or move it behind the last "
            "block, where it runs on the host."
        )
    return UnsupportedError(
        f"{place}{name} stands {where}, and of {spikes} it makes something that no synapse delivers. Leave it out, "
        "make it a block, or move it behind the last block, where it runs on the host."
    )


def last_move(events: list[Event]) -> Place | None:
    """Return where the last operation of events stands."""
    return next((event.place for event in reversed(events) if not event.is_root), None)

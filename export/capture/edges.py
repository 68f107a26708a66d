"""What a leaf receives, as a map of the elements that another one puts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

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
MULTIPLES = "Let what is added be multiples of a power of two: torch.round(64 * x) / 64, say."
"""What to do against sums that torch rounds."""
_MAXIMA = {"max", "amax", "maximum", "fmax", "min", "amin", "minimum", "fmin", "topk", "sort", "median"}


class Edge(NamedTuple):
    """How what arrives at a layer is made of what another one puts out, the same in every sample and step."""

    source: int
    """The layer whose output it is, or -1 - k for the k-th of the network's inputs."""
    elements: IntArray
    """Shape (terms, inputs): the element of the source's output, images flattened; -1 for none."""
    factors: npt.NDArray[np.float64]
    """Shape (terms, inputs): what it is multiplied with."""
    delay: int = 0
    """By how many steps it arrives later than it is put out."""

    @property
    def is_identity(self) -> bool:
        """Whether what is put out arrives as it is, every element in its place."""
        same = len(self.elements) == 1 and np.array_equal(self.elements[0], np.arange(self.elements.shape[1]))
        return same and bool((self.factors == 1).all())


def whole(source: int, inputs: int) -> Edge:
    """Return the edge by which all elements of a source arrive as they are."""
    return Edge(source, np.arange(inputs)[None], np.ones((1, inputs)))


class Located(NamedTuple):
    """Where elements come from: arrays of one shape; what is number 0 has source `NOTHING`."""

    source: IntArray
    """The layer, or -1 - k for the module's argument k, or `OTHER`."""
    sample: IntArray
    element: IntArray
    step: IntArray
    """Counted over all calls of the layer."""


NOTHING, OTHER = -(2**31), -(2**31) + 1


class Ranges(NamedTuple):
    """Whose elements the numbers of `spikeproof.export.capture.shadow` are, one entry a root."""

    starts: IntArray
    """The first number."""
    calls: tuple[int | None, ...]
    """The call whose output it is; None for the module's input."""
    sources: IntArray
    """The layer whose call that is, or -1 - k for argument k, or `OTHER` for synapses by themselves."""
    elements: IntArray
    """How many elements the output has in each step of each sample."""
    steps: IntArray
    offsets: IntArray
    """Steps of the calls of the same layer before."""

    def roots_of(self, numbers: IntArray) -> IntArray:
        """Return which root each numbered element is of; -1 for number 0."""
        return np.searchsorted(self.starts, numbers, side="right") - 1

    def locate(self, numbers: IntArray) -> Located:
        """Return where numbered elements come from."""
        root = self.roots_of(numbers)
        offset = numbers - self.starts[root]
        elements, steps = self.elements[root], self.steps[root]
        return Located(
            np.where(numbers == 0, NOTHING, self.sources[root]),
            offset // (elements * steps),
            offset // steps % elements,
            offset % steps + self.offsets[root],
        )


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


def rounds(found: Arrival, elements: Elements, received: torch.Tensor) -> bool:
    """Whether the recorded run shows what the map says, but for the rounding of its numbers."""
    expected, shown = found.apply(elements.values), received.detach().cpu().to(torch.float64)
    if expected.shape != shown.shape or not received.is_floating_point():
        return False
    return torch.allclose(expected, shown, rtol=4 * torch.finfo(received.dtype).eps, atol=1e-6)


def refuse_rounding(found: Arrival, ranges: Ranges, event: Event, target: str) -> UnsupportedError:
    """Return the refusal of numbers that torch rounds in front of a layer: spikes times a factor, or sums."""
    roots = np.unique(ranges.roots_of(found.numbers[found.numbers > 0]))
    of_spikes = all(ranges.calls[root] is not None for root in roots)
    factor = next((one for one in found.factors[found.numbers > 0].flat if np.frexp(one)[0] not in (0.5, -0.5)), None)
    if of_spikes and factor is not None:
        return UnsupportedError(
            f"{event.place}: {plain_word(event)} makes spikes arrive times {factor:g} at {target}, which rounds, and "
            "integers do not. Put the factor into the weights before training."
        )
    return UnsupportedError(
        f"{event.place}: {plain_word(event)} rounds its sums in front of {target}, and integers do not. {MULTIPLES}"
    )


def joined(arrivals: Sequence[Arrival]) -> Arrival:
    """Return what arrives in several calls of a layer as one arrival over all steps."""
    if len(arrivals) == 1:
        return arrivals[0]
    terms = max(len(each.numbers) for each in arrivals)

    def filled(array: npt.NDArray[Any], value: float) -> npt.NDArray[Any]:
        return np.pad(array, [(0, terms - len(array)), *[(0, 0)] * (array.ndim - 1)], constant_values=value)

    numbers = np.concatenate([filled(each.numbers, 0) for each in arrivals], axis=-1)
    factors = np.concatenate([filled(each.factors, 1) for each in arrivals], axis=-1)
    return Arrival(numbers, factors)


class Way(NamedTuple):
    """Between which layers a map stands, for messages."""

    names: Sequence[str]
    """What layers are called."""
    target: str
    place: Place
    """Where the layer is called."""
    moves: Place | None
    """The last operation in front of it."""
    looped: bool
    """Whether a loop over time calls it."""

    def between(self, source: int) -> str:
        """Return the words for where a map from `source` stands."""
        return f"between {'the input' if source < 0 else self.names[source]} and {self.target}"


def edges_of(found: Arrival, ranges: Ranges, way: Way) -> tuple[Edge, ...]:
    """Return the maps that an arrival is made of, one a source and a delay.

    Parameters
    ----------
    found : Arrival
        Shape (terms, samples, ..., steps), over all calls of the layer.
    ranges : Ranges
        Whose elements the numbers are.
    way : Way
        For messages.

    Raises
    ------
    UnsupportedError
        A map is not the same for all samples and steps.
    """
    if found.numbers.ndim < 4:
        raise UnsupportedError(
            f"{way.moves or way.place}: what {way.target} is passed has no axis of steps. Blocks take tensors of "
            "(samples, ..., steps)."
        )
    shape = found.numbers.shape
    found_whole = _whole_output(found, ranges)
    if found_whole is not None:
        return (whole(found_whole, int(np.prod(shape[2:-1]))),)
    numbers = found.numbers.reshape(shape[0], shape[1], -1, shape[-1])
    at = ranges.locate(numbers)
    sources = [source for source in sorted(set(ranges.sources.tolist())) if (at.source == source).any()]
    factors = found.factors.reshape(numbers.shape)
    return tuple(edge for source in sources for edge in _edges(at, factors, source, way))


def _whole_output(found: Arrival, ranges: Ranges) -> int | None:
    """Return whose output arrives as it is, if that is so, which needs no closer look; else None."""
    numbers = found.numbers.reshape(-1)
    root = int(ranges.roots_of(numbers[0])) if numbers.size and numbers[0] else -1
    if root < 0 or len(found.numbers) > 1 or not found.moves_only or ranges.steps[root] != found.numbers.shape[-1]:
        return None
    start, each = int(ranges.starts[root]), int(ranges.elements[root] * ranges.steps[root])
    whole = numbers.size == each * found.numbers.shape[1] and numbers[0] == start
    return (
        int(ranges.sources[root]) if whole and np.array_equal(numbers, np.arange(start, start + numbers.size)) else None
    )


def _edges(at: Located, factors: npt.NDArray[np.float64], source: int, way: Way) -> Iterator[Edge]:
    some = at.source == source
    place, where = f"{way.moves or way.place}: ", way.between(source)
    own_step, own_sample = np.arange(some.shape[-1]), np.arange(some.shape[1])[:, None, None]
    late = np.where(some, own_step - at.step, 0)
    if (late < 0).any():
        raise UnsupportedError(
            f"{place}steps are mixed {where}: what arrives in a step is sent {-late.min()} later. A layer receives "
            "what was sent in the same step, or in one before."
        )
    if (np.where(some, at.sample, own_sample) != own_sample).any():
        raise UnsupportedError(f"{place}samples are mixed {where}. Every sample runs by itself on a chip.")
    for delay in np.unique(late[some]):
        of = some & (late == delay)
        element = np.where(of, at.element, -1)[..., delay:]
        # Sums have their terms in any order, and fewer of them in first steps, where nothing late has come yet.
        order = np.argsort(-element, axis=0, kind="stable")
        element = np.take_along_axis(element, order, axis=0)
        factor = np.take_along_axis(np.where(of, factors, 1.0)[..., delay:], order, axis=0)
        if not ((element == element[:, :1, :, :1]).all() and (factor == factor[:, :1, :, :1]).all()):
            raise UnsupportedError(
                f"{place}another map for other samples or steps stands {where}. Synapses are the same in every step, "
                "and every delay is one for all steps."
            )
        element, factor = element[:, 0, :, 0], factor[:, 0, :, 0]
        used = (element >= 0).any(-1)
        yield Edge(source, element[used], factor[used], int(delay))


def refuse_opaque(opaque: Opaque, where: str, spikes: str) -> UnsupportedError:
    """Return the refusal of an operation that no rule follows."""
    event, name = opaque.event, plain_word(opaque.event)
    place = f"{event.place}: "
    if "dropout" in event.name:
        return UnsupportedError(
            f"{place}{name} stands {where}, and it draws in evaluation too. Pass training=self.training to it, or use "
            "torch.nn.Dropout."
        )
    if opaque.why:
        return UnsupportedError(f"{place}{name} stands {where}; {opaque.why}")
    if event.name in _MAXIMA or event.name.startswith(("max_pool", "adaptive_max_pool")):
        return UnsupportedError(
            f"{place}{name} stands {where}. A maximum is no sum, and synapses only add. Use an average, SLAYER's Pool, "
            "or a block with a stride."
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

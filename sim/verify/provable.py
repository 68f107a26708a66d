"""What is proved of things that are more than a module, a record or a file, and what to add to the verdict on them.

A training run knows its own samples and what they are worth; a floating-point model is exported as another network than
itself. Such a thing says in `Provable.to_prove` what is to be proved of it, so that nothing here knows what it is. The
graph of another tool, which is quantised when it is read, is told of in the same way.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from ...contract.net import Net
from ...export import formats
from ...export.nir.foreign import Imported
from ..simulate import joined_inputs, simulate
from . import nir_gap, scores
from .gaps import FloatGap
from .verdict import Answers, Verdict

if TYPE_CHECKING:
    from .forecasts import Judge

Samples = int | Literal["all"] | None
"""How many samples: the first so many, or all of them; None for as many as is usual."""


class Claim(Protocol):
    """What is to be proved."""

    @property
    def network(self) -> Any:
        """What `spikeproof.verify` takes: a module, a record, or something that says what is to be proved of it."""

    @property
    def x(self) -> npt.NDArray[Any]:
        """Its input."""

    @property
    def samples(self) -> int | None:
        """How many samples of `x` are taken where nobody asks for a number, or all of fewer; None for all."""

    @property
    def file(self) -> Path | None:
        """The exported file that must hold a module's network; None if there is none."""

    @property
    def real(self) -> npt.NDArray[np.float64] | None:
        """What a floating-point model itself answers to `x`, summed over time; None if the network is the model."""

    @property
    def meaning(self) -> str:
        """What `real` is, in words."""

    @property
    def classes(self) -> npt.NDArray[np.int64] | None:
        """True classes of the samples, shape (samples,); None if the task asks for something else."""

    @property
    def judge(self) -> Judge | None:
        """What makes figures of answers that are numbers; None if they are none."""


@runtime_checkable
class Provable(Protocol):
    """Something that says itself what is to be proved of it."""

    def to_prove(self, x: npt.ArrayLike | None) -> Claim:
        """Return what is to be proved, for an input, or for its own samples if that is None."""


class Prove(Protocol):
    """`spikeproof.verify` with all its options."""

    def __call__(self, network: Any, x: Any, *, file: Path | None = None) -> Verdict:
        """Return the verdict."""


def verdict(network: Any, x: npt.ArrayLike | None, samples: Samples, prove: Prove, *, stated: bool) -> Verdict | None:
    """Return the verdict on something that says itself what is to be proved, or was quantised; None if it is neither.

    Parameters
    ----------
    network : Provable, Imported, or anything else
        What is verified.
    x : array_like or None
        Its input.
    samples : int, "all" or None
        How many samples.
    prove : Prove
        Compares the backends on the modules and records that are to be proved.
    stated : bool
        Whether the file of the network or its `Input` was given, which only a module has a use for.

    Raises
    ------
    InputError
        One of them was given, the input does not fit, or there are fewer samples.
    """
    if isinstance(network, str | os.PathLike) and formats.is_nir(network):
        network = _nir(network, x)
    if isinstance(network, Provable):
        if stated:
            raise InputError(f"{type(network).__name__}: leave out file and input, which go with a stack of blocks.")
        claim = network.to_prove(None if x is None else given_samples(x, samples))
        given = claim.x
        if x is None:
            usual = None if claim.samples is None else min(claim.samples, len(claim.x))
            given = given_samples(claim.x, usual if samples is None else samples)
        return _with_claim(prove(claim.network, given, file=claim.file), claim, given)
    if isinstance(network, Imported):
        given = given_samples(x, samples)
        found = prove(network.net, given)
        return replace(found, float_gap=nir_gap.gap(network, given, simulate(network.net, given, backend="engine")))
    return None


def _nir(path: str | os.PathLike[str], x: npt.ArrayLike | None) -> Net | Imported:
    """Return the record in a NIR file, or the graph of another tool's."""
    from ...export.nir import file as nir_file

    shape = joined_inputs(x).shape if x is not None else ()
    return nir_file.read(path, steps=shape[-1] if shape else None)


def _with_claim(found: Verdict, claim: Claim, x: npt.NDArray[Any]) -> Verdict:
    """Return a verdict with what the claim adds to it, about the samples `x`."""
    if claim.real is not None:
        registers, real = simulate(found.net, x, backend="engine").output(found.net), claim.real[: len(x)]
        same = int((real.argmax(-1) == registers.argmax(-1)).sum())
        found = replace(
            found,
            answers={**found.answers, "engine": Answers(np.arange(len(x)), registers)},
            float_gap=FloatGap(output=real, same_class=same, layers=(), meaning=claim.meaning),
        )
    if claim.judge is not None:
        return scores.with_numbers(found, claim.judge)
    return found if claim.classes is None else scores.with_classes(found, claim.classes)


def given_samples(x: npt.ArrayLike | None, samples: Samples) -> Any:
    """Return the first so many samples of an input.

    Raises
    ------
    InputError
        There is no input, or there are fewer samples.
    """
    if x is None:
        raise InputError("Give an input x of shape (samples, channels, steps); only a training run has its own.")
    if samples is None or samples == "all":
        return x
    if isinstance(x, tuple):
        return tuple(given_samples(each, samples) for each in x)
    array: Any = x if hasattr(x, "ndim") else np.asarray(x)
    if not array.ndim:
        return x  # is refused where shapes are looked at
    check_samples(samples, len(array))
    return array[:samples]


def check_samples(samples: int, available: int) -> None:
    """Refuse a number of samples that there are not."""
    if not isinstance(samples, int | np.integer) or not 0 < samples <= available:
        raise InputError(
            f"samples = {samples!r}: there are {available}. Give a number from 1 to {available}, or 'all'."
        )

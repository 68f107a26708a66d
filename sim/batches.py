"""Samples that come in batches: a torch ``DataLoader``, or whatever else has a data set and gives its batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from .verify.provable import Samples, check_samples
from .verify.scores import with_classes
from .verify.verdict import Verdict


def is_loader(x: Any) -> bool:
    """Whether something gives batches of a data set; arrays and tensors do not."""
    return hasattr(x, "dataset") and hasattr(x, "__iter__") and not hasattr(x, "shape")


def samples_of(loader: Any, samples: Samples) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
    """Return the first samples of a loader, in its order, and their classes.

    Parameters
    ----------
    loader : iterable of batches
        A batch is an array or a tensor of samples, or a pair of those and their true classes. Of a pair whose second
        half is no row of whole numbers, the first half alone is taken.
    samples : int, "all" or None
        How many; None for all.

    Returns
    -------
    x : ndarray, shape (samples, ...)
        Input, as `spikeproof.verify` takes it.
    classes : ndarray of int64, shape (samples,), or None
        True classes, if every batch has them.

    Raises
    ------
    InputError
        It gives no batches, or fewer samples, or something else than arrays.
    """
    wanted = None if samples in (None, "all") else samples
    xs: list[npt.NDArray[Any]] = []
    ys: list[npt.NDArray[Any] | None] = []
    count = 0
    for batch in loader:
        x, y = _halves(batch)
        xs.append(x)
        ys.append(y)
        count += len(x)
        if isinstance(wanted, int | np.integer) and count >= wanted:
            break
    if not count:
        raise InputError("The loader gives no samples. Give one whose data set is not empty.")
    if wanted is not None:
        check_samples(wanted, count)  # type: ignore[arg-type]  # whatever it is, is looked at there
    if len({each.shape[1:] for each in xs}) > 1:
        shapes = sorted({each.shape[1:] for each in xs})
        raise InputError(f"The loader gives samples of different shapes, {shapes}. Bring them to one number of steps.")
    known = [each for each in ys if each is not None]
    classes = np.concatenate(known).astype(np.int64)[:wanted] if len(known) == len(ys) else None  # type: ignore[misc]
    return np.concatenate(xs)[:wanted], classes  # type: ignore[misc]


def judged(verdict: Verdict, classes: npt.NDArray[np.int64] | None) -> Verdict:
    """Return a verdict that says how many classes are right, if they are known and nothing was said of them."""
    if classes is None or verdict.scores.classes is not None:
        return verdict
    answers = next(iter(verdict.answers.values()), None)
    if answers is None or (classes < 0).any():
        return verdict
    of = answers.output if answers.scores is None else answers.scores
    return with_classes(verdict, classes) if of.ndim == 1 or classes.max() < of.shape[-1] else verdict


def _halves(batch: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    x, y = (batch[0], batch[1] if len(batch) > 1 else None) if isinstance(batch, tuple | list) else (batch, None)
    array = _array(x)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"The loader gives batches of {type(x).__name__}. A batch is an array of shape (samples, channels, "
            "steps), or a pair of such an array and classes."
        )
    of = None if y is None else _array(y)
    whole = of is not None and of.ndim == 1 and of.dtype.kind in "iu" and len(of) == len(array)
    return array, of if whole else None


def _array(value: Any) -> npt.NDArray[Any]:
    """Return an array, or a tensor on any device, as an array."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)

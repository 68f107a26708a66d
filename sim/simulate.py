"""Run a network record, or the file that holds it, on one backend."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.net import Net
from ..export import formats, masked
from . import memory
from .trace import Trace

Backend = Literal["engine", "reference", "lava"]
BACKENDS: tuple[str, ...] = get_args(Backend)


def simulate(
    net: Net | str | os.PathLike[str],
    x: npt.ArrayLike | tuple[npt.ArrayLike, ...],
    *,
    backend: Backend = "lava",
    deadline: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trace:
    """Run samples through a network.

    Parameters
    ----------
    net : Net or path-like
        The network record, or a file that holds one.
    x : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps)
        Input in SLAYER's units, as in training; steps is the network's sample period. Of a network with several inputs
        a tuple of one array each, or one array that holds their channels one after the other.
    backend : {"lava", "engine", "reference"}
        Lava's fixed-point models in a child process, the batch engine, or the contract's steps in NumPy.
    deadline : float, optional
        Seconds that Lava may take. Default: no limit on the whole; a run that makes no step for long is ended, see
        `spikeproof.sim.lava.backend.default_patience`.
    progress : callable, optional
        Called with (steps done, steps in all) while Lava runs.

    Returns
    -------
    Trace
        Every spike and register of every layer at every step.

    Raises
    ------
    InputError
        The input does not fit the network, or the backend is unknown.
    FileFormatError
        The file cannot be read.
    BackendError
        Lava failed or did not end by the deadline.
    """
    net = formats.given(net, "simulate(network, x)", lambda: steps_of(x))
    return run_payload(net, encode(net, joined_inputs(x)), backend, deadline=deadline, progress=progress)


def run_payload(
    net: Net,
    payload: npt.NDArray[np.int32],
    backend: Backend,
    *,
    deadline: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trace:
    """Run samples whose input is encoded already, int32 of shape (samples, channels, steps); see `simulate`."""
    memory.refuse_trace(net, len(payload))
    refuse_deadline(deadline)
    if backend == "engine":
        from . import engine

        return engine.run(net, payload)
    if backend == "reference":
        from . import reference

        return reference.run(net, payload)
    if backend == "lava":
        from .lava import backend as lava_backend

        return lava_backend.run(net, payload, deadline=deadline, progress=progress)
    raise InputError(f"Unknown backend {backend!r}; known are {', '.join(BACKENDS)}.")


def refuse_deadline(deadline: float | None) -> None:
    """Refuse what is no number of seconds."""
    number = isinstance(deadline, int | float | np.integer | np.floating) and not isinstance(deadline, bool)
    if deadline is not None and not (number and 0 < deadline < np.inf):
        raise InputError(f"deadline={deadline!r}: give seconds, more than 0; None sets no deadline.")


def encode(net: Net, x: npt.ArrayLike | tuple[npt.ArrayLike, ...]) -> npt.NDArray[np.int32]:
    """Return the input payloads of a batch after a check of its shape; see `spikeproof.contract.net.Net.encode`.

    Images, (samples, channels, rows, columns, steps) as in SLAYER, are flattened. Of a network with several inputs,
    `x` is a tuple of one array each, or one array that holds their channels one after the other.
    """
    x = joined_inputs(x)
    shape = np.shape(x)
    expected = (net.num_channels, net.steps)
    if len(shape) != 3 or shape[1:] != expected or not shape[0]:
        channels = f"{expected[0]} channel{'s' * (expected[0] != 1)}"
        raise InputError(
            f"Input has shape {shape}; expected (samples, {channels}, {expected[1]} steps), the network's sample "
            f"period.{_axes(shape, expected)}"
        )
    return net.encode(x)


def _axes(shape: tuple[int, ...], expected: tuple[int, int]) -> str:
    """Return what is to be done with the axes of an input, if one can tell."""
    if shape == expected:
        return " One sample needs an axis of its own: x[None]."
    if len(shape) == 3 and (shape[2], shape[1]) == expected:
        return " Its last two axes are swapped: x.transpose(0, 2, 1)."
    if len(shape) == 3 and (shape[1], shape[0]) == expected:
        return " Time comes last here: x.transpose(2, 1, 0)."
    if len(shape) == 3 and (shape[2], shape[0]) == expected:
        return " Time comes last here: x.transpose(1, 2, 0)."
    return ""


def joined_inputs(x: npt.ArrayLike | tuple[npt.ArrayLike, ...]) -> npt.NDArray[Any]:
    """Return inputs as one array that holds their channels one after the other, images flattened."""
    if not isinstance(x, tuple):
        return _flat(x)
    arrays = [_flat(each) for each in x]
    shapes = [array.shape for array in arrays]
    if not shapes or min(map(len, shapes)) < 2 or len({(shape[:1], shape[-1:]) for shape in shapes}) > 1:
        raise InputError(
            f"Inputs of shapes {shapes}; give an array of shape (samples, channels, steps) for each input, all with as "
            "many samples and steps."
        )
    return np.concatenate(arrays, axis=1)


def steps_of(x: npt.ArrayLike | tuple[npt.ArrayLike, ...]) -> int | None:
    """Return how many steps inputs have; None for what has no axis."""
    shape = joined_inputs(x).shape
    return shape[-1] if shape else None


def _flat(x: npt.ArrayLike) -> npt.NDArray[Any]:
    if hasattr(x, "detach"):  # a tensor, on whatever device and with whatever gradient
        from ..export.capture import guard

        x = guard.plain(x)
    masked.refuse(x)
    try:
        array = np.asarray(x)
    except (ValueError, RuntimeError) as error:  # rows of many lengths, or a list of tensors with gradients
        raise InputError(f"The input is no array of numbers ({error}). Give every sample as many steps.") from None
    if array.ndim == 5 and not array.size:
        raise InputError(f"Input has shape {array.shape}: it holds no numbers. Give one sample at least.")
    return array.reshape(len(array), -1, array.shape[-1]) if array.ndim == 5 else array

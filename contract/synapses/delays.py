"""Delays of synapses: one for all, one a sender, or one a synapse."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import as_integers

MAX_DELAY = 1023
"""The longest delay of a synapse. Loihi 2's have up to 62 steps; `spikeproof map` tells what more takes."""


def as_delays(name: str, value: Any, senders: int, sums: int, is_conv: bool) -> npt.NDArray[Any]:
    """Return delays as a read-only int16 array of the simplest shape that holds them.

    Parameters
    ----------
    name : str
        What they are called in an error.
    value : array_like of int, shape (), (senders,) or (sums, senders)
        Steps, 0..1023.
    senders, sums : int
        Inputs and outputs of the synapses.
    is_conv : bool
        Whether they are those of a convolution, which has no delay for each.

    Raises
    ------
    RecordError
        A delay is out of range, or the shape does not fit.
    """
    delay = as_integers(name, value, np.int16, 0, MAX_DELAY)
    shapes: list[tuple[int, ...]] = [(), (senders,)]
    if not is_conv:
        shapes.append((sums, senders))
    if delay.shape not in shapes:
        raise RecordError(
            f"{name} has shape {delay.shape}; expected one of {', '.join(map(str, shapes))}"
            f"{': the synapses of a convolution share their weights and delays' if is_conv else ''}."
        )
    return simplest(delay)


def simplest(delay: Any) -> npt.NDArray[Any]:
    """Return delays as one number if all are equal, as one a sender if a neuron's synapses agree, else as they are."""
    if delay.ndim and (delay == delay.flat[0]).all():
        delay = delay.flat[0]
    elif delay.ndim == 2 and (delay == delay[0]).all():
        delay = delay[0]
    found = np.array(delay, dtype=np.int16)
    found.flags.writeable = False
    return found


def delayed(sent: npt.NDArray[Any], delay: Any) -> npt.NDArray[Any]:
    """Return what arrives in the steps of a sample.

    Parameters
    ----------
    sent : ndarray, shape (..., senders, steps)
        What is sent.
    delay : ndarray of int, shape () or (senders,)
        Steps that it takes.

    Returns
    -------
    ndarray of the type and shape of `sent`; `sent` itself if nothing is delayed
    """
    if not np.any(delay):
        return sent
    steps, arriving = sent.shape[-1], np.zeros_like(sent)
    delays = np.broadcast_to(np.asarray(delay), sent.shape[-2:-1])
    for d in np.unique(delays).tolist():  # small integer types cannot hold a number of steps
        of = delays == d
        if d < steps:
            arriving[..., of, d:] = sent[..., of, : steps - d]
    return arriving

"""`spikeproof.verify_recording`: a network against what was recorded of it, from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from ...contract.errors import InputError
from ...contract.net import Net
from ...export import formats
from ..simulate import encode, joined_inputs, steps_of
from .recorded import RecordedVerdict, verify_recorded
from .recordings import of_arrays


def verify_recording(
    net: Net | str | os.PathLike[str], x: npt.ArrayLike, recording: Mapping[str, npt.NDArray[Any]]
) -> RecordedVerdict:
    """Compare a network with what a chip or another simulator has recorded of it.

    Parameters
    ----------
    net : Net or path-like
        The network record, or a file that holds one.
    x : array_like, shape (samples, channels, steps)
        The input with which it was recorded, in SLAYER's units.
    recording : mapping of str to ndarray
        ``layer/variable`` of shape (samples, neurons, steps), or (neurons, steps) where the samples follow each other;
        ``layer/neurons`` and ``layer/steps`` where not all of them were recorded. What ``numpy.load`` gives of an
        archive, for example.

    Returns
    -------
    RecordedVerdict
        `exact` if all entries that were recorded are equal and something fired; `str` of it says what differs, where
        and with which lag, and what was not recorded.

    Raises
    ------
    InputError
        The recording or the input does not fit the network.
    """
    net = formats.given(net, "verify_recording(network, x, recording)", lambda: steps_of(x))
    if not isinstance(recording, Mapping):
        raise InputError(
            "verify_recording(network, x, recording): the recording maps names such as hidden/s to arrays, and is a "
            f"{type(recording).__name__}."
        )
    return verify_recorded(net, encode(net, joined_inputs(x)), of_arrays(net, dict(recording)))

"""What a worker of a sweep does: some samples on two backends, compared where they ran."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import __version__
from ...contract.net import Net
from ...export import netx
from ...export.files import scratch
from ..compare import compare
from ..diagnose.diagnose import diagnose
from ..simulate import Backend, encode, simulate


def as_bytes(net: Net) -> bytes:
    """Return a record as the bytes of its file: what travels to the workers, and names the network in the log."""
    with scratch() as folder:
        path = Path(folder) / "net.net"
        netx.write(net, path)
        return path.read_bytes()


def check(
    net_file: bytes,
    x: npt.NDArray[Any],
    samples: list[int],
    pair: tuple[Backend, Backend],
    deadline: float | None,
) -> dict[str, Any]:
    """Run samples on two backends and compare every spike and register.

    Parameters
    ----------
    net_file : bytes
        The network's file.
    x : ndarray, shape (samples, channels, steps)
        Input in SLAYER's units.
    samples : list of int
        What the samples are called.
    pair : (str, str)
        The backends.
    deadline : float or None
        Seconds that Lava may take.

    Returns
    -------
    dict
        Plain values for a line of the log: the traces stay here.
    """
    begun = time.monotonic()
    with scratch() as folder:
        path = Path(folder) / "net.net"
        path.write_bytes(net_file)
        net = netx.load(path)
    a, b = (simulate(net, x, backend=backend, deadline=deadline) for backend in pair)
    comparison = compare(a, b, net.groups, net.answers)
    why = None
    if comparison.first is not None:
        first = comparison.first
        why = diagnose(net, encode(net, x), a, b, first).renamed(samples[first.sample]).as_dict()
    return {
        "samples": samples,
        "comparison": comparison.as_dict(),
        "diagnosis": why,
        "output": [np.asarray(trace.output(net)).tolist() for trace in (a, b)],
        "version": __version__,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "seconds": round(time.monotonic() - begun, 3),
    }

"""Proof that a trained module, its exported file and Lava compute the same spikes and registers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.net import Net
from ..contract.record import differences
from ..export import netx
from .parity import Comparison, compare
from .simulate import BACKENDS, Backend, encode, simulate
from .trace import Trace

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of `verify`.

    Parameters
    ----------
    net : Net
        The record that was simulated.
    traces : tuple of Trace
        One a backend, in the order in which they were compared.
    comparisons : tuple of Comparison
        Each later backend against the first.
    altered : tuple of (path, value in the trained module, value in the file)
        Where the file's record is not the trained module's; empty if it is, or if only one of them was given.
    """

    net: Net
    traces: tuple[Trace, ...]
    comparisons: tuple[Comparison, ...]
    altered: tuple[tuple[str, Any, Any], ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every comparison is exact and the file holds the trained network."""
        return not self.altered and all(comparison.exact for comparison in self.comparisons)

    def __str__(self) -> str:
        lines = [f"{'EXACT' if self.exact else 'NOT EXACT'}"]
        if self.altered:
            path, trained, stored = self.altered[0]
            more = f" (and {len(self.altered) - 1} more)" if len(self.altered) > 1 else ""
            lines.append(
                f"the file is not the trained network: {self._place(path)}: trained {trained}, file {stored}{more}"
            )
        lines += [str(comparison) for comparison in self.comparisons]
        return "\n".join(lines)

    def _place(self, path: str) -> str:
        """Say in words where in the record a path such as ``layers[1].synapse.weight[3, 5]`` is."""
        head, _, rest = path.partition("].")
        if not head.startswith("layers[") or not rest:
            return path
        layer = self.net.layers[int(head.removeprefix("layers["))]
        _, _, index = rest.partition("[")
        neuron = f", neuron {index.rstrip(']').split(',')[0]}" if index else ""
        return f"layer {layer.name!r}{neuron}, {rest}"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values for JSON."""
        return {
            "exact": self.exact,
            "altered": [
                {"where": self._place(path), "trained": _plain(trained), "file": _plain(stored)}
                for path, trained, stored in self.altered
            ],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
        }


def verify(
    network: nn.Module | Net | str | os.PathLike[str],
    x: npt.ArrayLike,
    *,
    file: str | os.PathLike[str] | None = None,
    backends: Sequence[Backend] = ("reference", "lava"),
    deadline: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Compare every spike and register of a network between torch, the contract and Lava.

    Parameters
    ----------
    network : Module, Net or path-like
        A trained module, whose own forward pass is then the first trace; or a record or an exported file, where the
        first of `backends` is.
    x : array_like, shape (samples, channels, steps)
        Input in SLAYER's units. Samples are streamed back to back through one Lava run.
    file : path-like, optional
        With a module: the exported file to simulate instead of a fresh record of the module. What differs between the
        two is reported.
    backends : sequence of {"reference", "lava"}
        What to compare with.
    deadline : float, optional
        Seconds that Lava may take.
    progress : callable, optional
        Called with (steps done, steps in all) while Lava runs.

    Returns
    -------
    Verdict
        ``verdict.exact`` is the answer; it is never True if nothing fired.

    Raises
    ------
    InputError
        The input does not fit the network, or fewer than two traces would be compared.
    UnsupportedError
        The module cannot be exported.
    FileFormatError
        The file cannot be read.
    BackendError
        Lava failed or did not end by the deadline.
    """
    unknown = [backend for backend in backends if backend not in BACKENDS]
    if unknown:
        raise InputError(f"Unknown backend {unknown[0]!r}; known are {', '.join(BACKENDS)}.")
    traces: list[Trace] = []
    altered: list[tuple[str, Any, Any]] = []
    if isinstance(network, Net):
        net = network
    elif isinstance(network, str | os.PathLike):
        net = netx.load(network)
    else:
        from ..export.slayer import record
        from . import torch_backend

        stored = None if file is None else netx.load(file)
        trained = record(network, steps=stored.steps if stored else np.shape(x)[-1] if np.ndim(x) else None)
        net = stored or trained
        altered = differences(trained, net)
        encode(net, x)  # refuses input that does not fit before anything runs
        if not _same_layers(trained, net):
            return Verdict(net=net, traces=(), comparisons=(), altered=tuple(altered))
        traces.append(torch_backend.run(network, trained, x))
    if len(traces) + len(backends) < 2:
        raise InputError("A comparison needs two sides; name at least two backends, or give the trained module.")
    traces += [simulate(net, x, backend=backend, deadline=deadline, progress=progress) for backend in backends]
    return Verdict(
        net=net,
        traces=tuple(traces),
        comparisons=tuple(compare(traces[0], trace) for trace in traces[1:]),
        altered=tuple(altered),
    )


def _same_layers(a: Net, b: Net) -> bool:
    """Whether two networks have layers of the same names, kinds and widths, so that traces can be compared."""
    shapes = [[(layer.name, type(layer.neuron), layer.num_neurons) for layer in net.layers] for net in (a, b)]
    return shapes[0] == shapes[1]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else repr(value)

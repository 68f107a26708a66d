"""A Lava network from a record, with its input, that can record every spike and register."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from . import compat

compat.apply()  # before the first Lava import

from lava.magma.core.process.process import AbstractProcess  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.io.source import RingBuffer  # noqa: E402

from ..contract.net import Net  # noqa: E402
from .recording import record  # noqa: E402
from .wiring import LayerProcesses, connect  # noqa: E402


class Network(NamedTuple):
    """A built network; run each of its parts with `run`."""

    parts: tuple[AbstractProcess, ...]
    """A process of each part that nothing connects to the others: Lava runs what is connected."""
    layers: tuple[LayerProcesses, ...]

    def stop(self) -> None:
        """End all processes; a stopped network cannot run again."""
        for part in self.parts:
            part.stop()


def run(part: AbstractProcess, steps: int) -> None:
    """Advance all processes that are connected to one by `steps` time steps, on Lava's fixed-point models."""
    # Without the tag Lava takes the first model that it finds, which is a floating-point one.
    part.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))


def build(
    net: Net,
    payload: np.ndarray,
    *,
    record_to: str | os.PathLike[str] | None = None,
    te_source: Literal["table", "ring"] = "table",
) -> Network:
    """Build the processes of a network and connect them.

    Parameters
    ----------
    net : Net
        The network record.
    payload : ndarray of int32, shape (channels, total_steps)
        Input payloads, samples back to back.
    record_to : path-like, optional
        Existing folder that gets one folder a layer, ``<layer name>/s.npy`` and one file a register, each of shape
        (`total_lava_steps`, neurons). None records nothing.
    te_source : {"table", "ring"}
        Where a CE-LIF neuron finds a temporal encoding that is a table: in the process, or at the end of ordinary
        synapses from a one-hot clock ring. An encoding that oscillators drive always comes through synapses.

    Returns
    -------
    Network
    """
    sources = [RingBuffer(data=payload[net.channels(k)]).s_out for k in range(len(net.inputs))]
    layers = connect(net, sources, te_source=te_source)
    if record_to is not None:
        total = total_lava_steps(net, payload.shape[1])
        for layer, made in zip(net.layers, layers, strict=True):
            folder = Path(record_to) / layer.name
            folder.mkdir()
            record(made.neuron, folder, total, layer.neuron.registers)
    return Network(tuple(layers[i].neuron for i in _firsts(net)), layers)


def _firsts(net: Net) -> list[int]:
    """Return one layer of each part of a network that nothing connects to the others."""
    part = {i: i for i in range(-len(net.inputs), len(net.layers))}
    for i in range(len(net.layers)):
        for way in net.incoming(i):
            joined = part[i], part[way.source]
            part |= {each: max(joined) for each, of in part.items() if of in joined}
    return sorted(set(part[i] for i in range(len(net.layers))))


def total_lava_steps(net: Net, input_steps: int) -> int:
    """Return how many Lava steps the latest layer needs to see `input_steps` steps of input."""
    return input_steps + max(net.latencies)

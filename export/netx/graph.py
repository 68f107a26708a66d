"""What makes a network a graph <-> groups of a NetX HDF5 file beside the layers that stock NetX knows.

``edges/0..``: an edge each, its synapses as those of a layer. ``inputs/1..``: the inputs behind the first, which is
``layer/0``. ``outputs``: the names of the layers that the network answers with. A file of a chain has none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

import h5py
import numpy as np

from ...contract.errors import FileFormatError, RecordError
from ...contract.net import Edge, Input, Net
from ..members import member, names, numbers, refuse_unknown, reserve_neurons, text, write_text
from ..quoted import quoted
from . import layers, synapses

T = TypeVar("T")

MEMBERS = ("edges", "inputs", "outputs")


def write(file: h5py.Group, net: Net) -> None:
    """Write edges, further inputs and outputs, where there are any."""
    for k, source in enumerate(net.inputs[1:], start=1):
        layers.write_input(file.create_group(f"inputs/{k}"), source, None)
    for k, edge in enumerate(net.edges):
        handle = file.create_group(f"edges/{k}")
        write_text(handle, "source", edge.source)
        write_text(handle, "target", edge.target)
        synapses.write(handle, edge.synapse, 1, None)
        if edge.delay.any():
            handle["delay"] = edge.delay
    if net.outputs:
        write_text(file, "outputs", " ".join(net.outputs))


def read_edges(file: h5py.Group) -> tuple[Edge, ...]:
    """Read the edges that `write` wrote; raises as `spikeproof.export.netx.layers.read` does."""
    return tuple(_numbered(file, "edges", 0, _edge))


def read_inputs(file: h5py.Group) -> tuple[Input, ...]:
    """Read the inputs behind the first."""
    return tuple(_numbered(file, "inputs", 1, layers.read_input))


def read_outputs(file: h5py.Group) -> tuple[str, ...]:
    """Read the names of the layers that the network answers with; none where it is the last one."""
    return tuple(text(file, "outputs").split(" ")) if "outputs" in file.keys() else ()


def _edge(handle: h5py.Group) -> Edge:
    fields = synapses.KINDS[synapses.kind(handle)].fields - synapses.RECURRENT
    refuse_unknown(handle, {"type", "source", "target", "delay"} | fields)
    synapse = synapses.read(handle, 1)
    reserve_neurons(math.prod(synapses.out_shape(synapse, 1)), "shape")
    delay = numbers(handle, "delay") if "delay" in handle.keys() else np.int64(0)
    return Edge(source=text(handle, "source"), target=text(handle, "target"), synapse=synapse, delay=delay)


def _numbered(file: h5py.Group, name: str, first: int, read: Callable[[h5py.Group], T]) -> Iterator[T]:
    """Read the groups ``name/first``, ``name/first + 1``, ..., which are all that ``name`` may hold."""
    if name not in file.keys():
        return
    group = member(file, name, h5py.Group)
    held = names(group)
    ids = [str(i) for i in range(first, first + len(held))]
    if held != sorted(ids):
        raise FileFormatError(f"{name} must hold the groups {first}, {first + 1}, ...; it holds {quoted(held)}.")
    for i in ids:
        yield located(group, i, name, read)


def located(group: h5py.Group, name: str, folder: str, read: Callable[[h5py.Group], T]) -> T:
    """Read a member of a group; an error says that it is ``folder/name`` in the file."""
    where = f"{folder}/{name}"
    try:
        return read(member(group, name, h5py.Group))
    except FileFormatError as error:
        raise FileFormatError(f"{where}/{error}") from None
    except RecordError as error:
        raise FileFormatError(f"{where}: {error}") from None

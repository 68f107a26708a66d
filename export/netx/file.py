"""Network records <-> NetX HDF5 files.

Layout: root attributes ``spikeproof_schema``, ``spikeproof_version`` and ``steps``; group ``layer/0`` the input,
``layer/1..`` the layers (see `spikeproof.export.netx.layers`); ``te``, once, the temporal encoding that all CE-LIF
layers share: a dataset, the table, or a group, the matrix and the oscillators that drive it. A network that is no chain
has more groups (see `spikeproof.export.netx.graph`), and its file has schema version 2; version 1 knows chains alone.
If stock NetX shall run such a network, all these are in the group ``graph`` (see `spikeproof.export.netx.stock_graph`).
A file of a chain without CE-LIF layers, CPG and read-out is one that stock ``lava.lib.dl.netx`` reads.
"""

from __future__ import annotations

import os
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ... import __version__
from ...contract.errors import FileFormatError, RecordError
from ...contract.net import SCHEMA_VERSION, Input, Layer, Net
from ...contract.sources.driven import Driven
from ...contract.synapses.conv import Conv
from ..files import replacing
from ..members import attribute, member, names, numbers, opened, refuse_unknown, text
from ..quoted import plain, quoted
from . import graph, layers, stock_graph, synapses

_SCHEMA, _WRITER, _STEPS = "spikeproof_schema", "spikeproof_version", "steps"
_NOTES = ("host_before", "host_after")
_CHAINS = 1
"""The schema version that knows no edges: every reader of it reads a chain."""


def write(net: Net, path: str | os.PathLike[str], *, stock: bool = False) -> None:
    """Write a network record; the file appears whole or not at all.

    Parameters
    ----------
    net : Net
        The record.
    path : path-like
        Where to; an existing file is replaced.
    stock : bool
        Whether a network that is no chain also lies in the file in the form in which stock NetX runs it, see
        `spikeproof.export.netx.one_layer`.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written to.
    UnsupportedError
        Stock NetX cannot run the network, which is no chain.
    """
    graphs = stock and not net.is_in_a_row
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs[_SCHEMA] = SCHEMA_VERSION if _is_graph(net) else _CHAINS
        file.attrs[_WRITER] = __version__
        file.attrs[_STEPS] = net.steps
        for name in _NOTES:
            if getattr(net, name):
                file.attrs[name] = getattr(net, name)
        if graphs:
            stock_graph.write(file, net)
        _write(file.create_group(stock_graph.GRAPH) if graphs else file, net)


def _write(file: h5py.Group, net: Net) -> None:
    """Write the layers and all that belongs to them into a file, or a group that has neither."""
    layers.write_input(file.create_group("layer/0"), net.input, net.layers[0].synapse)
    group, before = file["layer"], None
    targets = {edge.target for edge in net.edges}
    for i, layer in enumerate(net.layers):
        if isinstance(before, Conv) and not isinstance(layer.synapse, Conv):
            synapses.write_flatten(group.create_group(str(len(group))), before)
        arriving = net.max_payload(net.incoming(i)[0].source)
        layers.write(group.create_group(str(len(group))), layer, layer.name in targets, arriving)
        before = layer.synapse
    graph.write(file, net)
    if isinstance(net.te, Driven):
        file["te/matrix"] = net.te.matrix
        layers.write_oscillators(file.create_group("te/cpg"), net.te.cpg)
    elif net.te is not None:
        file["te"] = net.te


def _is_graph(net: Net) -> bool:
    more = [layer.source is not None or layer.delay.any() for layer in net.layers]
    return not net.is_chain or any(more) or net.input.name != Input(num_channels=1).name


def load(path: str | os.PathLike[str]) -> Net:
    """Read a network record from a file that `write` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Net
        Equal to the record that was written.

    Raises
    ------
    FileFormatError
        The file is missing, empty, truncated, not HDF5, of another tool or schema version, or holds a value that
        the contract refuses. The message names the file and the place in it.
    """
    with opened(path) as file:
        return _read(file)


def _read(file: h5py.File) -> Net:
    if _SCHEMA not in file.attrs:
        raise FileFormatError(
            "not written by spikeproof (it has no schema version). Export the trained module with "
            "spikeproof.export_netx to get a file that can be verified."
        )
    schema = _attribute(file, _SCHEMA)
    if schema not in (_CHAINS, SCHEMA_VERSION):
        raise FileFormatError(
            f"schema version {schema}, written by spikeproof {_writer(file)}; this is spikeproof {__version__}, which "
            f"reads versions {_CHAINS} and {SCHEMA_VERSION}. Export the network again with this version."
        )
    if schema == SCHEMA_VERSION and stock_graph.GRAPH in file.keys():
        return _read_stock_graph(file)
    return _read_record(file, file, schema)


def _read_stock_graph(file: h5py.File) -> Net:
    """Read the record of a graph that lies there for stock NetX too."""
    refuse_unknown(file, {"layer", stock_graph.GRAPH})
    try:
        net = _read_record(member(file, stock_graph.GRAPH, h5py.Group), file, SCHEMA_VERSION)
    except (FileFormatError, RecordError) as error:
        raise FileFormatError(f"{stock_graph.GRAPH}/{error}") from None
    stock_graph.check(file, net)
    return net


def _read_record(file: h5py.Group, root: h5py.File, schema: int) -> Net:
    """Read the record in a file, or in a group; what is said of it in a word each is in the `root`."""
    known = ("layer", "te", *(graph.MEMBERS if schema == SCHEMA_VERSION else ()))
    unknown = sorted(set(names(file)) - set(known))
    if unknown:
        raise FileFormatError(f"{plain(unknown[0])} is unknown here; known are {', '.join(known)}.")
    group = member(file, "layer", h5py.Group)
    held = names(group)
    ids = [str(i) for i in range(len(held))]
    if held != sorted(ids) or len(ids) < 2:
        raise FileFormatError(f"layer must hold the groups 0 (the input), 1, ...; it holds {quoted(held)}.")
    edges = graph.read_edges(file)
    targets = {edge.target for edge in edges}
    read = [
        (name, graph.located(group, name, "layer", lambda handle: _read_layer(handle, targets))) for name in ids[1:]
    ]
    for i, (name, layer) in enumerate(read):
        _check_flatten(name, layer, *(read[j][1] if 0 <= j < len(read) else None for j in (i - 1, i + 1)))
    return Net(
        inputs=(graph.located(group, ids[0], "layer", layers.read_input), *graph.read_inputs(file)),
        layers=tuple(layer for _, layer in read if layer is not None),
        edges=edges,
        outputs=graph.read_outputs(file),
        steps=_attribute(root, _STEPS),
        te=_read_encoding(file),
        **{name: _note(root, name) for name in _NOTES},
    )


def _read_layer(handle: h5py.Group, targets: set[str]) -> Layer | None:
    """Read a layer, or None where a group only says that images are flattened, which they are in a record."""
    if text(handle, "type") == synapses.FLATTEN:
        refuse_unknown(handle, {"type", "shape"})
        return None
    return layers.read(handle, targets)


def _check_flatten(name: str, layer: Layer | None, before: Layer | None, after: Layer | None) -> None:
    """Refuse a file in which a flattening is missing or misplaced: stock NetX would run another network."""
    flattens = isinstance(before, Layer) and isinstance(before.synapse, Conv)
    if layer is None and (not flattens or after is None or isinstance(after.synapse, Conv)):
        raise FileFormatError(f"layer/{name} flattens, but stands not between a convolution and a dense layer.")
    if layer is not None and flattens and not isinstance(layer.synapse, Conv):
        raise FileFormatError(f"layer/{name} follows a convolution without a flatten layer between them.")


def _read_encoding(file: h5py.Group) -> Driven | npt.NDArray[Any] | None:
    if "te" not in file.keys():
        return None
    if isinstance(member(file, "te", h5py.HLObject), h5py.Dataset):
        return numbers(file, "te")
    try:
        group = member(file, "te", h5py.Group)
        refuse_unknown(group, {"matrix", "cpg"})
        return Driven(matrix=numbers(group, "matrix"), cpg=layers.read_oscillators(member(group, "cpg", h5py.Group)))
    except FileFormatError as error:
        raise FileFormatError(f"te/{error}") from None


def _note(file: h5py.File, name: str) -> str:
    note = attribute(file, name)
    if note is not None and not isinstance(note, str):
        raise FileFormatError(f"the attribute {name} is no text.")
    return note or ""


def _writer(file: h5py.File) -> str:
    try:
        return plain(attribute(file, _WRITER) or "unknown")
    except FileFormatError:
        return "unknown"


def _attribute(file: h5py.File, name: str) -> int:
    value = np.asarray(attribute(file, name))
    if value.shape != () or value.dtype.kind not in "iu":
        raise FileFormatError(f"the attribute {name} is missing or not a whole number.")
    return int(value)

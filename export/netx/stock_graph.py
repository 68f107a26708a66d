"""The layers of a file that stock NetX reads where the record is a graph: its inputs in a row, and one layer.

The record itself is in the group ``graph``, which stock NetX does not read. A file in which the two are not the same
network is refused.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ...contract.errors import FileFormatError, UnsupportedError
from ...contract.net import Net
from ..members import member, names, numbers, text, write_text
from .one_layer import HALVED_SHIFT, OneLayer, one_layer

GRAPH = "graph"
"""The group that holds the record."""


def write(file: h5py.Group, net: Net) -> None:
    """Write what stock NetX reads into a file that has no layers.

    Raises
    ------
    UnsupportedError
        One layer cannot do what the graph does.
    """
    held = file.create_group("layer")
    for name, content in _groups(net, one_layer(net)).items():
        group = held.create_group(name)
        for key, value in content.items():
            if isinstance(value, str):
                folder, _, last = key.rpartition("/")
                write_text(group.require_group(folder) if folder else group, last, value)
            else:
                group[key] = value


def check(file: h5py.Group, net: Net) -> None:
    """Refuse a file whose layers are not those that `write` writes of its record.

    Raises
    ------
    FileFormatError
        It names the first that differs.
    """
    try:
        expected = _groups(net, one_layer(net))
    except UnsupportedError as error:
        raise FileFormatError(f"graph: {error}") from None
    held = member(file, "layer", h5py.Group)
    if names(held) != sorted(expected):
        raise FileFormatError(f"layer must hold {' and '.join(expected)} beside a graph.")
    for name, content in expected.items():
        group = member(held, name, h5py.Group)
        there: set[str] = set()
        for key in names(group):
            inner = group[key] if isinstance(group.get(key, getlink=True), h5py.HardLink) else None
            there |= {f"{key}/{each}" for each in names(inner)} if isinstance(inner, h5py.Group) else {key}
        different = sorted(there ^ set(content))
        if different:
            raise FileFormatError(f"layer/{name}/{different[0]} is missing, or unknown beside a graph.")
        for key, value in content.items():
            found = _read(group, key, text_wanted=isinstance(value, str))
            if not np.array_equal(found, value):
                raise FileFormatError(
                    f"layer/{name}/{key} is not that of the network in the group graph: the file was changed. Export "
                    "the network again."
                )


def _read(group: h5py.Group, key: str, text_wanted: bool) -> Any:
    folder, _, name = key.rpartition("/")
    inside = member(group, folder, h5py.Group) if folder else group
    return text(inside, name) if text_wanted else numbers(inside, name)


def _groups(net: Net, found: OneLayer) -> dict[str, dict[str, Any]]:
    """Return the members of the groups in ``layer``."""
    factor = 2 if found.a_shift == HALVED_SHIFT else 1
    total = len(found.weight)
    layer = {
        "type": "dense_rec",
        "shape": np.array([total]),
        "weight": found.weight // factor,
        "weight_rec": found.weight_rec // factor,
        "neuron/type": "CUBA",
        "neuron/iDecay": found.u_decay,
        "neuron/vDecay": found.v_decay,
        "neuron/vThMant": found.v_th_mant,
    }
    if found.bias_mant.any():
        layer["bias"] = found.bias_mant
    return {"0": {"type": "input", "shape": np.array([net.num_channels])}, "1": layer}

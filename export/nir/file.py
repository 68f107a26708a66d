"""Reading NIR files: our own, which give the identical record, and those of other tools, which are quantised.

A file is read member by member before anything is made of it: no links, no data in other files, no more than a bounded
number of values. A file of ours whose nodes were changed is refused, since its nodes and its integers would mean two
networks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ... import __version__
from ...contract.errors import FileFormatError, InputError
from ...contract.net import DEFAULT_STEPS, SCHEMA_VERSION, Net
from ..members import content, member, names, opened, regular
from ..packing import unpack
from ..quoted import plain, quoted
from .foreign import Imported, check_time_step, quantise
from .graph import FORM, graph, library
from .ways import OURS

_DEPTH = 12

Tree = dict[str, Any]


def read(path: str | os.PathLike[str], *, dt: float | None = None, steps: int | None = None) -> Net | Imported:
    """Read a NIR file.

    Parameters
    ----------
    path : path-like
        The file.
    dt : float, optional
        Seconds of a time step, for another tool's graph. Default: what its metadata say, or 1e-4, as snnTorch and
        SpikingJelly export.
    steps : int, optional
        Sample period for another tool's graph, which has none; default 100.

    Returns
    -------
    Net or Imported
        The record of a file that `spikeproof.export.nir.graph.write` wrote, or what became of another tool's graph.
    """
    if dt is not None:
        check_time_step(dt)
    regular(Path(path))
    library()
    with opened(path, "NIR") as file:
        tree = _tree(member(file, "node", h5py.Group), "node")
        metadata = tree.get("metadata")
        if isinstance(metadata, dict) and OURS in metadata:
            if dt is not None:
                raise InputError(
                    f"{path}: a time step (--dt) is for NIR files of other tools, and this one of ours holds integers. "
                    "Leave it out."
                )
            return _own(tree)
        return quantise(tree, dt=dt, steps=steps or DEFAULT_STEPS)


def _own(tree: Tree) -> Net:
    own = tree["metadata"][OURS]
    if not isinstance(own, dict) or "schema" not in own or "net" not in own:
        raise FileFormatError(f"metadata/{OURS} holds no record.")
    if not any(np.array_equal(own["schema"], version) for version in range(1, SCHEMA_VERSION + 1)):
        raise FileFormatError(
            f"schema version {quoted(own['schema'])}, written by spikeproof {plain(own.get('version', 'unknown'))}; "
            f"this is spikeproof {__version__}, which reads versions up to {SCHEMA_VERSION}. Export the network "
            "again with this version."
        )
    net = unpack(own["net"], f"metadata/{OURS}/net")
    if not isinstance(net, Net):
        raise FileFormatError(f"metadata/{OURS}/net is no network.")
    form = own.get("form", 1)
    if not any(np.array_equal(form, known) for known in range(1, FORM + 1)):
        raise FileFormatError(f"its nodes are written in a form that this spikeproof, {__version__}, does not know.")
    expected = graph(net, int(form)).to_dict()
    expected["metadata"] = tree["metadata"]  # of another version of ours, it may be written otherwise
    difference = _difference(_plain(expected), tree, "node")
    if difference:
        raise FileFormatError(
            f"{plain(difference)} is not what the integers in its metadata say. The file was changed after it was "
            f"written: export the network again, or remove metadata/{OURS} to have the nodes quantised anew."
        )
    return net


def _tree(group: h5py.Group, where: str, depth: int = 0) -> Tree:
    """Return a group as a tree."""
    if depth > _DEPTH:
        raise FileFormatError(f"{plain(where)}: groups are nested more than {_DEPTH} deep.")
    found: Tree = {}
    for name in names(group):
        try:
            held = content(group, name)
        except FileFormatError as error:
            raise FileFormatError(f"{plain(where)}/{error}") from None
        found[name] = _tree(held, f"{where}/{name}", depth + 1) if isinstance(held, h5py.Group) else held
    return found


def _plain(value: Any) -> Any:
    """Return a tree as it comes back from a file."""
    if isinstance(value, dict):
        return {str(key): _plain(of) for key, of in value.items() if not (key == "metadata" and not of)}
    if isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        return [list(item) for item in value]
    return value if isinstance(value, str) else np.asarray(value)


def _difference(expected: Any, found: Any, where: str) -> str:
    """Return the path of the first difference between two trees, or an empty string."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in [*expected, *(name for name in found if name not in expected)]:
            if name not in expected or name not in found:
                return f"{where}/{name}"
            if difference := _difference(expected[name], found[name], f"{where}/{name}"):
                return difference
        return ""
    if isinstance(expected, np.ndarray) and isinstance(found, np.ndarray):
        return "" if np.array_equal(expected, found) else where
    return "" if type(expected) is type(found) and expected == found else where

"""Members of HDF5 groups, read with care: files come from anywhere."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..contract.errors import FileFormatError

MAX_ELEMENTS = 2**25
"""Larger datasets are refused before they are read: a damaged header must not exhaust the memory."""
_UNQUESTIONED, _MOST_PACKED = 2**20, 100
"""Datasets of more elements than the first must store a byte for so many that they claim, compressed or not."""


def member(handle: h5py.Group, name: str, kind: type[Any]) -> Any:
    """Return a member of a group: a hard link in this file to a group or a dataset, and nothing else.

    Raises
    ------
    FileFormatError
        It is missing, a link, or of the other kind.
    """
    if name not in handle.keys():
        raise FileFormatError(f"{name} is missing.")
    if not isinstance(handle.get(name, getlink=True), h5py.HardLink):
        raise FileFormatError(f"{name} is a link to elsewhere; links are not followed.")
    found = handle[name]
    if not isinstance(found, kind):
        raise FileFormatError(f"{name} is not a {kind.__name__.lower()}.")
    return found


def text(handle: h5py.Group, name: str) -> str:
    """Return a dataset that holds one string."""
    dataset = member(handle, name, h5py.Dataset)
    if h5py.check_string_dtype(dataset.dtype) is None or dataset.size != 1:
        raise FileFormatError(f"{name} is not one string.")
    value = np.asarray(dataset[()]).item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def numbers(handle: h5py.Group, name: str) -> npt.NDArray[Any]:
    """Return a dataset that holds numbers, of any shape; the record checks that they are integers in range."""
    dataset = member(handle, name, h5py.Dataset)
    if dataset.dtype.kind not in "iuf" or dataset.shape is None:
        raise FileFormatError(f"{name} holds {dataset.dtype}, not numbers.")
    if dataset.size > MAX_ELEMENTS:
        raise FileFormatError(f"{name} claims {dataset.size} elements; at most {MAX_ELEMENTS} are read.")
    if dataset.external or dataset.is_virtual:
        raise FileFormatError(f"{name} keeps its data in another file; links are not followed.")
    stored = dataset.id.get_storage_size()
    if dataset.size > _UNQUESTIONED and dataset.nbytes > _MOST_PACKED * stored:
        raise FileFormatError(f"{name} claims {dataset.nbytes} bytes and stores {stored}; such a file is damaged.")
    return np.asarray(dataset[()])


def number(handle: h5py.Group, name: str) -> int:
    """Return a dataset that holds one whole number."""
    value = numbers(handle, name)
    if value.shape != () or not np.isfinite(value) or value != np.trunc(value):
        raise FileFormatError(f"{name} is not one whole number.")
    return int(value)


def flag(handle: h5py.Group, name: str) -> bool:
    """Return a dataset that holds one truth value, as one or as the number 0 or 1; False if it is not there."""
    if name not in handle.keys():
        return False
    dataset = member(handle, name, h5py.Dataset)
    if dataset.size != 1 or dataset.dtype.kind not in "biu" or dataset.external or dataset.is_virtual:
        raise FileFormatError(f"{name} is not one truth value.")
    return bool(np.asarray(dataset[()]).item())


def write_text(handle: h5py.Group, name: str, value: str) -> None:
    """Write one string as NetX keeps strings."""
    handle.create_dataset(name, data=np.array([value.encode("ascii")]))


def refuse_unknown(handle: h5py.Group, known: set[str]) -> None:
    """Raise a FileFormatError if a group holds something that is not `known`."""
    unknown = sorted(set(handle.keys()) - known)
    if unknown:
        raise FileFormatError(f"{unknown[0]} is unknown here; known are {', '.join(sorted(known))}.")

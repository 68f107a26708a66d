"""Members of HDF5 groups, read with care: files come from anywhere.

What is read must lie in the file itself, and a small file must cost little: it holds at most `FREE` numbers more than
it has bytes, and `MAX_OBJECTS` groups and datasets, each under one name. `opened` keeps that account.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from ..contract.errors import FileFormatError, RecordError, SpikeproofError, UnsupportedError
from .looks import no_network
from .quoted import message, plain

MAX_ELEMENTS = 2**25
"""Larger datasets are refused before they are read: a damaged header must not exhaust the memory."""
FREE = 2**21
"""A file may hold this many numbers more than it has bytes, and this many neurons twice."""
MAX_OBJECTS = 20_000
"""Groups and datasets that are read of a file."""
MAX_TEXT = 2**16
"""Bytes of one text."""
_UNQUESTIONED, _MOST_PACKED = 2**20, 100
"""Datasets of more elements than the first must store a byte for so many that they claim, compressed or not."""
_MAX_CHUNKS = 2**14
_WORD, _TEXT_WORDS, _REFERENCE = 8, 8, 16
"""Bytes that count as one number, how many numbers a text counts at least, and bytes of a reference to one."""
_DEFLATE, _LZF = 1, 32000
_FILTERS = {_DEFLATE: "gzip", 2: "shuffle", 3: "fletcher32", _LZF: "lzf"}
_MAX_LZF = 2**20
"""Bytes of a chunk that is packed by lzf, which h5py unpacks to the end too, and to no more than 90 times its size."""


class _Account:
    """What may still be read of a file."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self.raw = raw
        self.numbers, self.neurons = FREE + size, 2 * FREE + size
        self.seen: dict[int, str] = {}
        self.charged: set[str] = set()

    def visit(self, address: int, path: str) -> None:
        """Note an object; refuse it if it stands under another name too, or if there are too many."""
        before = self.seen.setdefault(address, path)
        if before != path:
            raise FileFormatError(
                f"{plain(_last(path))} is the same object as {plain(before)}; each must be one of its own. Export the "
                "network again."
            )
        if len(self.seen) > MAX_OBJECTS:
            raise FileFormatError(f"the file holds more than {MAX_OBJECTS} groups and datasets, too many to be read.")

    def charge(self, count: int, path: str) -> None:
        """Take the numbers of a dataset from those that may be read, once."""
        if path in self.charged:
            return
        self.charged.add(path)
        self.numbers -= count
        if self.numbers < 0:
            raise FileFormatError(
                f"{plain(_last(path))}: with it, the file claims more values than are read: at most one for each of "
                f"its bytes, and {FREE} more. Store the network without compression."
            )


_ACCOUNT: ContextVar[_Account | None] = ContextVar("account", default=None)


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], what: str = "HDF5", *, fix: str = "") -> Iterator[h5py.File]:
    """Open a file to be read, and name it in what is raised.

    Parameters
    ----------
    path : path-like
        The file.
    what : str
        What it should be, for messages.
    fix : str
        What to do with a damaged one; empty for a network, which is exported again.

    Raises
    ------
    FileFormatError
        It is missing, no regular file, in use, or not readable; or it is what the block raises.
    UnsupportedError
        The block raises it.
    """
    path = Path(path)
    size = regular(path)
    try:
        with open(path, "rb") as raw, h5py.File(path, "r") as file:
            account = _Account(raw, size)
            account.visit(h5py.h5o.get_info(file.id).addr, "/")
            token = _ACCOUNT.set(account)
            try:
                yield file
            finally:
                _ACCOUNT.reset(token)
    except UnsupportedError as error:
        raise UnsupportedError(f"{path}: {message(error)}") from None
    except (FileFormatError, RecordError) as error:
        raise FileFormatError(f"{path}: {message(error)}") from None
    except SpikeproofError:  # not about the file, which it names where it has to
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        # What h5py raises for damaged files has no type of its own, so a fault of ours can look like one. It is kept as
        # the cause, which --traceback shows.
        raise FileFormatError(f"{path}: {_reason(error, path, size, what, fix)}") from error


def regular(path: Path) -> int:
    """Return the size of a regular file; refuse anything else, which could block or never end."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # a name with a null byte
        missing = isinstance(error, FileNotFoundError)
        raise FileFormatError(f"{path}: {'no such file' if missing else message(error)}.") from None
    if not stat.S_ISREG(found.st_mode):
        folder = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise FileFormatError(f"{path}: no such file; this is {folder}. Name a regular file.")
    return found.st_size


def _reason(error: Exception, path: Path, size: int, what: str, fix: str) -> str:
    words = str(error)
    if isinstance(error, OSError) and "unable to lock file" in words:
        return "in use: another program has it open for writing. Close it there, or copy the file and read the copy."
    if isinstance(error, OSError) and "already open for write" in words:
        return (
            "in use, or its writer was killed: it is marked as open for writing. Close it there, or copy the file and "
            "run h5clear -s on the copy."
        )
    if isinstance(error, PermissionError):
        return "cannot be read (Permission denied). Fix the rights of the file."
    other = "" if fix else no_network(path)
    if other:
        return f"not a readable {what} file: {other}"
    reason = "it is empty" if size == 0 else message(words.strip("'\""))
    return f"not a readable {what} file ({reason}). {fix or 'Export the network again.'}"


def names(handle: h5py.Group) -> list[str]:
    """Return the sorted names in a group; damaged ones too, as text."""
    if len(handle) > MAX_OBJECTS:
        raise FileFormatError(f"{plain(handle.name)} holds {len(handle)} members; at most {MAX_OBJECTS} are read.")
    return sorted(map(str, handle.keys()))


def member(handle: h5py.Group, name: str, kind: type[Any]) -> Any:
    """Return a member of a group: a hard link in this file to a group or a dataset, and nothing else.

    Raises
    ------
    FileFormatError
        It is missing, a link, of the other kind, or the same object as another member of the file.
    """
    if name not in handle.keys():
        raise FileFormatError(f"{plain(name)} is missing.")
    if not isinstance(handle.get(name, getlink=True), h5py.HardLink):
        raise FileFormatError(f"{plain(name)} is a link to elsewhere; links are not followed.")
    found = handle[name]
    if not isinstance(found, kind):
        raise FileFormatError(f"{plain(name)} is not a {kind.__name__.lower()}.")
    account = _ACCOUNT.get()
    if account is not None:
        account.visit(h5py.h5o.get_info(found.id).addr, _path(handle, name))
    return found


def text(handle: h5py.Group, name: str) -> str:
    """Return a dataset that holds one string."""
    dataset = member(handle, name, h5py.Dataset)
    if h5py.check_string_dtype(dataset.dtype) is None or dataset.shape is None or dataset.size != 1:
        raise FileFormatError(f"{plain(name)} is not one string.")
    value = np.asarray(_loaded(handle, name, dataset)).item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def content(handle: h5py.Group, name: str) -> Any:
    """Return a member: a group as it is, a dataset's numbers, or its strings, as one or as nested lists of them."""
    found = member(handle, name, h5py.HLObject)
    if isinstance(found, h5py.Group):
        return found
    if not isinstance(found, h5py.Dataset):
        raise FileFormatError(f"{plain(name)} is a named datatype, where groups and datasets are read only.")
    if found.shape is None or h5py.check_string_dtype(found.dtype) is None:
        return _numbers(handle, name, found)
    value = np.asarray(_loaded(handle, name, found.asstr(errors="replace"), found), dtype=object)
    return value.item() if value.ndim == 0 else value.tolist()


def numbers(handle: h5py.Group, name: str) -> npt.NDArray[Any]:
    """Return a dataset that holds numbers, of any shape; the record checks that they are integers in range."""
    return _numbers(handle, name, member(handle, name, h5py.Dataset))


def _numbers(handle: h5py.Group, name: str, dataset: h5py.Dataset) -> npt.NDArray[Any]:
    if dataset.dtype.kind not in "iuf" or dataset.shape is None:
        raise FileFormatError(f"{plain(name)} holds {plain(dataset.dtype)}, not numbers.")
    return np.asarray(_loaded(handle, name, dataset))


def number(handle: h5py.Group, name: str) -> int:
    """Return a dataset that holds one whole number."""
    value = numbers(handle, name)
    if value.shape != () or not np.isfinite(value) or value != np.trunc(value):
        raise FileFormatError(f"{plain(name)} is not one whole number.")
    return int(value)


def flag(handle: h5py.Group, name: str) -> bool:
    """Return a dataset of one truth value, as one or as the number 0 or 1; False if it is not there, or empty."""
    if name not in handle.keys():
        return False
    dataset = member(handle, name, h5py.Dataset)
    if dataset.shape is None:
        return False
    if dataset.size != 1 or dataset.dtype.kind not in "biu":
        raise FileFormatError(f"{plain(name)} is not one truth value.")
    return bool(np.asarray(_loaded(handle, name, dataset)).item())


def attribute(handle: h5py.Group, name: str) -> Any:
    """Return an attribute that is one number or one string, or None if there is none."""
    if name not in handle.attrs:
        return None
    held = handle.attrs.get_id(name)
    string = h5py.check_string_dtype(held.dtype)
    if held.shape is None or math.prod(held.shape) != 1 or (string is None and held.dtype.kind not in "iufb"):
        raise FileFormatError(f"the attribute {plain(name)} is not one number or one text.")
    account = _ACCOUNT.get()
    if string is not None and account is not None:
        size = string.length if string.length is not None else _longest_attribute(account.raw, name)
        if size > MAX_TEXT:
            raise FileFormatError(f"the attribute {plain(name)} claims {size} bytes; at most {MAX_TEXT} are read.")
    value = handle.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def reserve_neurons(count: int, where: str) -> None:
    """Refuse more neurons than a file of this size can be about, before anything is made for them."""
    account = _ACCOUNT.get()
    if account is None:
        return
    account.neurons -= max(0, count)
    if account.neurons < 0:
        raise FileFormatError(
            f"{plain(where)} claims {count} neurons, and the file more than are read: at most {2 * FREE}, and one for "
            "each of its bytes."
        )


def write_text(handle: h5py.Group, name: str, value: str) -> None:
    """Write one string as NetX keeps strings."""
    handle.create_dataset(name, data=np.array([value.encode("ascii")]))


def refuse_unknown(handle: h5py.Group, known: set[str]) -> None:
    """Raise a FileFormatError if a group holds something that is not `known`."""
    unknown = sorted(set(names(handle)) - known)
    if unknown:
        raise FileFormatError(f"{plain(unknown[0])} is unknown here; known are {', '.join(sorted(known))}.")


def _path(handle: h5py.Group, name: str) -> str:
    return f"{(handle.name or '').rstrip('/')}/{name}"


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _loaded(handle: h5py.Group, name: str, source: Any, dataset: h5py.Dataset | None = None) -> Any:
    """Return what `source`, a dataset or a view of it, holds, once the dataset has passed every check."""
    dataset = source if dataset is None else dataset
    name, path, account = plain(name), _path(handle, name), _ACCOUNT.get()
    if dataset.external or dataset.is_virtual:
        raise FileFormatError(f"{name} keeps its data in another file; links are not followed.")
    if dataset.size > MAX_ELEMENTS:
        raise FileFormatError(f"{name} claims {dataset.size} elements; at most {MAX_ELEMENTS} are read.")
    stored = dataset.id.get_storage_size()
    if dataset.size > _UNQUESTIONED and dataset.nbytes > _MOST_PACKED * stored:
        raise FileFormatError(f"{name} claims {dataset.nbytes} bytes and stores {stored}; such a file is damaged.")
    string = h5py.check_string_dtype(dataset.dtype)
    if string is not None and (string.length or 0) > MAX_TEXT:
        raise FileFormatError(f"{name} claims a text of {string.length} bytes; at most {MAX_TEXT} are read.")
    if account is not None:
        elements, least = _elements(name, dataset), 1 if string is None else _TEXT_WORDS
        account.charge(elements * max(least, -(-dataset.dtype.itemsize // _WORD)), path)
        if string is not None and string.length is None:
            account.charge(sum(_lengths(name, dataset, account.raw)) // _WORD, f"{path} (its text)")
        if dataset.chunks is not None:
            _check_packed(name, dataset, account.raw)
    return source[()]


def _elements(name: str, dataset: h5py.Dataset) -> int:
    """Return what reading a dataset costs, in elements: its own, and those of its chunks that are read for nothing."""
    if dataset.chunks is None:
        return int(dataset.size)
    each: int = math.prod(dataset.chunks)
    count: int = math.prod(map(_parts, dataset.shape, dataset.chunks))
    if count > _MAX_CHUNKS:
        raise FileFormatError(f"{name} is cut into {count} chunks; at most {_MAX_CHUNKS} are read.")
    return max(int(dataset.size) + each, count * each // _WORD)


def _parts(length: int, of: int) -> int:
    return -(-length // of)


def _check_packed(name: str, dataset: h5py.Dataset, raw: BinaryIO) -> None:
    """Refuse chunks that hold more than they should: HDF5 unpacks them to the end, whatever the dataset's size is."""
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if set(filters) - set(_FILTERS) or filters.count(_DEFLATE) > 1:
        raise FileFormatError(f"{name} is packed in a way that is not read; known are {', '.join(_FILTERS.values())}.")
    claimed = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if _LZF in filters and claimed > _MAX_LZF:
        raise FileFormatError(f"{name} is packed by lzf in chunks of {claimed} bytes; at most {_MAX_LZF} are read.")
    if _DEFLATE not in filters:
        return
    bit, allowed = 1 << filters.index(_DEFLATE), claimed + 64
    found: list[Any] = []
    dataset.id.chunk_iter(found.append)
    for chunk in found:
        if chunk.filter_mask & bit:
            continue
        packed = os.pread(raw.fileno(), min(chunk.size, allowed + 1024), chunk.byte_offset)
        try:
            unpacked = zlib.decompressobj().decompress(packed, allowed + 1)
        except zlib.error:
            raise FileFormatError(f"{name} cannot be unpacked; the file is damaged.") from None
        if len(unpacked) > allowed:
            raise FileFormatError(f"{name} unpacks to more than it claims; such a file is damaged.")


def _lengths(name: str, dataset: h5py.Dataset, raw: BinaryIO) -> list[int]:
    """Return how long texts of variable length claim to be, which HDF5 believes before it looks for them."""
    if not dataset.size or not dataset.id.get_storage_size():
        return []
    offset, width = dataset.id.get_offset(), dataset.id.get_storage_size() // dataset.size
    if offset is None:
        raise FileFormatError(f"{name} keeps texts of variable length in chunks. Store it without compression.")
    if not 4 <= width <= _REFERENCE:
        raise FileFormatError(f"{name} keeps its texts behind references of {width} bytes; such a file is damaged.")
    held = os.pread(raw.fileno(), width * dataset.size, offset)
    rows = np.frombuffer(held[: len(held) // width * width], np.uint8).reshape(-1, width)
    lengths: list[int] = rows[:, :4].copy().view("<u4").ravel().tolist()
    if max(lengths, default=0) > MAX_TEXT:
        raise FileFormatError(f"{name} claims a text of {max(lengths)} bytes; at most {MAX_TEXT} are read.")
    return lengths


def _longest_attribute(raw: BinaryIO, name: str) -> int:
    """Return how long a text of variable length claims to be in any attribute of this name in the file.

    HDF5 makes room for it before it looks for the text, and tells nobody. An attribute message is a version, flags, the
    sizes of name, type and shape, these three, each padded to 8 bytes in version 1, and the value.
    """
    key, longest = name.encode() + b"\0", 0
    with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(key)
        while place >= 0:
            for head, versions in ((place - 8, (1, 2)), (place - 9, (3,))):
                if head < 0 or content[head] not in versions:
                    continue
                sizes = struct.unpack_from("<3H", content, head + 2)
                if sizes[0] == len(key):
                    at = place + sum(-(-size // 8) * 8 if content[head] == 1 else size for size in sizes)
                    longest = max(longest, *struct.unpack("<I", content[at : at + 4].ljust(4, b"\xff")))
            place = content.find(key, place + 1)
    return longest

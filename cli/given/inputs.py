"""What a user names on the command line, opened and checked."""

from __future__ import annotations

import contextlib
import csv
import lzma
import math
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ...contract.errors import InputError
from ...export.looks import no_array
from ...export.quoted import listed, message, plain, quoted
from ..terminal import console
from .options import of_reading, refuse_unused

if TYPE_CHECKING:
    from ...contract.net import Net
    from ...train.runs.run import Trained


def open_run(folder: Path, *, to_export: bool = True) -> Trained:
    """Return a run with its trained module and its task."""
    from ...train.runs.run import Run

    return Run.open(folder).load(to_export=to_export)


def tell_notes(path: Path, reads: dict[str, Any]) -> None:
    """Print what was changed of a stock file when it was read, and what it answers where that is not obvious."""
    from ...export import formats, stock

    if not formats.is_nir(path) and stock.is_stock(path):
        known = {key: value for key, value in reads.items() if key != "dt"}
        for note in stock.notes(path, **known):
            console.NOTE.print(note)


def read_net(path: Path, x: Any = None, **reads: Any) -> tuple[Any, Any]:
    """Return the record in a file, and what it was imported from if that is another tool's NIR graph, and say how.

    Parameters
    ----------
    path : Path
        The file.
    x : array, optional
        The input, whose steps are the period where neither the file nor an option says one.
    **reads
        What `options.reading` gave.

    Raises
    ------
    InputError
        An option was given that says nothing of such a file.
    """
    net, imported, unused = open_net(path, x, **reads)
    refuse_unused(unused, told_unused([path]))
    return net, imported


def told_unused(paths: Sequence[Path]) -> str:
    """Return why options on how a file is read say nothing of some."""
    of = " and ".join(map(str, paths))
    return f"not for {of}: what it is about stands in the file, or does not occur there. Leave it out."


def open_net(path: Path, x: Any = None, **reads: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return what `read_net` does, and the options that say nothing of the file, by their names."""
    from ...export import formats, stock

    period = x.shape[-1] if x is not None and x.ndim and not math.isnan(x.shape[-1]) else None
    wanted = {**reads, "steps": reads.get("steps") or period}
    if not formats.is_nir(path):
        net = formats.read(path, **wanted)
        tell_notes(path, wanted)
        return net, None, {} if stock.is_stock(path) else of_reading(reads)
    from ...export.nir import file as nir_file
    from ...export.nir.foreign import Imported

    found = nir_file.read(path, dt=wanted.get("dt"), steps=wanted["steps"])
    if not isinstance(found, Imported):
        return found, None, of_reading(reads)
    for note in found.notes:
        console.NOTE.print(note, markup=False)
    of_graphs = ("dt", "steps")
    return found.net, found, of_reading({name: value for name, value in reads.items() if name not in of_graphs})


def random_input(net: Net, samples: int) -> np.ndarray[Any, Any]:
    """Return random samples that a network takes, always the same."""
    from ...export import memory

    shape = (samples, net.num_channels, net.steps)
    what = f"random input of {samples:,} samples"
    memory.refuse_more(8 * math.prod(shape), memory.allowed(), what, "--samples")
    random = np.random.default_rng(0)
    found = np.empty(shape)
    for k, source in enumerate(net.inputs):
        of = found[:, net.channels(k)]
        most = min(1.0, source.max_payload * 2.0**source.exp)
        of[:] = random.uniform(0, most, of.shape) if source.bits else random.integers(0, 2, of.shape)
    return found


def read_array(path: Path) -> np.ndarray[Any, Any]:
    """Read an input array: a .npy file, or the array called x, or the only one, of a .npz archive.

    Nothing is unpickled, and what a header claims must be in the file before room is made for it.
    """
    with _opened(path, ".npy or .npz") as file:
        if file.read(2) != _ZIP:
            return _array(file, os.fstat(file.fileno()).st_size)
        with zipfile.ZipFile(file) as archive:
            return _member(archive, _chosen(archive))


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read all arrays of a .npz archive, with the same care as `read_array`."""
    with _opened(path, ".npz") as file:
        if file.read(len(_NPY)) == _NPY:
            raise InputError(
                "one array, and not several with names. spikeproof simulate -o writes a trace, or write "
                "np.savez(path, **{'layer.variable': array})."
            )
        return _members(file)


def _members(file: IO[bytes]) -> dict[str, np.ndarray[Any, Any]]:
    with zipfile.ZipFile(file) as archive:
        return {name: _member(archive, _checked(entry)) for name, entry in _entries(archive).items()}


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members of an archive by the names of their arrays, each of which must be there once."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if name in found:
            raise InputError(f"{plain(name)} stands twice in the archive. Leave one of them out.")
        found[name] = entry
    return found


def read_table(path: Path) -> tuple[list[str] | None, np.ndarray[Any, Any]]:
    """Read a .csv file: the names in its first line, None if those are numbers too, and its rows of numbers."""
    with _opened(path, ".csv") as file:
        if os.fstat(file.fileno()).st_size > _ROOM:
            raise InputError(f"larger than {_ROOM:,} bytes. Write it as .npz.")
        lines = [line for line in csv.reader(file.read().decode("utf-8-sig").splitlines()) if line]
        if not lines:
            raise InputError("the table is empty.")
        names = None if all(map(_is_number, lines[0])) else [name.strip() for name in lines[0]]
        rows = lines if names is None else lines[1:]
        uneven = next((i for i, row in enumerate(rows) if len(row) != len(lines[0])), None)
        if uneven is not None or not rows:
            where = "no row of numbers" if uneven is None else f"row {uneven + 1} has {len(rows[uneven])} columns"
            raise InputError(f"{where}, and the first line has {len(lines[0])}. Every row needs as many.")
        return names, np.array(rows, dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def _opened(path: Path, kinds: str) -> Iterator[IO[bytes]]:
    """Open a regular file; whatever is wrong with it is said with its name."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "a folder" if path.is_dir() else "a pipe or a device"
            raise InputError(f"{path}: this is {what}. Name a regular {kinds} file.")
        with open(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except InputError as error:
        raise error if str(error).startswith(f"{path}: ") else InputError(f"{path}: {error}") from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.strerror:
            words = f"cannot be read ({error.strerror})"
            raise InputError(f"{path}: {words}. Name another file, or fix its rights.") from None
        other = no_array(path)
        if other:
            raise InputError(f"{path}: not a {kinds} file of numbers: {other}") from None
        words = message(error) or type(error).__name__
        raise InputError(f"{path}: not a {kinds} file of numbers ({words}). Write it again.") from None


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    with archive.open(entry) as held:
        return _array(held, entry.file_size)


_ZIP, _NPY = b"PK", b"\x93NUMPY"
_ROOM, _MOST_PACKED = 2**26, 100
"""An archive's array may have this many bytes, and beyond them this many for each that is stored."""
_DAMAGE = (
    OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, SyntaxError, OverflowError, MemoryError,
    zipfile.BadZipFile, zlib.error, csv.Error, lzma.LZMAError, struct.error, tokenize.TokenError,
)  # fmt: skip
"""What zipfile and NumPy raise for damaged files."""


def _chosen(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the member of an archive that is the input."""
    names = [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
    found = dict(zip(names, archive.infolist(), strict=True))
    if names.count("x") > 1:  # what else is in it is not read
        raise InputError("x stands twice in the archive. Leave one of them out.")
    if not found:
        raise InputError("the archive is empty. Write it with np.savez(path, x=array).")
    if "x" not in found and len(found) > 1:
        raise InputError(f"no array called x; it holds {listed(found)}. Call the input x.")
    return _checked(found.get("x") or next(iter(found.values())))


def _checked(entry: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return a member of an archive, which must be what it claims to be."""
    if entry.flag_bits & 1:
        raise InputError(f"{plain(entry.filename)} is encrypted. Write the archive without a password.")
    if entry.file_size > _ROOM + _MOST_PACKED * entry.compress_size:
        raise InputError(
            f"{plain(entry.filename)} claims {entry.file_size} bytes and stores {entry.compress_size}. If that is "
            "right, write it with np.savez, without compression."
        )
    return entry


def _array(file: IO[bytes], size: int) -> np.ndarray[Any, Any]:
    """Read an array of numbers from the `size` bytes of a .npy file, after a look at its header."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise InputError(f"version {version[0]}.{version[1]} of the .npy format is unknown.")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.kind not in "biuf":
        raise InputError(f"not a .npy or .npz file of numbers: the array holds {plain(dtype)}.")
    claimed = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 0 or claimed > size - file.tell():
        raise InputError(
            f"damaged: the header says shape {quoted(shape)}, {claimed} bytes, and {size - file.tell()} are there. "
            "Write it again."
        )
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


_HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # of what it may hold more, UTF-8 names of fields, nothing is a number
}

"""Files that appear whole or not at all, and what stands where they are to go."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ..contract.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EBADF, *_FULL}
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
_OWN = re.compile(r"/dev/(stdin|stdout|stderr)|(?:/dev/fd|/proc/self/fd)/(\d+)")
_ANY = re.compile(rf"{_OWN.pattern}|/proc/.+/fd/\d+")
"""Names of what a process has open; what stands there may be a regular file, and is written through all the same."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` when the block ends without an error.

    A link stays, and what it leads to is replaced; a file keeps its mode and owner. A device or a pipe is no file that
    could be replaced: what was written goes through it.

    Parameters
    ----------
    path : path-like
        Where the file shall be; an existing one is replaced.

    Yields
    ------
    Path
        The temporary file, empty.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written to, `path` is a folder, or the disk is full.
    """
    named = Path(path)
    before = _status(named)
    through = _goes_through(named, before)
    path = named if through else Path(os.path.realpath(named))
    if not through:
        _remove_abandoned(path)
    try:
        folder = None if through else path.parent
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name[:100]}.{_writer()}.")
    except OSError as error:
        raise _refused(named, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if through:
            with open(temporary, "rb") as written, _opened(path) as to:
                shutil.copyfileobj(written, to)
        else:
            _take_after(temporary, before)
            os.replace(temporary, path)
    except OSError as error:
        if _number(error) not in _DENIED:
            raise
        full = _number(error) in _FULL
        hint = "Free some space, or choose another folder" if full else "Choose another place"
        raise InputError(f"{named}: cannot be written ({os.strerror(_number(error))}). {hint}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def check(path: str | os.PathLike[str], *, force: bool = True, read: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse a place for a file before the work for it is done.

    Parameters
    ----------
    path : path-like
        Where the file shall be.
    force : bool
        Whether a file that is there may be replaced.
    read : iterable of path-like
        What is read for it, which it may not replace.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written to, `path` is a folder, or it exists and may not be replaced.
    """
    named, path = Path(path), Path(os.path.realpath(path))
    if any(os.path.realpath(one) == os.fspath(path) for one in read):
        raise InputError(f"{named} is what the command reads, and would be replaced. Name another file.")
    before = _status(named)
    if _goes_through(named, before):
        return
    if before is not None and not force:
        raise InputError(f"{named} exists. Name another file, or replace it with --force.")
    _probe(path.parent, path.name, named)


def folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder that files can be written to; it is made, with those that it lies in, if it is not there.

    Raises
    ------
    InputError
        It cannot be made or written to: a file stands in its place, or it belongs to somebody else.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        file = next((one for one in (path, *path.parents) if one.exists() and not one.is_dir()), None)
        if file is not None:
            raise InputError(
                f"{path}: no folder can be made here, for {file} is a file. Name another folder."
            ) from None
        raise InputError(
            f"{path}: this folder cannot be made ({error.strerror}). Choose a place that you may write to."
        ) from None
    _probe(path, "", path)
    return path


def _probe(folder: Path, name: str, named: Path) -> None:
    """Refuse a folder that no file can be written to, by writing one."""
    try:
        handle, written = tempfile.mkstemp(dir=folder, prefix=f".{name[:100]}.{_writer()}.")
    except OSError as error:
        raise _refused(named, error) from None
    os.close(handle)
    os.unlink(written)


def _refused(named: Path, error: OSError) -> InputError:
    wanted = "that you may write to" if error.errno in _DENIED else "that exists"
    return InputError(f"{named}: cannot write here ({error.strerror}). Choose a folder {wanted}.")


def is_open_here(path: str | os.PathLike[str]) -> bool:
    """Return whether a path names what this process has open: /dev/stdin, or what a shell's ``<(command)`` gives."""
    return _OWN.fullmatch(os.path.abspath(path)) is not None


def _goes_through(named: Path, found: os.stat_result | None) -> bool:
    """Whether what is written goes through a device or a pipe, also one that leads to a file, as /dev/stdout can."""
    if found is None or not stat.S_ISREG(found.st_mode):
        return found is not None
    return _ANY.fullmatch(os.path.abspath(named)) is not None


def _opened(path: Path) -> BinaryIO:
    """Open what is written through.

    A descriptor of this process is used as it is, for it has a place in its file: behind what ``>>`` appends to, or
    behind what was written before. To open its file anew would begin at the front, and cut off the rest.
    """
    name = os.path.abspath(path)
    found = _OWN.fullmatch(name)
    if found is None:
        return open(path, "ab" if _ANY.fullmatch(name) else "wb")
    sys.stdout.flush()
    return open(os.dup(_STANDARD[found[1]] if found[1] else int(found[2])), "wb")


def _status(named: Path) -> os.stat_result | None:
    """Return what stands at a place, None for nothing."""
    try:
        found = named.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(named, error) from None
    except ValueError as error:
        raise InputError(f"{str(named)!r} is no name of a file ({error}). Choose another.") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{named} is a folder. Name a file in it.")
    if stat.S_ISSOCK(found.st_mode) or stat.S_ISBLK(found.st_mode):
        raise InputError(f"{named} is a socket or a disk. Name a file.")
    return found


def _take_after(temporary: Path, before: os.stat_result | None) -> None:
    """Give a new file the mode and the owner of the one that it replaces, or those of a file that a user makes."""
    os.chmod(temporary, 0o666 & ~_umask() if before is None else stat.S_IMODE(before.st_mode))
    if before is not None:
        with contextlib.suppress(OSError):  # only root may give files away
            os.chown(temporary, before.st_uid, before.st_gid)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a temporary folder; what killed processes of this machine left of theirs is removed first."""
    pattern = re.compile(rf"spikeproof-{_place()}-(\d+)-[a-z0-9_]+")
    with contextlib.suppress(OSError):
        for entry in os.scandir(tempfile.gettempdir()):
            found = pattern.fullmatch(entry.name)
            if found and not _runs(int(found[1])):
                shutil.rmtree(entry.path, ignore_errors=True)
                _remove_semaphores(int(found[1]))
    with tempfile.TemporaryDirectory(prefix=f"spikeproof-{_writer()}-") as name:
        yield Path(name)


def _remove_semaphores(process: int) -> None:
    """Remove the semaphores that a killed process of ours left; joblib, which comes with scikit-learn, names them."""
    for path in Path("/dev/shm").glob(f"sem.loky-{process}-*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _writer() -> str:
    """Return who writes a temporary file: where it runs, and its process."""
    return f"{_place()}-{os.getpid()}"


def _place() -> str:
    """Return within what numbers of processes mean something: a machine, and of its containers one.

    Containers may share a folder and the name of their machine, and do not see each other's processes.
    """
    host = re.sub("[^A-Za-z0-9]", "", socket.gethostname())[:32]
    try:
        return f"{host}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{host}-0"


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files for the same place whose processes, of this machine, were killed."""
    pattern = re.compile(rf"\.{re.escape(path.name[:100])}\.{_place()}-(\d+)\.[a-z0-9_]+")
    with contextlib.suppress(OSError):
        for entry in os.scandir(path.parent):
            found = pattern.fullmatch(entry.name)
            if found and int(found[1]) != os.getpid() and not _runs(int(found[1])):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _number(error: OSError) -> int:
    """Return an error's number; HDF5 has it in its words only."""
    found = re.search(r"errno = (\d+)", str(error))
    return error.errno or (int(found[1]) if found else 0)


def _umask() -> int:
    """Return the mode bits that new files go without, and do not set it, for other threads make files meanwhile."""
    with contextlib.suppress(OSError, ValueError):
        found = re.search(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(), re.M)
        if found:
            return int(found[1], 8)
    mask = os.umask(0)  # another system than Linux, where it can only be read by setting it
    os.umask(mask)
    return mask

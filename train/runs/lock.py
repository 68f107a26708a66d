"""One training at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...contract.errors import InputError

_RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
"""Variables by which torchrun, SLURM and Lightning number processes that train together."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a folder from other trainings as long as a ``with`` block runs; the lock ends with the process.

    Processes that train together share the lock of the first. Where the system has no such locks, there is none.

    Raises
    ------
    InputError
        Another process trains in the folder.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    if next((os.environ[name] for name in _RANKS if name in os.environ), "0") != "0":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder}: another process trains here now. Wait until it has ended, or name another --folder."
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)

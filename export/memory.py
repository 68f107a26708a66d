"""What the machine has of memory; whatever would take more is refused before any of it is allocated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..contract.errors import InputError

_GIB = 2**30
_GROUPS = Path("/sys/fs/cgroup")
"""Where Linux says how much a container, a job of a cluster or a service may take."""
_OF_THIS = Path("/proc/self/cgroup")
"""The groups of this process, each in a line ``number:controllers:path``; the second version has number 0."""


def allowed() -> int | None:
    """Return the bytes of memory that this machine, a container or ``ulimit -v`` allows; None if that is not told.

    That is not what is free: what others take now, they may give back.
    """
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError, AttributeError):
        return None
    for path in _limits():
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):  # none, or "max"
            continue
        if limit > 0:
            found.append(limit)
    try:
        import resource
    except ImportError:
        return min(found)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return min(found) if limit == resource.RLIM_INFINITY else min(*found, limit)


def _limits() -> Iterator[Path]:
    """Give the files that may hold a limit: those of this process' group and of all groups around it."""
    yield from (_GROUPS / "memory.max", _GROUPS / "memory" / "memory.limit_in_bytes")
    try:
        lines = os.fsdecode(_OF_THIS.read_bytes()).splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if ".." in path.split("/"):  # a group that cannot be seen from here
            continue
        if number == "0":
            root, name = _GROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _GROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        yield from (each / name for each in (group, *group.parents) if each.is_relative_to(root))


def refuse_more(size: int, has: int | None, what: str, fix: str) -> None:
    """Refuse what takes more memory than there is.

    Parameters
    ----------
    size : int
        Bytes that it takes at least.
    has : int or None
        Bytes that there are; None if that is not known, and nothing is refused.
    what : str
        What takes them.
    fix : str
        What to make smaller.

    Raises
    ------
    InputError
        It takes more.
    """
    if has is not None and size > has:
        raise InputError(
            f"{what} would take {size / _GIB:,.1f} GiB of memory at least, and this machine has {has / _GIB:,.1f} GiB. "
            f"To fix it, make {fix} smaller."
        )

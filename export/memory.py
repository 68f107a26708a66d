"""What the machine has of memory; whatever would take more is refused before any of it is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from ..contract.errors import InputError

_GIB = 2**30
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says how much a container may take: in its second and its first version of control groups."""


def available() -> int | None:
    """Return the bytes of memory that this machine, a container or ``ulimit -v`` allows; None if that is not told."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError, AttributeError):
        return None
    for path in _LIMITS:
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # none, or "max"
            continue
    try:
        import resource
    except ImportError:
        return min(found)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return min(found) if limit == resource.RLIM_INFINITY else min(*found, limit)


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

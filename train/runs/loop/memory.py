"""Memory of a process that trains: freed arrays are kept for the next step.

The arrays of a step are large, and the same in every step. The C library would give each back to the operating system
when it is freed and ask for it again, and the system would clear every page: at 784 steps and batches of 128 samples
that is a fifth of the time of a training step.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""


def keep() -> None:
    """Keep freed memory in this process, where the C library is glibc; elsewhere nothing changes.

    It is for a process of our own: in one that goes on after training, memory that was needed once would stay taken.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, -1)
        mallopt(_MMAP_MAX, 0)

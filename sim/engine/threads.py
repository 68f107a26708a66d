"""Threads of the batch engine: parts of a batch on several cores, each with its matrix products on its own thread.

A BLAS that starts threads of its own inside these is ruinous: 100 times slower was measured with OpenBLAS on two busy
cores, for products of 256 x 88 by 88 x 88. So BLAS is held to one thread while the engine runs.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

_guard = threading.Lock()
_users = 0
_release: Callable[[], None] | None = None


def available() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _controller() -> Any:
    import numpy.linalg  # noqa: F401  # loads BLAS, which the controller looks for once
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS to one thread inside a ``with`` block; blocks may nest, and overlap in several threads."""
    global _users, _release
    with _guard:
        if not _users:
            _release = _hold()
        _users += 1
    try:
        yield
    finally:
        with _guard:
            _users -= 1
            if not _users and _release is not None:
                _release()


def _hold() -> Callable[[], None]:
    """Hold BLAS to one thread until the returned function is called.

    The limit belongs to the thread that sets it, and no other can lift it; so it is a thread of its own that does both.
    """
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with _controller().limit(limits=1, user_api="blas"):
            held.set()
            done.wait()

    def release() -> None:
        done.set()
        thread.join()

    _controller()  # so that an error is raised here
    thread = threading.Thread(target=hold, name="spikeproof-engine-blas", daemon=True)
    thread.start()
    held.wait()
    return release


def share(task: Callable[[int], None], parts: int, threads: int) -> None:
    """Call ``task(0)`` to ``task(parts - 1)`` on up to `threads` threads, which end before this returns.

    Parameters
    ----------
    task : callable
        Must not depend on other parts, and must release the GIL for most of its time.
    parts : int
        How many parts there are.
    threads : int
        At least 1; with 1, or one part, the caller's thread does it all.

    Raises
    ------
    Exception
        What a task raised.
    """
    threads = min(threads, parts)
    if threads <= 1:
        for part in range(parts):
            task(part)
        return
    # Parts that run side by side lie far apart in memory, or threads would fault in the same huge pages at once.
    stretch = -(-parts // threads)
    queue = iter(sorted(range(parts), key=lambda part: part % stretch))

    def work() -> None:
        for part in queue:
            task(part)

    with ThreadPoolExecutor(threads, thread_name_prefix="spikeproof-engine") as pool:
        futures = [pool.submit(work) for _ in range(threads)]
        wait(futures)
    for future in futures:
        future.result()

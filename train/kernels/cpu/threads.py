"""Threads that share out the parts of a kernel call.

A part does its matrix products and its loops on one thread, without waiting for the others in between. That is why
neither numba's threads nor OpenMP's do: torch's OpenMP threads spin for a while after each product and would take the
cores from numba's, on a busy machine every short parallel region waits for the slowest thread, and numba's own
threading layers abort when two Python threads enter them at once or do not survive a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import torch

_pools: dict[int, ThreadPoolExecutor] = {}
_making = threading.Lock()


def _forget() -> None:
    """Drop the pools in a forked child: their threads did not come along, and waiting for them would never end."""
    global _making
    _pools.clear()
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def share(task: Callable[[int], None], parts: int) -> None:
    """Call ``task(0)`` to ``task(parts - 1)``, on as many threads as torch uses (`torch.get_num_threads`).

    Which thread runs which part is left to chance, so parts must not depend on each other; then results do not
    depend on the number of threads. Torch's operations inside a part run on that one thread.

    Parameters
    ----------
    task : callable
        Must release the GIL for most of its time.
    parts : int
        How many parts there are.

    Raises
    ------
    Exception
        What a task raised, after all threads have ended.
    """
    threads = min(torch.get_num_threads(), parts)
    if threads <= 1:
        for part in range(parts):
            task(part)
        return
    queue = iter(range(parts))

    def work() -> None:
        for part in queue:
            task(part)

    futures = [_pool(threads).submit(work) for _ in range(threads)]
    wait(futures)
    for future in futures:
        future.result()


def _pool(threads: int) -> ThreadPoolExecutor:
    with _making:
        if threads not in _pools:
            before = torch.get_num_threads()
            started = threading.Barrier(threads + 1)

            def begin() -> None:
                torch.get_num_threads()  # a thread takes the common number at its first call, whatever it set before
                torch.set_num_threads(1)
                started.wait()

            _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="spikeproof-kernels", initializer=begin)
            for _ in range(threads):
                _pools[threads].submit(lambda: None)
            started.wait()
            # The number is a thread's own, but threads yet to come start with the one that was set last.
            torch.set_num_threads(before)
        return _pools[threads]

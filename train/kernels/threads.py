"""A few threads that share out the parts of a kernel call.

Numba's own threading layers either abort when two Python threads enter them at once or break after a fork, and
compile every kernel twice. Kernels that release the GIL need no more than this.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

_pools: dict[int, ThreadPoolExecutor] = {}

# The threads of a parent do not exist in its forked child; a pool that counts on them would wait for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


def share(task: Callable[[int], None], parts: int) -> None:
    """Call ``task(0)`` to ``task(parts - 1)``, on as many threads as torch uses (`torch.get_num_threads`).

    Which thread runs which part is left to chance, so parts must not depend on each other; then results do not
    depend on the number of threads.

    Parameters
    ----------
    task : callable
        Must release the GIL for most of its time.
    parts : int
        How many parts there are.

    Raises
    ------
    Exception
        What a task raised, after the other threads have ended.
    """
    helpers = min(torch.get_num_threads(), parts) - 1
    if helpers < 1:
        for part in range(parts):
            task(part)
        return
    queue = iter(range(parts))

    def work() -> None:
        for part in queue:
            task(part)

    pool = _pools.get(helpers)
    if pool is None:
        pool = _pools.setdefault(helpers, ThreadPoolExecutor(helpers, thread_name_prefix="spikeproof-kernels"))
    futures = [pool.submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        # A thread that has not begun has nothing left to do: on a busy machine, do not wait for it to wake up.
        waiting = [future for future in futures if not future.cancel()]
        errors = [error for future in waiting if (error := future.exception()) is not None]
    if errors:
        raise errors[0]

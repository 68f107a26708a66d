"""How the loops of the CPU kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Return a function as numba compiles it, with the code kept on disk for the next process.

    Where numba finds no folder that it may write to, the code is compiled in each process anew, which takes some
    seconds; ``spikeproof doctor`` says so.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(**options)(function)

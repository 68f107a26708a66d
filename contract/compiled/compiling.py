"""How numba compiles loops, and the steps inside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingDependencyError

try:
    from numba import njit, types
    from numba.extending import intrinsic
except ImportError as error:
    raise MissingDependencyError(
        f"The batch engine and the fused CPU kernels need numba ({error}). Install it with: pip install numba"
    ) from error


@lru_cache
def _digest(folder: Path) -> str:
    """Return a digest of the sources that loops in a folder are compiled from: its own, and those of this package."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in (here.parent / "fixed.py", *sorted(here.glob("*.py")), *sorted(folder.glob("*.py"))):
        if path.is_file():  # nothing is in a zip archive, from which numba keeps nothing either
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def compiled(function: Callable[..., Any]) -> Any:
    """Return a function as numba compiles it, with the code kept on disk for the next process.

    Where numba finds no folder that it may write to, the code is compiled in each process anew, which takes some
    seconds; ``spikeproof doctor`` says so.

    Numba reads code from the disk as long as the function's own file is what it was, whatever became of functions of
    other files that were written into it. So a digest of this package and of the function's folder is part of the name
    under which code is kept.
    """
    function.__qualname__ += f".{_digest(Path(function.__code__.co_filename).parent)}"
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(**options)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Return a function that numba writes out wherever it is called, so that the loop around it still becomes SIMD."""
    return njit(inline="always")(function)


@inlined
def aligned(like: Any, count: int) -> Any:
    """Return a row of any values inside a loop, of the type of `like`, 4 or 8 bytes.

    It begins with a line of the cache, in whose middle numba's own arrays begin; `spikeproof.contract.compiled.memory`
    says what that is good for.
    """
    flat = np.empty(count + 16, like.dtype)
    first = (-flat.ctypes.data // flat.itemsize) % (64 // flat.itemsize)
    return flat[first : first + count]


def _wide(context: Any) -> tuple[Any, Callable[..., Any]]:
    """Let the function that this stands in use vectors of 512 bits, where the processor has them.

    LLVM uses 256 on most of these processors, since older ones lowered their clock for 512. The attribute is not among
    those that llvmlite knows by name, so it is added past its check.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


wide: Any = intrinsic(_wide)

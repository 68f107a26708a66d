"""What a run would take of memory, told before it is taken."""

from __future__ import annotations

import os

from ..contract.errors import InputError
from ..contract.net import Net
from .trace import VARIABLES

_GIB = 2**30


def trace_bytes(net: Net, samples: int) -> int:
    """Return the size of the trace of so many samples, every register included."""
    return sum(4 * samples * net.steps * layer.num_neurons * len(VARIABLES[type(layer.neuron)]) for layer in net.layers)


def refuse_more(size: int, what: str, option: str = "--samples") -> None:
    """Refuse what takes more memory than the machine has.

    Parameters
    ----------
    size : int
        Bytes.
    what : str
        What takes them, for the message.
    option : str
        What says how many there are.

    Raises
    ------
    InputError
        The machine has less.
    """
    has = _memory()
    if has is not None and size > has:
        raise InputError(
            f"{what} would take {size / _GIB:,.1f} GiB, and this machine has {has / _GIB:,.1f}. Use fewer of them "
            f"({option}), or a smaller network."
        )


def _memory() -> int | None:
    """Return the bytes of memory of this machine, or of what this process may use of it; None if that is not told."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    except ImportError:
        return found
    return found if limit == resource.RLIM_INFINITY else min(found, limit)

"""Which kernels run: by the tensor's device, and by what the user asks for.

The environment variable ``SPIKEPROOF_KERNELS`` is ``fused`` (the default) or ``reference``; `use` says it for a
block of code.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch

from ...contract.errors import UnsupportedError
from . import reference
from .api import Kernels

VARIABLE = "SPIKEPROOF_KERNELS"
KINDS = ("fused", "reference")


def _cpu() -> Kernels:
    from . import cpu

    return cpu


def _cuda() -> Kernels:
    from . import cuda

    return cuda


class _Fused(NamedTuple):
    """Fused kernels for a type of device."""

    load: Callable[[], Kernels]
    library: str
    """What they are written with."""
    cure: str
    """How to get it."""


_FUSED = {
    "cpu": _Fused(_cpu, "numba", "pip install numba"),
    "cuda": _Fused(_cuda, "triton", "install a CUDA build of PyTorch, which brings it"),
}

_asked: ContextVar[str | None] = ContextVar("spikeproof_kernels", default=None)
_warned: set[str] = set()


def kind() -> str:
    """Return the kind of kernels in use, "fused" or "reference".

    Raises
    ------
    UnsupportedError
        ``SPIKEPROOF_KERNELS`` is neither.
    """
    return _asked.get() or _check(os.environ.get(VARIABLE) or KINDS[0], VARIABLE)


@contextmanager
def use(kind: str) -> Iterator[None]:
    """Use "fused" or "reference" kernels inside a ``with`` block, in this thread, whatever the environment says.

    A backward pass uses the kernels of its forward pass.

    Raises
    ------
    UnsupportedError
        `kind` is neither.
    """
    token = _asked.set(_check(kind, "kernels.select.use"))
    try:
        yield
    finally:
        _asked.reset(token)


def kernels(device: torch.device) -> Kernels:
    """Return the kernels that run on tensors of `device`: the module `reference`, `cpu` or `cuda`.

    A device that has no fused kernels, or whose library is not installed, gets `reference`; the latter with one
    warning in the life of the process.
    """
    fused = _FUSED.get(device.type)
    if kind() == "reference" or fused is None:
        return reference
    if importlib.util.find_spec(fused.library) is None:
        if fused.library not in _warned:
            _warned.add(fused.library)
            warnings.warn(
                f"{fused.library} is not installed, so spiking layers on {device.type} run as eager PyTorch loops, "
                f"many times slower with the same results. To fix: {fused.cure}; or set {VARIABLE}=reference to "
                "accept it.",
                stacklevel=3,
            )
        return reference
    return fused.load()


def _check(kind: str, where: str) -> str:
    if kind not in KINDS:
        raise UnsupportedError(f"{where} = {kind!r} is unknown; choose {' or '.join(KINDS)}.")
    return kind

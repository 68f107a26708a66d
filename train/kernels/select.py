"""Which kernels run: by the tensor's device, and by what the user asks for.

The environment variable ``SPIKEPROOF_KERNELS`` is ``fused`` (the default) or ``reference``; `use` says it for a
block of code.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

import torch

from ...contract.errors import UnsupportedError
from . import reference

VARIABLE = "SPIKEPROOF_KERNELS"
KINDS = ("fused", "reference")
_FUSED = {
    # device type: (module of the kernels, library they are written with, how to get it)
    "cpu": (".cpu", "numba", "pip install numba"),
    "cuda": (".cuda", "triton", "install a CUDA build of PyTorch, which brings it"),
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


def kernels(device: torch.device) -> ModuleType:
    """Return the module whose functions run on tensors of `device`: `reference`, `cpu` or `cuda`.

    A device that has no fused kernels, or whose library is not installed, gets `reference`; the latter with one
    warning in the life of the process.
    """
    if kind() == "reference" or device.type not in _FUSED:
        return reference
    module, library, cure = _FUSED[device.type]
    if importlib.util.find_spec(library) is None:
        if library not in _warned:
            _warned.add(library)
            warnings.warn(
                f"{library} is not installed, so spiking layers on {device.type} run as eager PyTorch loops, many "
                f"times slower with the same results. To fix: {cure}; or set {VARIABLE}=reference to accept it.",
                stacklevel=3,
            )
        return reference
    return importlib.import_module(module, __package__)


def _check(kind: str, where: str) -> str:
    if kind not in KINDS:
        raise UnsupportedError(f"{where} = {kind!r} is unknown; choose {' or '.join(KINDS)}.")
    return kind

"""What the CPU kernels share: tensors as arrays (N, T, C), a layer's constants, and samples dealt out to threads."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ....contract.compiled import memory
from ....contract.compiled.celif import CELIFOperands
from ..api import CELIFConstants
from . import loops
from .threads import share

Array = npt.NDArray[Any]

_PARTS, _FEW_PARTS = 16, 8
_FEW_SAMPLES = 128
"""Below so many samples a part costs more than what it has to do: then they are dealt out in fewer."""


def as_array(x: torch.Tensor, dtype: torch.dtype) -> Array:
    """Return a C-contiguous array of `dtype`, without a copy if the tensor is one."""
    return x.detach().to(dtype).contiguous().numpy()


def as_nct(x: Array) -> torch.Tensor:
    """Return an array of shape (N, T, C) as a tensor of shape (N, C, T) on the same memory."""
    return torch.from_numpy(x).transpose(1, 2)


def gradient_of(grad: torch.Tensor) -> Array:
    """Return a gradient as (N, T, C), or as (N, 1, C) where it is the same at every step, as a mean's is."""
    if grad.stride(-1) == 0:
        grad = grad[..., :1]
    return as_array(grad.transpose(1, 2), grad.dtype)


def _operands(dtype: type[Any], bias: torch.Tensor | None, constants: CELIFConstants) -> CELIFOperands:
    """Return what the compiled step reads of a layer: in the type of the currents, if it holds that exactly."""
    unit, keep_v, keep_h = constants.unit, *(as_array(x, torch.float64) for x in (constants.keep_v, constants.keep_h))
    bias_in = np.zeros(len(keep_v)) if bias is None else as_array(bias, torch.float64) / unit
    found = dtype if np.array_equal(bias_in.astype(dtype), bias_in) else np.float64
    keep_v, keep_h, bias_in = (x.astype(found) for x in (keep_v, keep_h, bias_in))
    return CELIFOperands(keep_v, keep_h, found(constants.threshold / unit), bias_in, found(1 / unit))


def forward_operands(
    dtype: type[Any], bias: torch.Tensor | None, te: torch.Tensor, constants: CELIFConstants
) -> tuple[CELIFOperands, Array, Any]:
    """Return what the forward loops read: the layer, its encoding (T, C), and the surrogate's half-width in units."""
    te_in, layer = np.ascontiguousarray(te.detach().numpy().T, dtype), _operands(dtype, bias, constants)
    # The reference compares in the dtype of z, which a half-width of 0.2, say, is rounded to.
    return layer, te_in, layer.keep_v.dtype.type(float(dtype(constants.half_width)) / constants.unit)


def partial_sums(
    dtype: type[Any], shape: tuple[int, ...], te: torch.Tensor, constants: CELIFConstants
) -> tuple[loops.GradientOperands, Array, Array]:
    """Return what the backward loops read, and where each part adds up the encoding's gradient, (parts, T, C)."""
    te_in, keep_v, keep_h = (
        np.ascontiguousarray(x.detach().numpy().T, dtype) for x in (te, constants.keep_v, constants.keep_h)
    )
    layer = loops.GradientOperands(keep_v, keep_h, dtype(constants.unit), dtype(constants.height))
    return layer, te_in, zeros_of_parts(dtype, shape)


def parts_of(samples: int) -> int:
    """Return in how many parts samples are dealt out: by their number alone, so that sums over parts have one order."""
    return min(samples, _FEW_PARTS if samples < _FEW_SAMPLES else _PARTS)


def zeros_of_parts(dtype: type[Any], shape: tuple[int, ...]) -> Array:
    """Return zeros to which each part of an array (N, ...) adds its own sum over samples, (parts, ...)."""
    found = memory.empty((parts_of(shape[0]), *shape[1:]), dtype)
    found[:] = 0
    return found


def deal(samples: int, run: Callable[[int, slice], None], parts: int | None = None) -> None:
    """Call ``run(part, slice of samples)`` for every part, on several threads; `parts` are at most `parts_of`."""
    parts = parts_of(samples) if parts is None else parts
    if parts:
        slices = [slice(*edges) for edges in pairwise(samples * i // parts for i in range(parts + 1))]
        share(lambda part: run(part, slices[part]), parts)


def empty(*shape: int, dtype: Any = np.float32) -> torch.Tensor:
    """Return a tensor of any values in memory that is used again, see `contract.compiled.memory`."""
    return torch.from_numpy(memory.empty(shape, dtype))

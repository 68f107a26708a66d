"""SLAYER's leaky integrator for CPUs: numba, SIMD over neurons, threads over rows.

Arrays are (R, T), time last as in SLAYER: a row is one neuron of one sample. Tiles of `_ROWS` rows and `_STEPS`
steps are turned, so that a step of a tile lies side by side, and stay in the first cache.
"""

from __future__ import annotations

import numpy as np
import torch

from ....contract.compiled.compiling import compiled
from .threads import share

_ROWS, _STEPS = 32, 64
_PARTS = 32
_EXACT = 2.0**40
"""A state below this times a 12-bit decay is exact in float64."""


@compiled
def _forward_loop(x, keep, state, threshold, scale, y):  # type: ignore[no-untyped-def]
    """Integrate rows; return False, with `y` unfinished, if a value leaves float64's exact range or is not finite."""
    rows, steps = x.shape
    tile = np.empty((_STEPS, _ROWS))
    old, kept, worst = np.zeros(_ROWS), np.zeros(_ROWS), np.zeros(_ROWS)
    spiking = threshold > 0
    for first in range(0, rows, _ROWS):
        width = min(_ROWS, rows - first)
        for i in range(width):
            old[i], kept[i] = state[first + i], keep[first + i]
        for start in range(0, steps, _STEPS):
            length = min(_STEPS, steps - start)
            for i in range(width):
                row = x[first + i]
                for t in range(length):
                    tile[t, i] = np.trunc(np.float64(scale * row[start + t]))
            for t in range(length):
                tile_t = tile[t]
                for i in range(_ROWS):
                    new = np.trunc(old[i] * kept[i]) + tile_t[i]
                    size = abs(new)
                    # Written so that nan counts as too large.
                    worst[i] = worst[i] if size < _EXACT else 1.0
                    # SLAYER compares, and divides, in float32.
                    old[i] = 0.0 if spiking and np.float32(new) >= threshold else new
                    tile_t[i] = new
            for i in range(width):
                row = y[first + i]
                for t in range(length):
                    row[start + t] = np.float32(tile[t, i]) / np.float32(scale)
        for i in range(width):
            if worst[i] != 0:
                return False
        worst[:] = 0
        old[:] = 0
        kept[:] = 0
        tile[:] = 0
    return True


@compiled
def _backward_loop(grad, keep, grad_x):  # type: ignore[no-untyped-def]
    """Go back in time: ``grad_x[t] = keep * grad_x[t+1] + grad[t]``."""
    rows, steps = grad.shape
    tile = np.zeros((_STEPS, _ROWS), grad.dtype)
    d, kept = np.zeros(_ROWS, grad.dtype), np.zeros(_ROWS, grad.dtype)
    for first in range(0, rows, _ROWS):
        width = min(_ROWS, rows - first)
        d[:] = 0
        for i in range(width):
            kept[i] = keep[first + i]
        for start in range((steps - 1) // _STEPS * _STEPS, -1, -_STEPS):
            length = min(_STEPS, steps - start)
            for i in range(width):
                row = grad[first + i, start : start + length]
                for t in range(length):
                    tile[t, i] = row[t]
            for t in range(length - 1, -1, -1):
                tile_t = tile[t]
                for i in range(_ROWS):
                    new = kept[i] * d[i] + tile_t[i]
                    d[i] = new
                    tile_t[i] = new
            for i in range(width):
                row = grad_x[first + i, start : start + length]
                for t in range(length):
                    row[t] = tile[t, i]


def forward(
    x: torch.Tensor, decay: torch.Tensor, state: torch.Tensor, threshold: float, scale: int
) -> torch.Tensor | None:
    """Integrate as ``leaky_integrator._li_dynamics_fwd`` does in int64, bit for bit.

    Parameters
    ----------
    x : Tensor, shape (..., T)
        Input, float32, in SLAYER's units.
    decay : Tensor
        Fraction lost a step in 1/4096, whole numbers; broadcast against `state`.
    state : Tensor, shape (...)
        Output before the first step.
    threshold : float
        At or above it the state is cleared after the step; not positive for never.
    scale : int
        Integer units in 1.0.

    Returns
    -------
    Tensor, shape (..., T), or None
        None where a value is not finite or above 2**40 units, which this kernel does not hold.
    """
    rows = x.detach().contiguous().view(-1, x.shape[-1]).numpy()
    keep = (4096 - decay.detach().to(torch.int64)).to(torch.float64) / 4096
    keep_in = keep.broadcast_to(state.shape).reshape(-1).contiguous().numpy()
    state_in = (state.detach() * scale).to(torch.int64).to(torch.float64).reshape(-1).contiguous().numpy()
    y = torch.empty(x.shape, dtype=x.dtype)
    y_out = y.view(-1, x.shape[-1]).numpy()
    limit, factor = np.float32(threshold * scale), np.float32(scale)
    exact = []

    def run(rows_of_part: slice) -> None:
        n = rows_of_part
        exact.append(_forward_loop(rows[n], keep_in[n], state_in[n], limit, factor, y_out[n]))

    _deal(len(rows), run)
    return y if all(exact) else None


def backward(grad: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    """Return the gradient to the input of `forward`, for a gradient of shape (..., T) to its output."""
    rows = grad.contiguous().view(-1, grad.shape[-1]).numpy()
    keep = (1 - decay.detach() / 4096).to(grad.dtype)
    keep_in = keep.broadcast_to(grad.shape[:-1]).reshape(-1).contiguous().numpy()
    grad_x = torch.empty(grad.shape, dtype=grad.dtype)
    out = grad_x.view(-1, grad.shape[-1]).numpy()
    _deal(len(rows), lambda n: _backward_loop(rows[n], keep_in[n], out[n]))
    return grad_x


def _deal(rows: int, run) -> None:  # type: ignore[no-untyped-def]
    """Call `run` with slices of rows, whole tiles but for the last, on several threads."""
    tiles = -(-rows // _ROWS)
    parts = min(_PARTS, tiles)

    def part(i: int) -> None:
        run(slice(tiles * i // parts * _ROWS, min(rows, tiles * (i + 1) // parts * _ROWS)))

    share(part, parts)

"""lava-dl's dynamics of adaptive thresholds and resonators, compiled: for ALIF, RF, RF-IZ, ADRF and ADRF-IZ neurons."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from .arrays import Array, is_float32
from .loops import adaptive as loops

Function = type[torch.autograd.Function]


def _may(x: tuple[torch.Tensor, ...], states: tuple[torch.Tensor, ...], decays: tuple[torch.Tensor, ...]) -> bool:
    return (
        is_float32(*x, *states, *decays)
        and torch.get_default_dtype() == torch.float32
        and x[0].shape[-1] > 1
        and x[0].numel() > 0
        and all(each.shape == x[0].shape for each in x)
        and all(state.shape == x[0].shape[:-1] for state in states)
        and all(decay.numel() == 1 or decay.shape == x[0].shape[1:-1] for decay in decays)
    )


def _rows(x: torch.Tensor) -> Array:
    found: Array = x.detach().contiguous().view(-1, x.shape[-1]).numpy()
    return found


def _whole(states: tuple[torch.Tensor, ...], scale: int) -> Array:
    return np.stack([(state.detach() * scale).to(torch.int64).flatten().numpy() for state in states])


def _of_rows(decay: torch.Tensor, like: torch.Tensor) -> Array:
    found: Array = decay.detach().broadcast_to(like.shape[:-1]).flatten().numpy()
    return found


def _keep(decays: tuple[torch.Tensor, ...], like: torch.Tensor) -> Array:
    return np.stack([4096 - _of_rows(decay, like).astype(np.int64) for decay in decays])


def _new(like: torch.Tensor, count: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.empty(like.shape) for _ in range(count))


def thresholds(stock: Any) -> Function:
    """Return a stand-in for ``_ATHDynamics``."""

    class FusedATHDynamics(torch.autograd.Function):
        DEBUG = False  # lava-dl sets it at every call

        @staticmethod
        def forward(ctx: Any, x, ref, ref_decay, th, th_decay, th_scale, th0, scale):  # type: ignore[no-untyped-def]
            theta, refractory = out = _new(x, 2)
            fits = _may((x,), (ref, th), (ref_decay, th_decay)) and loops.thresholds(
                _rows(x),
                _keep((ref_decay, th_decay), x),
                _whole((ref, th), scale),
                int(th0 * scale),
                int(th_scale * scale),
                np.float32(scale),
                _rows(theta),
                _rows(refractory),
            )
            return out if fits else stock.forward(ctx, x, ref, ref_decay, th, th_decay, th_scale, th0, scale)

        backward = staticmethod(stock.backward)

    return FusedATHDynamics


def phase_thresholds(stock: Any) -> Function:
    """Return a stand-in for ``_APTHDynamics``."""

    class FusedAPTHDynamics(torch.autograd.Function):
        DEBUG = False

        @staticmethod
        def forward(ctx: Any, re, im, last, ref, ref_decay, th, th_decay, th_scale, th0, scale):  # type: ignore[no-untyped-def]
            theta, refractory = out = _new(re, 2)
            fits = _may((re, im), (last, ref, th), (ref_decay, th_decay)) and loops.phase_thresholds(
                _rows(re),
                _rows(im),
                _whole((last,), scale)[0],
                _keep((ref_decay, th_decay), re),
                _whole((ref, th), scale),
                int(th0 * scale),
                int(th_scale * scale),
                np.float32(scale),
                _rows(theta),
                _rows(refractory),
            )
            if fits:
                return out
            return stock.forward(ctx, re, im, last, ref, ref_decay, th, th_decay, th_scale, th0, scale)

        backward = staticmethod(stock.backward)

    return FusedAPTHDynamics


def resonators(module: ModuleType) -> Any:
    """Return what makes a stand-in for ``_ResDynamics`` of the stock one."""

    def made(stock: Any) -> Function:
        class FusedResDynamics(torch.autograd.Function):
            DEBUG = False

            @staticmethod
            def forward(ctx: Any, re, im, sin, cos, re_state, im_state, threshold, scale):  # type: ignore[no-untyped-def]
                real, imag = out = _new(re, 2)
                fits = (
                    _may((re, im), (re_state, im_state), (sin, cos))
                    and isinstance(threshold, (int, float))
                    and (threshold < 0 or isinstance(threshold, float))
                    and loops.resonate(
                        _rows(re),
                        _rows(im),
                        *(_of_rows(x, re).astype(np.int64) for x in (sin, cos)),
                        _whole((re_state, im_state), scale),
                        np.float32(threshold * scale),
                        np.float32(scale),
                        _rows(real),
                        _rows(imag),
                    )
                )
                if not fits:
                    return stock.forward(ctx, re, im, sin, cos, re_state, im_state, threshold, scale)
                ctx.save_for_backward(real, imag, sin, cos)
                return out

            @staticmethod
            @once_differentiable
            def backward(ctx: Any, grad_re, grad_im):  # type: ignore[no-untyped-def]
                return *_back(ctx, grad_re, grad_im, module._res_dynamics_bwd), None, None, None, None

        return FusedResDynamics

    return made


def adaptive_resonators(module: ModuleType) -> Any:
    """Return what makes a stand-in for ``_AdResDynamics`` of the stock one."""

    def made(stock: Any) -> Function:
        class FusedAdResDynamics(torch.autograd.Function):
            DEBUG = False

            @staticmethod
            def forward(ctx: Any, re, im, sin, cos, ref_decay, th_decay, a, b, ref, th, th_scale, th0, scale):  # type: ignore[no-untyped-def]
                out = _new(re, 4)
                fits = _may((re, im), (a, b, ref, th), (sin, cos, ref_decay, th_decay)) and loops.resonate_adaptively(
                    _rows(re),
                    _rows(im),
                    *(_of_rows(x, re).astype(np.int64) for x in (sin, cos)),
                    _keep((ref_decay, th_decay), re),
                    _whole((a, b, ref, th), scale),
                    int(th0 * scale),
                    int(th_scale * scale),
                    np.float32(scale),
                    *(_rows(x) for x in out),
                )
                if not fits:
                    return stock.forward(
                        ctx, re, im, sin, cos, ref_decay, th_decay, a, b, ref, th, th_scale, th0, scale
                    )
                ctx.save_for_backward(out[0], out[1], sin, cos)
                return out

            @staticmethod
            @once_differentiable
            def backward(ctx: Any, grad_re, grad_im, *_):  # type: ignore[no-untyped-def]
                return *_back(ctx, grad_re, grad_im, module._AdResDynamicsBwd), *[None] * 9

        return FusedAdResDynamics

    return made


def _back(ctx: Any, grad_re: torch.Tensor, grad_im: torch.Tensor, stock: Any) -> tuple[torch.Tensor, ...]:
    """Go back through a resonator; gradients that are not finite are stock's to complain of."""
    real, imag, sin, cos = ctx.saved_tensors
    re, im = _new(grad_re, 2)
    if not is_float32(grad_re, grad_im, real, sin, cos) or not all(
        decay.numel() == 1 or decay.shape == real.shape[1:-1] for decay in (sin, cos)
    ):
        found: tuple[torch.Tensor, ...] = stock(grad_re, grad_im, real, imag, sin, cos)
        return found
    turns = (_of_rows(x / 4096, real) for x in (sin, cos))
    loops.resonate_back(_rows(grad_re), _rows(grad_im), *turns, _rows(re), _rows(im))
    if not (torch.isfinite(re).all() and torch.isfinite(im).all()):
        return tuple(stock(grad_re, grad_im, real, imag, sin, cos))
    after, before = (re[..., 1:], im[..., 1:]), (real[..., :-1], imag[..., :-1])
    of_sin = after[1] * before[0] - after[0] * before[1]
    of_cos = after[0] * before[0] + after[1] * before[1]
    return re, im, _summed(of_sin, sin), _summed(of_cos, cos)


def _summed(each: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    """Add up as lava-dl does: over everything, or all but the first dimension after the batch."""
    if decay.numel() == 1:
        return each.flatten().sum(0, keepdim=True)
    total = each.sum((0, -1))
    return total if total.dim() == 1 else total.flatten(1).sum(1)

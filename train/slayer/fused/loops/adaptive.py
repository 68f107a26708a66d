"""Adaptive thresholds and resonators, a neuron of a sample after the other, in stock's 64-bit integers."""

from __future__ import annotations

import numpy as np

from .....contract.compiled.compiling import compiled, inlined

_LIMIT = np.float32(2.0**40)
"""Inputs from here on, in state units, are left to stock."""


@inlined
def _kept(state, decay):  # type: ignore[no-untyped-def]
    """Return a state times a 12-bit decay, rounded toward zero."""
    product = state * decay
    return product >> 12 if product >= 0 else -(-product >> 12)


@compiled
def _fits(row, scale):  # type: ignore[no-untyped-def]
    """Say whether all entries of a row are in range; nan is not."""
    wrong = 0
    for x in row:
        wrong |= not (abs(scale * x) < _LIMIT)
    return wrong == 0


@compiled
def thresholds(x, keep, state, resting, step, scale, theta, refractory):  # type: ignore[no-untyped-def]
    """Run ``_ath_dynamics_fwd`` on rows (R, T); `keep` and `state` (2, R) are refractory's and threshold's.

    Returns False, with nothing to use, if a value is out of range.
    """
    for i in range(len(x)):
        if not _fits(x[i], scale):
            return False
        r, th = state[0, i], state[1, i]
        for t in range(x.shape[1]):
            r = _kept(r, keep[0, i])
            th = _kept(th - resting, keep[1, i]) + resting
            refractory[i, t] = np.float32(r) / scale
            theta[i, t] = np.float32(th) / scale
            if np.int64(scale * x[i, t]) >= th + r:
                r, th = r + 2 * th, th + step
    return True


@compiled
def phase_thresholds(re, im, before, keep, state, resting, step, scale, theta, refractory):  # type: ignore[no-untyped-def]
    """Run ``_APTHDynamicsFwd``, likewise; a neuron fires where its phase crosses 0, and `before` is the last one's."""
    for i in range(len(re)):
        if not (_fits(re[i], scale) and _fits(im[i], scale)):
            return False
        r, th, last = state[0, i], state[1, i], before[i]
        for t in range(re.shape[1]):
            r = _kept(r, keep[0, i])
            th = _kept(th - resting, keep[1, i]) + resting
            refractory[i, t] = np.float32(r) / scale
            theta[i, t] = np.float32(th) / scale
            phase = np.int64(scale * im[i, t])
            if np.int64(scale * re[i, t]) >= th + r and phase >= 0 and last < 0:
                r, th = r + 2 * th, th + step
            last = phase
    return True


@compiled
def resonate(re, im, sin, cos, state, threshold, scale, real, imag):  # type: ignore[no-untyped-def]
    """Run ``_res_dynamics_fwd`` on rows (R, T); `state` (2, R) is real and imaginary, `threshold` negative for none."""
    for i in range(len(re)):
        if not (_fits(re[i], scale) and _fits(im[i], scale)):
            return False
        a, b, s, c = state[0, i], state[1, i], sin[i], cos[i]
        for t in range(re.shape[1]):
            new_a = _kept(a, c) - _kept(b, s) + np.int64(scale * re[i, t])
            new_b = _kept(a, s) + _kept(b, c) + np.int64(scale * im[i, t])
            real[i, t], imag[i, t] = np.float32(new_a) / scale, np.float32(new_b) / scale
            if threshold < 0:
                a, b = new_a, new_b
            elif np.float32(new_b) >= threshold:
                a, b = np.int64(0), np.int64(np.float32(threshold - np.float32(1)))
            else:  # stock keeps the imaginary part as a float32 here
                a, b = new_a, np.int64(np.float32(new_b))
    return True


@compiled
def resonate_adaptively(re, im, sin, cos, keep, state, resting, step, scale, real, imag, theta, refractory):  # type: ignore[no-untyped-def]
    """Run ``_AdResDynamicsFwd``, likewise; `state` (4, R) is real, imaginary, refractory and threshold."""
    for i in range(len(re)):
        if not (_fits(re[i], scale) and _fits(im[i], scale)):
            return False
        a, b, r, th = state[0, i], state[1, i], state[2, i], state[3, i]
        for t in range(re.shape[1]):
            r = _kept(r, keep[0, i])
            th = _kept(th - resting, keep[1, i]) + resting
            new_a = _kept(a, cos[i]) - _kept(b, sin[i]) + np.int64(scale * re[i, t])
            b = _kept(a, sin[i]) + _kept(b, cos[i]) + np.int64(scale * im[i, t])
            a = new_a
            real[i, t], imag[i, t] = np.float32(a) / scale, np.float32(b) / scale
            refractory[i, t], theta[i, t] = np.float32(r) / scale, np.float32(th) / scale
            if b >= th + r:
                r, th = r + 2 * th, th + step
    return True


@compiled
def resonate_back(grad_re, grad_im, sin, cos, out_re, out_im):  # type: ignore[no-untyped-def]
    """Run the recursion of ``_res_dynamics_bwd`` on rows (R, T)."""
    for i in range(len(grad_re)):
        a = b = np.float32(0)
        for t in range(grad_re.shape[1] - 1, -1, -1):
            a, b = cos[i] * a + sin[i] * b + grad_re[i, t], -sin[i] * a + cos[i] * b + grad_im[i, t]
            out_re[i, t], out_im[i, t] = a, b

"""CPG spike oscillators as the paper draws them: coupled pairs, in whole numbers.

``dV1/dt = -omega V2, dV2/dt = omega V1`` from (1, 0) has the solution (cos omega p, sin omega p): a rotation
by omega a step. A rotation is three shears, and each shear is rounded by itself. One step, in this order::

    s  = 1 if v >= threshold else 0            v2 for the sine channel 2i, v1 for the cosine channel 2i + 1
    v1 = v1 + mul(v2, tan)                     tan = -tan(omega / 2)
    v2 = v2 + mul(v1, sin)                     sin = sin(omega)
    v1 = v1 + mul(v2, tan)                     mul(v, c) = (v * c_mant + 2**(c_exp - 1)) >> c_exp

- Fires when ``v >= threshold``.
- Order: compare, then rotate; the first step emits position 0.
- Reset: `period` steps after a sample began, the registers return to their initial values.

Why shears: to add a rounded function of one register to the other can be undone exactly, whatever the
coefficients, so the step is one to one on whole numbers and cannot pull orbits together. Its determinant is 1 as
well, where that of a rotation matrix with rounded entries is not, and such a matrix shrinks or grows without
end. Rounding then acts as noise of half a unit a shear; docs/cpg.md has the drift measured. The coefficients have
12 to 16 bits, so the *frequency* is slightly off, and that adds up. `cpg.Phase` has the finer frequency, no
drift, one state word a channel, and no multiplication.

References
----------
CPG-PE, arXiv 2405.14362. A. W. Paeth, "A fast algorithm for general raster rotation", Graphics Interface 1986
(a rotation as three shears). I. Daubechies, W. Sweldens, "Factoring wavelet transforms into lifting steps", 1998
(rounded steps that stay invertible).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..fixed import STATE_BITS, STATE_MAX, IntArray, as_whole, per_neuron, sat24
from ..record import Record
from .phase import paper_frequencies

AMPLITUDE = 2 ** (STATE_BITS - 2)
"""Amplitude of a pair, half the register: between two shears v1 exceeds it, by up to sqrt(2)."""
EXP_MAX = 31
_COUNT_MAX = 2**31 - 1
_DRIFT_ROOM = 2**13


@dataclass(frozen=True, kw_only=True, eq=False)
class Coupled(Record):
    """Coupled oscillator pairs; pair i drives the sine channel 2i from v2 and the cosine channel 2i + 1 from v1.

    Parameters
    ----------
    num_neurons : int
        Number of channels n, of ``m = (n + 1) // 2`` pairs; with an odd n the last has no cosine channel.
    tan_mant, sin_mant : array_like of int, shape () or (m,)
        Mantissas of the shears, signed, of `coefficient_bits` bits with the sign. Kept as int32, as are the others.
    tan_exp, sin_exp : array_like of int, shape () or (m,)
        Right shifts of the products, 0..31: the coefficients are ``mant * 2**-exp``.
    threshold : array_like of int, shape () or (n,)
        A channel spikes while its register is at least this, within 24 bits.
    v1_initial, v2_initial : array_like of int, shape () or (m,)
        Registers at position 0; (2**22, 0) is the paper's (cos 0, sin 0).
    coefficient_bits : int
        Width of the multiplier's coefficient, 12..16.
    period : int
        Steps of a sample, after which the registers start again; 0 lets them run on.

    Raises
    ------
    RecordError
        A value lies outside its range, a pair does not oscillate, or its orbit does not fit 24 bits.
    """

    num_neurons: int
    tan_mant: npt.NDArray[Any]
    tan_exp: npt.NDArray[Any]
    sin_mant: npt.NDArray[Any]
    sin_exp: npt.NDArray[Any]
    threshold: npt.NDArray[Any]
    v1_initial: npt.NDArray[Any] = AMPLITUDE
    v2_initial: npt.NDArray[Any] = 0  # type: ignore[assignment]
    coefficient_bits: int = 16
    period: int = 0

    def __post_init__(self) -> None:
        n = as_whole("Coupled num_neurons", self.num_neurons, 1, _COUNT_MAX)
        bits = as_whole("Coupled coefficient_bits", self.coefficient_bits, 12, 16)
        top = 2 ** (bits - 1) - 1
        limits = {
            "tan_mant": (-top, top),
            "tan_exp": (0, EXP_MAX),
            "sin_mant": (-top, top),
            "sin_exp": (0, EXP_MAX),
            "v1_initial": (-STATE_MAX, STATE_MAX),
            "v2_initial": (-STATE_MAX, STATE_MAX),
        }
        self._set(
            num_neurons=n,
            coefficient_bits=bits,
            threshold=per_neuron("Coupled threshold", self.threshold, n, -STATE_MAX, STATE_MAX),
            period=as_whole("Coupled period", self.period, 0, _COUNT_MAX),
            **{
                name: per_neuron(f"Coupled {name}", getattr(self, name), (n + 1) // 2, *limit)
                for name, limit in limits.items()
            },
        )
        self._check_orbits()

    def _check_orbits(self) -> None:
        a, b = self.tan_mant * 2.0**-self.tan_exp, self.sin_mant * 2.0**-self.sin_exp
        stuck = ~((a * b > -2) & (a * b < 0))
        if stuck.any():
            i = int(np.argmax(stuck))
            raise RecordError(
                f"Coupled pair {i}: shears {a[i]:g} and {b[i]:g} make no rotation. Give them opposite signs "
                "and a product between -2 and 0, as -tan(omega/2) and sin(omega) have."
            )
        # Without rounding the step keeps b v1**2 - (2a + a**2 b) v2**2: an ellipse, on which a linear
        # function of (v1, v2) has a known maximum. v1 + a v2 is the register between the first two shears.
        p, q = np.abs(b), np.abs(2 * a + a * a * b)
        level = p * np.square(self.v1_initial * 1.0) + q * np.square(self.v2_initial * 1.0)
        reach = np.sqrt(level * np.maximum(1 / p + a * a / q, 1 / q)) + _DRIFT_ROOM
        if (reach > STATE_MAX).any():
            i = int(np.argmax(reach > STATE_MAX))
            raise RecordError(
                f"Coupled pair {i} reaches {reach[i]:.0f}, past the 24-bit register ({STATE_MAX}). "
                f"Scale v1_initial, v2_initial and threshold by {STATE_MAX / reach[i] * 0.99:.2f} or less."
            )

    @property
    def omega(self) -> npt.NDArray[np.float64]:
        """Frequency that the integer coefficients turn at, rad a step, shape (m,): ``cos(omega) = 1 + tan sin``."""
        product = (
            self.tan_mant.astype(np.int64) * self.sin_mant * 2.0 ** -(self.tan_exp + self.sin_exp).astype(np.float64)
        )
        return np.asarray(2 * np.arcsin(np.sqrt(-product / 2)))  # 1 - cos without cancellation

    @classmethod
    def from_paper(
        cls,
        num_neurons: int,
        w_max: float = 10000.0,
        threshold: float = 0.8,
        coefficient_bits: int = 16,
        period: int = 0,
    ) -> Coupled:
        """Return the paper's oscillators as coupled pairs; the parameters are those of `cpg.Phase.from_paper`.

        Only the product of the two coefficients of a pair sets its frequency. So both are moved by up to 2**-10 of
        their size to bring the product near the wanted one; the circle becomes an ellipse by no more than that.

        Raises
        ------
        RecordError
            As `cpg.Phase.from_paper`; or a frequency is above pi/2, or so low that a pair would move by fewer
            than 64 units a step, where rounding decides the speed.
        """
        n, omegas = paper_frequencies(num_neurons, w_max, threshold)
        bits = as_whole("Coupled coefficient_bits", coefficient_bits, 12, 16)
        outside = (omegas > math.pi / 2) | (omegas * AMPLITUDE < 64)
        if outside.any():
            i = int(np.argmax(outside))
            raise RecordError(
                f"from_paper: w_max = {w_max} gives pair {i} omega = {omegas[i]:.4g} rad a step, outside the "
                f"{64 / AMPLITUDE:.4g}..pi/2 of coupled pairs. Change w_max, or use cpg.Phase instead."
            )
        pairs = np.array([_shears(float(omega), bits) for omega in omegas])
        return cls(
            num_neurons=n,
            tan_mant=pairs[:, 0],
            tan_exp=pairs[:, 1],
            sin_mant=pairs[:, 2],
            sin_exp=pairs[:, 3],
            threshold=math.ceil(threshold * AMPLITUDE),
            coefficient_bits=bits,
            period=period,
        )


class CoupledState(NamedTuple):
    """Registers of `Coupled` before a step."""

    v1: IntArray
    """Cosine of the position that the step will emit, times the amplitude, shape (..., m); 24 bits."""
    v2: IntArray
    """Sine, likewise."""
    t: IntArray
    """Steps since the sample began, shape (...)."""


def reset(params: Coupled, batch: tuple[int, ...] = ()) -> CoupledState:
    """Return the state before a sample's first step, of shapes ``(*batch, m)`` and ``batch``."""
    shape = (*batch, params.v1_initial.size)
    return CoupledState(
        v1=np.broadcast_to(params.v1_initial.astype(np.int64), shape).copy(),
        v2=np.broadcast_to(params.v2_initial.astype(np.int64), shape).copy(),
        t=np.zeros(batch, dtype=np.int64),
    )


def step(params: Coupled, state: CoupledState) -> tuple[IntArray, CoupledState]:
    """Emit the spikes of one position and turn the pairs; parameters and results as `phase.step`."""

    def shear(v: IntArray, by: IntArray, mant: npt.NDArray[Any], exp: npt.NDArray[Any]) -> IntArray:
        half = np.left_shift(np.int64(1), exp) >> 1  # 0 where nothing is shifted out
        return sat24(v + ((by * mant + half) >> exp))

    v1, v2 = state.v1, state.v2
    channels = np.stack([v2, v1], axis=-1).reshape(*v1.shape[:-1], -1)[..., : params.num_neurons]
    fired = (channels >= params.threshold).astype(np.int64)
    v1 = shear(v1, v2, params.tan_mant, params.tan_exp)
    v2 = shear(v2, v1, params.sin_mant, params.sin_exp)
    v1 = shear(v1, v2, params.tan_mant, params.tan_exp)
    t = state.t + 1
    if params.period:
        over = np.asarray(t >= params.period)
        v1 = np.where(over[..., None], params.v1_initial, v1)
        v2 = np.where(over[..., None], params.v2_initial, v2)
        t = np.where(over, 0, t)
    return fired, CoupledState(v1=v1, v2=v2, t=np.asarray(t, dtype=np.int64))


def _mantissa(value: float, bits: int) -> tuple[int, int]:
    """Return (mant, exp) with ``mant * 2**-exp`` next to `value` and `mant` as large as `bits` allow."""
    exp = min(bits - 1 - math.frexp(value)[1], EXP_MAX)
    if abs(round(value * 2.0**exp)) >= 2 ** (bits - 1):
        exp -= 1
    return round(value * 2.0**exp), exp


def _shears(omega: float, bits: int) -> tuple[int, int, int, int]:
    """Return tan_mant, tan_exp, sin_mant, sin_exp whose product is closest to the wanted one."""
    tan, tan_exp = _mantissa(-math.tan(omega / 2), bits)
    sin, sin_exp = _mantissa(math.sin(omega), bits)
    span, top = 2 ** (bits - 12), 2 ** (bits - 1) - 1
    goal = -2 * math.sin(omega / 2) ** 2 * 2.0 ** (tan_exp + sin_exp)
    near = [
        (abs((tan + i) * (sin + j) - goal), abs(i) + abs(j), tan + i, sin + j)
        for i in range(-span, span + 1)
        for j in range(-span, span + 1)
        if max(abs(tan + i), abs(sin + j)) <= top
    ]
    _, _, best_tan, best_sin = min(near)
    return best_tan, tan_exp, best_sin, sin_exp

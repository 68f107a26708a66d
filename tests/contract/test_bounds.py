"""Bounds of every kind of neuron are sound: whatever lies within what came before, the step lies within the bounds."""

import numpy as np
import oracles
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.contract import fixed
from spikeproof.contract.interval import Interval, exactly, kept_after_firing
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.bases.resonator import Turned, rotate, rotate_bounds
from spikeproof.contract.neurons.rf import RF

N = 3
BOUNDED = [name for name, kind in KINDS.items() if kind.bounded_step is not KINDS["CELIF"].__mro__[1].bounded_step]


def intervals(data, elements, *shape):
    one, other = (data.draw(some.arrays(elements, *shape)) for _ in range(2))
    return Interval(np.minimum(one, other), np.maximum(one, other))


def inside(values, interval):
    return ((interval.low <= values) & (values <= interval.high)).all()


@given(st.data())
def test_operations_on_intervals_hold_every_value(data):
    a, b = (intervals(data, some.edged(-(2**24), 2**24), 4) for _ in range(2))
    x, y = (
        np.array([data.draw(st.integers(int(low), int(high))) for low, high in zip(*one, strict=True)])
        for one in (a, b)
    )
    k, lost = data.draw(st.integers(-23, 18)), data.draw(some.arrays(some.decays, 4))
    for values, interval in (
        (x + y, a.plus(b)),
        (x - y, a.minus(b)),
        (x * y, a.times(b)),
        (fixed.shift(x, k), a.shifted(k)),
        (fixed.decay(x, lost), a.decayed(lost)),
        (fixed.sat24(x), a.clipped()),
        (x, a.hull(b)),
        (y, a.hull(b)),
        (np.where(x > 0, x, y), a.hull(b)),
        (np.where(x > y, 7, x), kept_after_firing(a, b, Interval((a.low > b.high) * 1, (a.high > b.low) * 1), 7)),
    ):
        assert inside(values, interval)


def goes_on(state, register, values):
    """Whether values lie within the bounds that a step hands on; nested states are those of several parts."""
    if hasattr(state, register):
        interval = getattr(state, register)
        return (interval.low <= values) & (values <= interval.high)
    if type(state) is tuple:
        return np.logical_or.reduce([goes_on(part, register, values) for part in state])
    return np.zeros(values.shape, bool)


def test_every_kind_of_the_package_is_bounded():
    assert BOUNDED == list(KINDS)


@pytest.mark.parametrize("name", BOUNDED)
@given(st.data())
def test_whole_runs_lie_within_the_bounds(name, data):
    """Several steps with any sums within drawn bounds; registers that have no end are the oracle's own numbers."""
    kind = KINDS[name]
    oracle = oracles.of(kind)
    params = data.draw(some.params(kind, N))
    wide = getattr(oracle, "WIDE", False) and data.draw(st.booleans())
    x = intervals(data, some.port if wide else some.sums, kind.sums * N)
    steps = data.draw(st.integers(1, 6))
    choices = data.draw(some.arrays(st.sampled_from((0, 1, 2)), steps, kind.sums * N))
    te = data.draw(some.arrays(some.encodings, steps, N)) if kind.takes_te else None
    state, bounds = params.reset(), params.bounded_reset()

    for t in range(steps):
        sums = np.choose(choices[t], [x.low, x.high, (x.low + x.high) // 2])
        row = () if te is None else (te[t],)
        sent, state = params.step(state, sums, *row)
        found = params.bounded_step(bounds, x, *row)
        bounds = found.state
        assert inside(sent, found.sent)
        seen = params.observed(state)
        for register in kind.registers:
            assert register in found.registers
            limited = found.registers[register]
            low, high = (np.clip(end, -(2**31), 2**31 - 1) for end in limited)
            within = (low <= seen[register]) & (seen[register] <= high)
            # What leaves its range is clipped or wraps, and what fires is set: that is in what goes on.
            within |= (limited.clipped().low == seen[register]) | (limited.clipped().high == seen[register])
            assert (within | goes_on(found.state, register, seen[register])).all(), register


def test_the_circle_of_a_rotation_holds_what_rounding_adds():
    random = np.random.default_rng(0)
    n = 200_000
    angle, kept = random.uniform(0, np.pi / 2, n), random.uniform(0.5, 1, n)
    sin, cos = (np.round(4096 * kept * turn(angle)).astype(int) for turn in (np.sin, np.cos))
    params = RF(num_neurons=n, sin_decay=sin, cos_decay=cos, v_th_mant=0)
    real, imag = random.integers(-50, 51, (2, n))
    before = Turned(exactly(real), exactly(imag), np.hypot(real, imag))

    after = rotate(params, real, imag, np.zeros(2 * n, int))
    size = rotate_bounds(params, before, exactly(np.zeros(2 * n, int))).size

    assert (np.hypot(*after) <= size).all()
    outward = np.hypot(*after) - before.size * np.hypot(sin, cos) / 4096
    assert 0.7 < outward.max() <= np.sqrt(2)  # without it the bound would be wrong

"""The integer rules against oracles in Python's own integers, which have no width."""

import numpy as np
import pytest
import strategies as some
from hypothesis import example, given
from oracles import toward_zero

from spikeproof.contract import fixed, real
from spikeproof.contract.errors import RecordError
from spikeproof.contract.fixed import STATE_MAX


@given(x=some.anything, k=some.edged(0, 23))
def test_rtz_rounds_toward_zero(x, k):
    got = fixed.rtz(x, k)

    assert got.dtype == np.int64
    assert got.tolist() == toward_zero(x, k)


@given(x=some.anything)
def test_sat24_clips_symmetrically(x):
    assert fixed.sat24(x).tolist() == max(-(2**23 - 1), min(2**23 - 1, x))


@given(x=some.edged(-(3 * 2**23) + 1, 3 * 2**23 - 1, 2**23, 2**23 + 1, -(2**23), -(2**23) + 1))
@example(2**23)
@example(-(2**23))
def test_wrap24_keeps_the_upper_end_and_stays_in_range(x):
    wrapped = (x + 2**23 - 1) % 2**24 - 2**23 + 1  # the residue in -2**23 + 1 .. 2**23

    assert fixed.wrap24(x).tolist() == wrapped


@given(x=some.currents, lost=some.decays)
def test_decay_keeps_a_12_bit_fraction(x, lost):
    assert fixed.decay(x, lost).tolist() == toward_zero(x * (4096 - lost), 12)


@given(x=some.states, lost=some.decays, k=some.edged(0, 23))
def test_the_real_rules_are_within_one_unit_of_the_integer_rules(x, lost, k):
    assert abs(real.decay(x, lost) - fixed.decay(x, lost)) < 1
    assert abs(real.rtz(x, k) - fixed.rtz(x, k)) < 1
    assert real.sat24(x) == fixed.sat24(x)
    assert real.shl(x, k) == fixed.shl(x, k)


def test_as_integers_names_the_first_bad_entry():
    with pytest.raises(RecordError, match=r"weight\[1, 0\] = 7 is not a whole number in -2\.\.2"):
        fixed.as_integers("weight", [[0, 1], [7, 9]], np.int16, -2, 2)
    with pytest.raises(RecordError, match=r"x\[1\] = nan is not a whole number"):
        fixed.as_integers("x", [0.0, np.nan], np.int16, -2, 2)
    with pytest.raises(RecordError, match=r"x = 0\.5 is not a whole number"):
        fixed.as_integers("x", 0.5, np.int16, -2, 2)
    with pytest.raises(RecordError, match="expected integers, got <U1"):
        fixed.as_integers("x", "a", np.int16, -2, 2)
    with pytest.raises(RecordError, match=r"expected one number, got an array of shape \(2,\)"):
        fixed.as_whole("x", [1, 2], 0, 9)
    with pytest.raises(RecordError, match="fits neither one value nor 3 neurons"):
        fixed.per_neuron("x", [1, 2], 3, 0, 9)


def test_integers_are_stored_read_only():
    array = fixed.per_neuron("x", 5, 3, 0, 9)

    assert array.tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_registers_have_24_bits():
    assert STATE_MAX == 8_388_607

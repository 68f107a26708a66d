"""Phase oscillators against the paper's sines in double precision and against an oracle in Python integers."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spikeproof.contract.errors import InputError, RecordError
from spikeproof.contract.sources import phase

TURN = 2**24
increments = st.sampled_from((0, 1, 2**22, 2**23 - 1, 2**23)) | st.integers(0, 2**23)
angles = st.sampled_from((0, 1, 2**23, TURN - 1)) | st.integers(0, TURN - 1)
lengths = st.sampled_from((0, 1, 2**23, TURN - 1, TURN)) | st.integers(0, TURN)
channels = st.lists(st.tuples(increments, angles, lengths, angles), min_size=1, max_size=4)


def make(rows, period=0):
    increment, start, length, initial = map(list, zip(*rows, strict=True))
    return phase.Phase(
        num_neurons=len(rows),
        increment=increment,
        start=start,
        length=length,
        initial=initial,
        period=period,
    )


def oracle(rows, p):
    """Spikes of position p in Python integers, the window walked from its start."""
    fired = []
    for increment, start, length, initial in rows:
        phase = (initial + p * increment) % TURN
        ahead = phase - start if phase >= start else phase - start + TURN
        fired.append(int(ahead < length))
    return fired


def run(params, num_steps):
    state, fired = phase.reset(params), []
    for _ in range(num_steps):
        spikes, state = phase.step(params, state)
        fired.append(spikes)
    return np.array(fired), state


def sines(num_neurons, w_max, positions):
    """The paper's sines and cosines in double precision, shape (positions, channels)."""
    omega = w_max ** (-2 * np.arange((num_neurons + 1) // 2) / num_neurons)
    angle = np.asarray(positions)[:, None] * omega
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(len(angle), -1)[:, :num_neurons]


# The paper


@pytest.mark.parametrize(
    ("n", "w_max", "positions", "rate", "distinct", "constant"),
    [
        (40, 10000.0, 48, 0.393, 44, 21),
        (40, 10000.0, 672, 0.308, 568, 9),
        (40, 1000.0, 48, 0.360, 48, 15),
        (40, 1000.0, 672, 0.247, 614, 0),
        (10, 10000.0, 672, 0.296, 74, 2),
        (40, 10000.0, 1024, 0.295, 852, 7),
    ],
)
def test_published_parameters_give_the_known_table(n, w_max, positions, rate, distinct, constant):
    codes = phase.spikes(phase.Phase.from_paper(n, w_max), np.arange(positions))

    assert round(float(codes.mean()), 3) == rate
    assert len(np.unique(codes, axis=0)) == distinct
    assert int((codes == codes[0]).all(axis=0).sum()) == constant


@pytest.mark.parametrize(
    ("n", "rows"),
    [
        (10, ["0101010101", "1001010101", "1001010101", "0001010101"]),
        (40, ["010101010101", "100101010101", "101000010101", "001010000101"]),
    ],
)
def test_first_codes_are_the_reference(n, rows):
    codes = phase.spikes(phase.Phase.from_paper(n), np.arange(4))

    assert ["".join(map(str, code[:12])) for code in codes.tolist()] == rows
    assert codes[0].sum() == n // 2


@pytest.mark.parametrize(("w_max", "exceptions"), [(10000.0, 16), (1000.0, 18)])
def test_equals_the_float_test_but_within_the_rounding_of_the_increment(w_max, exceptions):
    positions = np.arange(5000)
    value = sines(40, w_max, positions)

    different = (value >= 0.8) != phase.spikes(phase.Phase.from_paper(40, w_max), positions)

    # The phase is off by at most p * 0.5 / 2**24 turn, and a sine changes by at most its angle.
    bound = 2 * math.pi * positions * 0.5 / TURN
    near = np.abs(value - 0.8) <= bound[:, None] + 1e-12
    assert not (different & ~near).any()
    assert different.sum() == exceptions
    assert value[~near].size > 0.99 * value.size


def test_window_is_exact_at_every_integer_phase():
    swept = dataclasses.replace(phase.Phase.from_paper(2), increment=1)

    for phases in np.arange(TURN).reshape(16, -1):
        fired = phase.spikes(swept, phases)
        angle = 2 * np.pi * phases / TURN
        assert np.array_equal(fired[:, 0], np.sin(angle) >= 0.8)
        assert np.array_equal(fired[:, 1], np.cos(angle) >= 0.8)


@given(st.floats(-0.999999999, 0.999999999) | st.sampled_from((0.8, -0.8, 0.5, 1 - 1e-15, -1 + 1e-15)))
@example(0.8)
def test_window_ends_are_the_last_phases_that_pass(threshold):
    params = phase.Phase.from_paper(2, threshold=threshold)
    end = (int(params.length[1]) - 1) // 2

    assert math.cos(2 * math.pi * end / TURN) >= threshold > math.cos(2 * math.pi * (end + 1) / TURN)
    # The window is symmetric about the cosine's peak, and the sine's lies a quarter turn later.
    assert params.start.tolist() == [(2**22 - end) % TURN, -end % TURN]
    assert params.length.tolist() == [2 * end + 1] * 2


def test_a_zero_sine_fires_at_threshold_zero():
    quarters = dataclasses.replace(phase.Phase.from_paper(2, threshold=0.0), increment=2**22)

    fired = phase.spikes(quarters, np.arange(4))

    assert fired.tolist() == [[1, 1], [1, 1], [1, 0], [0, 1]]  # sin and cos of 0, 1/4, 1/2, 3/4 turn; H(0) = 1


def test_an_odd_number_of_channels_ends_with_a_sine():
    positions = np.arange(300)

    odd = phase.spikes(phase.Phase.from_paper(5, w_max=1000.0), positions)

    assert np.array_equal(odd, sines(5, 1000.0, positions) >= 0.8)
    assert odd[:, 4].any()


# Ten million steps


@pytest.mark.parametrize("pair", [0, 7, 19])
def test_ten_million_steps_have_the_phase_of_the_closed_form(pair):
    params, steps = phase.Phase.from_paper(40), 10**7
    one = make([(int(params.increment[2 * pair]), 0, 1, 2**24 - 5)])
    omega = 10000.0 ** (-2 * pair / 40)

    # uint32 sums wrap at 2**32, a multiple of the turn: this is stepping, without a product.
    walked = np.full(steps, one.increment[0], dtype=np.uint32)
    walked[0] = one.initial[0]
    np.cumsum(walked, out=walked)
    walked &= TURN - 1
    positions = np.arange(steps)
    assert np.array_equal(walked, phase.phases(one, positions)[:, 0])

    # Against the frequency wanted: at most half a unit of 2**-24 turn a step.
    wanted = positions * (omega / (2 * np.pi)) + one.initial[0] / TURN
    error = walked / TURN - wanted
    error -= np.round(error)
    assert (np.abs(error) <= positions * 0.5 / TURN + 1e-9).all()


@given(channels, st.integers(0, 10**7) | st.sampled_from((2**24 - 1, 2**24, 2**40, 2**63 - 2)))
def test_a_step_from_anywhere_is_the_closed_form_of_the_next_position(rows, p):
    params = make(rows)
    state = phase.PhaseState(phase=phase.phases(params, p), t=np.int64(0))

    fired, after = phase.step(params, state)

    assert fired.tolist() == oracle(rows, p) == phase.spikes(params, p).tolist()
    assert np.array_equal(after.phase, phase.phases(params, p + 1))


# Step, closed form and oracle


@given(channels, st.integers(0, 7))
@example([(2**23, 2**23, 2**23, 0), (0, 0, TURN, TURN - 1), (1, TURN - 1, 1, TURN - 1), (5, 7, 0, 7)], 0)
def test_step_equals_closed_form_and_oracle(rows, period):
    params = make(rows, period)

    fired, state = run(params, 20)

    assert fired.dtype == np.int64
    expected = [oracle(rows, p % period if period else p) for p in range(20)]
    assert fired.tolist() == expected
    assert np.array_equal(fired, phase.spikes(params, np.arange(20)))
    assert np.array_equal(state.phase, phase.phases(params, 20))
    assert state.t == (20 % period if period else 20)


def test_some_of_that_fires():
    fired, _ = run(phase.Phase.from_paper(40), 100)

    assert 0.2 < fired.mean() < 0.6


def test_a_batch_equals_its_rows():
    params = phase.Phase.from_paper(7, period=5)
    batch = phase.reset(params, (2, 3))
    assert batch.phase.shape == (2, 3, 7)
    assert batch.t.shape == (2, 3)
    late = phase.PhaseState(phase=batch.phase, t=np.array([[0, 1, 2], [3, 4, 4]]))

    fired, after = phase.step(params, late)

    assert np.array_equal(fired, np.broadcast_to(phase.spikes(params, 0), (2, 3, 7)))
    assert after.t.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert np.array_equal(after.phase[1, 1], params.initial)
    assert np.array_equal(after.phase[0, 0], phase.phases(params, 1))


def test_positions_keep_their_shape():
    codes = phase.spikes(phase.Phase.from_paper(6), np.arange(12).reshape(3, 4))

    assert codes.shape == (3, 4, 6)
    assert phase.spikes(phase.Phase.from_paper(6), 3).shape == (6,)


# Records


def test_records_compare_by_value_and_are_read_only():
    params = phase.Phase.from_paper(4)

    assert params == phase.Phase.from_paper(4)
    assert params != phase.Phase.from_paper(4, threshold=0.7)
    assert params != dataclasses.replace(params, period=9)
    with pytest.raises(ValueError, match="read-only"):
        params.increment[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.period = 1


@given(st.integers(2**23 + 1, TURN - 1), angles, lengths, angles)
def test_the_fix_for_too_fast_an_oscillator_gives_the_same_spikes(increment, start, length, initial):
    with pytest.raises(RecordError, match=r"Phase increment\[0\] = \d+ is more than half a turn") as error:
        make([(increment, start, length, initial)])

    words = str(error.value).split("Give it ")[1].replace(",", " ").split()
    shifted = [int(words[words.index(name) + 1]) for name in ("increment", "start", "initial")]
    slow = make([(shifted[0], shifted[1], length, shifted[2])])
    expected = [oracle([(increment, start, length, initial)], p) for p in range(50)]
    assert phase.spikes(slow, np.arange(50)).tolist() == expected


GOOD = dict(num_neurons=2, increment=[1, 2], start=0, length=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(num_neurons=0), r"Phase num_neurons = 0 is not a whole number in 1\.\."),
        (dict(increment=[1, -1]), r"Phase increment\[1\] = -1 is not a whole number in 0\.\.16777215"),
        (dict(increment=[1, 0.5]), r"Phase increment\[1\] = 0\.5 is not a whole number"),
        (dict(increment=[1, 2, 3]), r"Phase increment: shape \(3,\) fits neither one value nor 2 neurons"),
        (dict(start=TURN), r"Phase start = 16777216 is not"),
        (dict(length=TURN + 1), r"Phase length = 16777217 is not a whole number in 0\.\.16777216"),
        (dict(initial=-1), r"Phase initial = -1 is not"),
        (dict(period=-1), r"Phase period = -1 is not"),
        (dict(increment=["a", "b"]), r"Phase increment: expected integers, got <U1"),
    ],
)
def test_bad_records_are_refused(change, message):
    with pytest.raises(RecordError, match=message):
        phase.Phase(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_neurons=0), r"from_paper: num_neurons = 0 is not a whole number in 1\.\."),
        (dict(num_neurons=2.5), r"from_paper: num_neurons = 2\.5 is not"),
        (dict(threshold=1), r"threshold = 1 is not between -1 and 1, so no sine crosses it\. The paper uses 0\.8"),
        (dict(threshold=-1.0), r"threshold = -1\.0 is not between"),
        (dict(threshold=math.nan), r"threshold = nan is not between"),
        (dict(w_max=0), r"w_max = 0 is not a positive number; the authors use 10000 or 1000"),
        (dict(w_max=math.inf), r"w_max = inf is not a positive number"),
        (
            dict(w_max=0.01),
            r"w_max = 0\.01 gives channel 10 0\.5033 turns a step; above half a turn .* Use w_max >= 1\.",
        ),
    ],
)
def test_bad_parameters_of_the_paper_are_refused(arguments, message):
    with pytest.raises(RecordError, match=message):
        phase.Phase.from_paper(**{"num_neurons": 40, **arguments})


@pytest.mark.parametrize("positions", [[-1], [0.5], ["a"], np.array([2**63], dtype=np.uint64)])
def test_bad_positions_are_refused(positions):
    with pytest.raises(InputError, match=r"positions: expected whole numbers in 0\.\.2\*\*63 - 1, got"):
        phase.spikes(phase.Phase.from_paper(2), positions)


def test_position_counts_the_spiking_step_first():
    p = phase.position(np.arange(4)[:, None], np.arange(12), 12)

    assert np.array_equal(p, np.arange(48).reshape(4, 12))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 12, 12), r"position: index = 12 is not a whole number in 0\.\.11"),
        ((-1, 0, 12), r"position: t_s = -1 is not"),
        ((0, 0, 0), r"position: length = 0 is not"),
    ],
)
def test_bad_indices_are_refused(arguments, message):
    with pytest.raises(RecordError, match=message):
        phase.position(*arguments)

"""Coupled pairs against an oracle in Python integers, against the paper's sines, and their drift."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.contract.errors import RecordError
from spikeproof.contract.sources import coupled
from spikeproof.contract.sources.coupled import AMPLITUDE, Coupled


def shear(v, by, mant, exp):
    """Round half up, by the definition of floor division."""
    return v + (2 * by * mant + 2**exp) // (2 * 2**exp)


def oracle(params, num_steps):
    """Registers and spikes of every position, in Python integers."""
    states, fired = [], []
    pairs = [
        tuple(int(value[i]) for value in (params.tan_mant, params.tan_exp, params.sin_mant, params.sin_exp))
        for i in range(params.v1_initial.size)
    ]
    first = list(zip(params.v1_initial.tolist(), params.v2_initial.tolist(), strict=True))
    registers = first
    for p in range(num_steps):
        if params.period and p % params.period == 0:
            registers = first
        states.append(registers)
        channels = [v for v1, v2 in registers for v in (v2, v1)][: params.num_neurons]
        fired.append([int(v >= limit) for v, limit in zip(channels, params.threshold.tolist(), strict=True)])
        turned = []
        for (v1, v2), (tan, tan_exp, sin, sin_exp) in zip(registers, pairs, strict=True):
            v1 = shear(v1, v2, tan, tan_exp)
            v2 = shear(v2, v1, sin, sin_exp)
            turned.append((shear(v1, v2, tan, tan_exp), v2))
        registers = turned
    return states, fired


def run(params, num_steps):
    state, fired, states = coupled.reset(params), [], []
    for _ in range(num_steps):
        states.append((state.v1, state.v2))
        spikes, state = coupled.step(params, state)
        fired.append(spikes)
    return np.array(states), np.array(fired), state


@given(
    n=st.integers(1, 9),
    w_max=st.sampled_from((1.0, 1000.0, 10000.0)) | st.floats(1.0, 60000.0),
    threshold=st.sampled_from((0.8, 0.0, -0.8)) | st.floats(-0.99, 0.99),
    bits=st.integers(12, 16),
    period=st.sampled_from((0, 1, 7)),
    scale=st.sampled_from((1, 3, 2**10)),
)
def test_step_equals_the_oracle(n, w_max, threshold, bits, period, scale):
    params = Coupled.from_paper(n, w_max, threshold, bits, period)
    start = dict(v1_initial=AMPLITUDE // scale, v2_initial=-AMPLITUDE // scale // 3)
    params = dataclasses.replace(params, **start)

    states, fired, _ = run(params, 30)

    expected_states, expected_fired = oracle(params, 30)
    assert np.moveaxis(states, 1, 2).tolist() == [[list(pair) for pair in row] for row in expected_states]
    assert fired.tolist() == expected_fired


def test_step_equals_the_oracle_for_long():
    params = Coupled.from_paper(12)

    _, fired, _ = run(params, 5000)

    assert fired.tolist() == oracle(params, 5000)[1]
    assert 0.2 < fired.mean() < 0.4


@given(st.integers(-(2**22), 2**22), st.integers(-(2**22), 2**22), st.sampled_from((1.0, 0.63, 0.1, 0.01, 1.6e-4)))
def test_a_step_can_be_undone(v1, v2, omega):
    params = Coupled.from_paper(3, w_max=omega**-1.5)
    tan, sin = (int(params.tan_mant[1]), int(params.tan_exp[1])), (int(params.sin_mant[1]), int(params.sin_exp[1]))
    state = coupled.CoupledState(v1=np.array([0, v1]), v2=np.array([0, v2]), t=np.int64(0))

    _, after = coupled.step(params, state)

    x, y = int(after.v1[1]), int(after.v2[1])
    x -= shear(0, y, *tan)
    y -= shear(0, x, *sin)
    x -= shear(0, y, *tan)
    assert (x, y) == (v1, v2)


@pytest.mark.parametrize(
    ("w_max", "bits", "different"),
    [(10000.0, 16, 28), (10000.0, 14, 192), (10000.0, 12, 973), (1000.0, 16, 57)],
)
def test_few_spikes_of_5000_positions_differ_from_the_float_test(w_max, bits, different):
    params = Coupled.from_paper(40, w_max, coefficient_bits=bits)
    angle = np.arange(5000)[:, None] * w_max ** (-2 * np.arange(20) / 40)
    wanted = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(5000, 40) >= 0.8

    _, fired, _ = run(params, 5000)

    assert (fired != wanted).sum() == different  # of 200,000


@pytest.mark.parametrize("bits", range(12, 17))
def test_coefficients_fit_their_width_and_keep_the_frequency(bits):
    for w_max in (1.0, 1000.0, 10000.0, 60000.0):
        params = Coupled.from_paper(40, w_max, coefficient_bits=bits)
        wanted = w_max ** (-2 * np.arange(20) / 40)
        assert max(np.abs(params.tan_mant).max(), np.abs(params.sin_mant).max()) < 2 ** (bits - 1)
        # Both mantissas have bits - 2 significant bits or more, and the better of the near products is taken.
        assert (np.abs(params.omega / wanted - 1) < 2.0 ** (1 - bits)).all()


def test_quick_drift():
    assert_drift(drift(Coupled.from_paper(40), 20_000), amplitude=1.5e-3, phase=1e-3)


@pytest.mark.slow
def test_drift_over_a_million_steps():
    for bits, figures in drift_of_widths(10**6).items():
        print(bits, figures)
        assert_drift(figures, amplitude=1.5e-3, phase=5e-3)


def assert_drift(figures, amplitude, phase):
    """Bound the relative change of the amplitude, and the phase [rad] against the coefficients' own frequency."""
    assert max(abs(figures["amplitude low"]), abs(figures["amplitude high"])) < amplitude
    assert figures["phase, own frequency"] < phase


def drift_of_widths(num_steps):
    """Drift of the paper's twenty pairs at 12, 14 and 16 bits, run side by side in one record."""
    widths = {bits: Coupled.from_paper(40, coefficient_bits=bits) for bits in (12, 14, 16)}
    names = ("tan_mant", "tan_exp", "sin_mant", "sin_exp")
    joined = {name: np.concatenate([getattr(p, name) for p in widths.values()]) for name in names}
    threshold = next(iter(widths.values())).threshold[0]
    together = Coupled(num_neurons=120, threshold=threshold, **joined)
    pairs = per_pair(together, num_steps)
    wanted = 10000.0 ** (-2 * np.arange(20) / 40)
    return {
        bits: summary({name: value[20 * i : 20 * i + 20] for name, value in pairs.items()}, wanted)
        for i, bits in enumerate(widths)
    }


def drift(params, num_steps):
    n = params.num_neurons
    return summary(per_pair(params, num_steps), 10000.0 ** (-2 * np.arange((n + 1) // 2) / n))


def per_pair(params, num_steps, chunk=10_000):
    """Extremes of each pair's amplitude and its largest phase error, every step looked at."""
    state = coupled.reset(params)
    low, high, phase = np.full(params.omega.shape, np.inf), np.zeros(params.omega.shape), 0.0
    for begin in range(0, num_steps, chunk):
        v1, v2 = [], []
        for _ in range(chunk):
            v1.append(state.v1)
            v2.append(state.v2)
            _, state = coupled.step(params, state)
        z = np.array(v1) + 1j * np.array(v2)
        low, high = np.minimum(low, np.abs(z).min(axis=0)), np.maximum(high, np.abs(z).max(axis=0))
        ideal = np.exp(-1j * np.arange(begin, begin + chunk)[:, None] * params.omega)
        phase = np.maximum(phase, np.abs(np.angle(z * ideal)).max(axis=0))
    return {"low": low / AMPLITUDE - 1, "high": high / AMPLITUDE - 1, "phase": phase, "omega": params.omega}


def summary(pairs, wanted):
    return {
        "amplitude low": pairs["low"].min(),
        "amplitude high": pairs["high"].max(),
        "phase, own frequency": pairs["phase"].max(),
        "frequency error": np.abs(pairs["omega"] / wanted - 1).max(),
        "frequency error, rad a million steps": np.abs(pairs["omega"] - wanted).max() * 1e6,
    }


def test_a_batch_equals_its_rows():
    params = Coupled.from_paper(7, period=5)
    state = coupled.reset(params, (2, 3))
    assert state.v1.shape == state.v2.shape == (2, 3, 4)

    for p in range(8):
        fired, state = coupled.step(params, state)
        one = run(params, p + 1)[1][p]
        assert fired.shape == (2, 3, 7)
        assert (fired == one).all()
    assert state.t.tolist() == [[3, 3, 3]] * 2


GOOD = dict(num_neurons=2, tan_mant=-100, tan_exp=10, sin_mant=200, sin_exp=10, threshold=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(num_neurons=0), "Coupled num_neurons = 0 is not"),
        (dict(coefficient_bits=17), r"Coupled coefficient_bits = 17 is not a whole number in 12\.\.16"),
        (
            dict(tan_mant=-2048, coefficient_bits=12),
            r"Coupled tan_mant = -2048 is not a whole number in -2047\.\.2047",
        ),
        (dict(sin_exp=32), r"Coupled sin_exp = 32 is not a whole number in 0\.\.31"),
        (dict(threshold=2**23), "Coupled threshold = 8388608 is not"),
        (dict(v1_initial=2**23), "Coupled v1_initial = 8388608 is not"),
        (dict(tan_mant=[-100, -100]), r"Coupled tan_mant: shape \(2,\) fits neither one value nor 1 neurons"),
        (dict(period=-1), "Coupled period = -1 is not"),
        (dict(sin_mant=-200), r"Coupled pair 0: shears -0\.097\d+ and -0\.195\d+ make no rotation\. Give them opp"),
        (dict(sin_mant=0), "Coupled pair 0: shears .* make no rotation"),
        (
            dict(v1_initial=8000000, v2_initial=8000000),
            r"Coupled pair 0 reaches \d+, past the 24-bit register \(8388607\)\. Scale v1_initial, .* by 0\.\d+ or",
        ),
    ],
)
def test_bad_records_are_refused(change, message):
    with pytest.raises(RecordError, match=message):
        Coupled(**{**GOOD, **change})


def test_registers_that_are_scaled_as_told_are_accepted():
    with pytest.raises(RecordError) as error:
        Coupled(**GOOD, v1_initial=8000000, v2_initial=8000000)
    scale = float(str(error.value).split(" by ")[1].split()[0])

    states, _, _ = run(Coupled(**GOOD, v1_initial=int(8000000 * scale), v2_initial=int(8000000 * scale)), 500)

    assert 0.95 * (2**23 - 1) < np.abs(states).max() < 2**23 - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_neurons=0), "from_paper: num_neurons = 0 is not"),
        (dict(threshold=1.0), r"threshold = 1\.0 is not between -1 and 1"),
        (dict(w_max=-1.0), r"w_max = -1\.0 is not a positive number"),
        (dict(coefficient_bits=11), r"Coupled coefficient_bits = 11 is not a whole number in 12\.\.16"),
        (
            dict(w_max=1e9),
            r"w_max = 1000000000\.0 gives pair \d+ omega = .* rad a step, outside the 1\.526e-05\.\.pi/2 of coupled",
        ),
        (dict(w_max=0.1), r"gives pair \d+ omega = .* Change w_max, or use cpg\.Phase instead"),
    ],
)
def test_bad_parameters_of_the_paper_are_refused(arguments, message):
    with pytest.raises(RecordError, match=message):
        Coupled.from_paper(**{"num_neurons": 40, **arguments})


def test_the_fastest_oscillator_stays_in_the_register():
    params = Coupled.from_paper(2, w_max=1.0)
    quarter = dataclasses.replace(params, tan_mant=-(2**14), tan_exp=14, sin_mant=2**14, sin_exp=14)

    states, fired, _ = run(dataclasses.replace(quarter, threshold=AMPLITUDE), 4)

    assert math.isclose(quarter.omega[0], math.pi / 2)
    assert fired.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]  # a register equal to the threshold fires
    assert states[:, :, 0].tolist() == [[AMPLITUDE, 0], [0, AMPLITUDE], [-AMPLITUDE, 0], [0, -AMPLITUDE]]


def test_a_rounded_rotation_matrix_of_the_same_width_loses_its_amplitude():
    """Why the step is three shears: the second oscillator of the paper, its matrix rounded to 16 bits."""
    omega = 10000.0 ** (-2 / 40)
    cos, sin = round(math.cos(omega) * 2**15), round(math.sin(omega) * 2**15)
    x, y = AMPLITUDE, 0

    for _ in range(100_000):
        x, y = shear(shear(0, x, cos, 15), -y, sin, 15), shear(shear(0, x, sin, 15), y, cos, 15)

    assert math.hypot(x, y) < 0.6 * AMPLITUDE

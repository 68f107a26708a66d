"""Every neuron's step against an oracle written from its equations in Python's own integers."""

import numpy as np
import strategies as some
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.contract import real
from spikeproof.contract.neurons import (
    adrf,
    adrf_iz,
    alif,
    celif,
    cuba,
    delta,
    membrane,
    readout,
    rf,
    rf_iz,
    sigma_delta,
)
from spikeproof.contract.neurons.bases.adaptive import AdaptiveResonatorState

N = 3


def toward_zero(x, k):
    return abs(x) // 2**k * (1 if x >= 0 else -1)


def clip(x):
    return max(-(2**23 - 1), min(2**23 - 1, x))


def shifted(x, k):
    return x * 2**k if k >= 0 else toward_zero(x, -k)


def wrapped(x):
    return (x + 2**31) % 2**32 - 2**31


def decayed(x, lost):
    return toward_zero(x * (4096 - lost), 12)


@given(st.data())
def test_celif_step_is_its_equations(data):
    params = data.draw(some.celif_params(N))
    v, h, x = (data.draw(some.arrays(what, N)) for what in (some.states, some.states, some.sums))
    s, te = data.draw(some.arrays(some.spikes, N)), data.draw(some.arrays(some.encodings, N))

    spikes, state = celif.step(params, celif.CELIFState(v=v, h=h, s=s), x, te)

    for i in range(N):
        old_v, old_h, fired, sum_, row = (int(array[i]) for array in (v, h, s, x, te))
        new_h = clip(decayed(old_h, int(params.th_decay[i])) + toward_zero(old_v * row, params.te_exp))
        current = sum_ * 2**params.a_shift + int(params.bias_mant[i]) * 2**params.bias_exp
        new_v = clip(decayed(0 if fired else old_v, int(params.v_decay[i])) + current)
        fires = int(new_v > clip(params.v_th_mant * 64 + new_h))
        assert (state.h[i], state.v[i], state.s[i], spikes[i]) == (new_h, new_v, fires, fires)


def relaxed(params, i, theta, r, fired):
    rest = params.v_th_mant * 64
    raised = clip(theta + params.v_th_step * 64) if fired else theta
    new_r = decayed(clip(r + 2 * theta) if fired else r, int(params.ref_decay[i]))
    return clip(rest + decayed(raised - rest, int(params.th_decay[i]))), new_r


@given(st.data())
def test_alif_step_is_its_equations(data):
    params = data.draw(some.alif_params(N))
    u, v, theta, r = (data.draw(some.arrays(some.states, N)) for _ in range(4))
    s, x = data.draw(some.arrays(some.spikes, N)), data.draw(some.arrays(some.sums, N))

    sent, state = alif.step(params, alif.ALIFState(u=u, v=v, theta=theta, r=r, s=s), x)

    for i in range(N):
        old_u, old_v, old_theta, old_r, fired, sum_ = (int(array[i]) for array in (u, v, theta, r, s, x))
        new_u = clip(decayed(old_u, int(params.u_decay[i])) + shifted(sum_, params.a_shift))
        new_v = clip(decayed(old_v, int(params.v_decay[i])) + new_u)
        new_theta, new_r = relaxed(params, i, old_theta, old_r, fired)
        fires = int(new_v >= new_theta + new_r)
        assert tuple(int(array[i]) for array in state) == (new_u, new_v, new_theta, new_r, fires)
        assert sent[i] == (fires * new_v if params.graded else fires)


def turned(params, i, real, imag, x_real, x_imag):
    sin, cos, k = int(params.sin_decay[i]), int(params.cos_decay[i]), params.a_shift
    a, b = shifted(x_real, k), shifted(x_imag, k)
    return (
        clip(toward_zero(cos * real, 12) - toward_zero(sin * imag, 12) + a),
        clip(toward_zero(sin * real, 12) + toward_zero(cos * imag, 12) + b),
    )


@given(st.data())
def test_rf_step_is_its_equations(data):
    params = data.draw(some.rf_params(N))
    real, imag = (data.draw(some.arrays(some.states, N)) for _ in range(2))
    x = data.draw(some.arrays(some.sums, 2 * N))

    sent, state = rf.step(params, rf.RFState(real=real, imag=imag), x)

    for i in range(N):
        new_real, new_imag = turned(params, i, int(real[i]), int(imag[i]), int(x[i]), int(x[N + i]))
        fires = int(new_real >= params.v_th_mant * 64 and imag[i] < 0 <= new_imag)
        assert (state.real[i], state.imag[i]) == (new_real, new_imag)
        assert sent[i] == (fires * new_real if params.graded else fires)


@given(st.data())
def test_rf_iz_step_is_its_equations(data):
    params = data.draw(some.rf_iz_params(N))
    real, imag = (data.draw(some.arrays(some.states, N)) for _ in range(2))
    x = data.draw(some.arrays(some.sums, 2 * N))

    sent, state = rf_iz.step(params, rf_iz.RFIZState(real=real, imag=imag), x)

    for i in range(N):
        new_real, new_imag = turned(params, i, int(real[i]), int(imag[i]), int(x[i]), int(x[N + i]))
        fires = int(new_imag >= params.v_th_mant * 64)
        assert (state.real[i], state.imag[i]) == ((0, params.v_th_mant * 64 - 1) if fires else (new_real, new_imag))
        assert sent[i] == (fires * new_imag if params.graded else fires)


@given(st.data())
def test_adrf_step_is_its_equations(data):
    params = data.draw(some.adrf_params(N))
    real, imag, theta, r = (data.draw(some.arrays(some.states, N)) for _ in range(4))
    s, x = data.draw(some.arrays(some.spikes, N)), data.draw(some.arrays(some.sums, 2 * N))

    sent, state = adrf.step(params, AdaptiveResonatorState(real=real, imag=imag, theta=theta, r=r, s=s), x)

    for i in range(N):
        new_real, new_imag = turned(params, i, int(real[i]), int(imag[i]), int(x[i]), int(x[N + i]))
        new_theta, new_r = relaxed(params, i, int(theta[i]), int(r[i]), int(s[i]))
        fires = int(new_real >= new_theta + new_r and imag[i] < 0 <= new_imag)
        assert tuple(int(array[i]) for array in state) == (new_real, new_imag, new_theta, new_r, fires)
        assert sent[i] == (fires * new_real if params.graded else fires)


@given(st.data())
def test_adrf_iz_step_is_its_equations(data):
    params = data.draw(some.adrf_iz_params(N))
    real, imag, theta, r = (data.draw(some.arrays(some.states, N)) for _ in range(4))
    s, x = data.draw(some.arrays(some.spikes, N)), data.draw(some.arrays(some.sums, 2 * N))

    sent, state = adrf_iz.step(params, AdaptiveResonatorState(real=real, imag=imag, theta=theta, r=r, s=s), x)

    for i in range(N):
        new_real, new_imag = turned(params, i, int(real[i]), int(imag[i]), int(x[i]), int(x[N + i]))
        new_theta, new_r = relaxed(params, i, int(theta[i]), int(r[i]), int(s[i]))
        fires = int(new_imag >= new_theta + new_r)
        assert tuple(int(array[i]) for array in state) == (new_real, new_imag, new_theta, new_r, fires)
        assert sent[i] == (fires * new_imag if params.graded else fires)


def integrated(params, i, u, v, x):
    """What a CUBA neuron makes of its registers and a sum, before it compares."""
    new_u = wrapped(decayed(u, int(params.u_decay[i])) + shifted(x, params.a_shift))
    new_u = new_u - 2**24 if new_u > 2**23 else new_u + 2**24 if new_u <= -(2**23) else new_u
    received = shifted(new_u + int(params.bias_mant[i]) * 64, params.u_shift)
    return new_u, clip(decayed(v, int(params.v_decay[i])) + received)


@given(st.data())
def test_membrane_step_is_its_equations(data):
    params = data.draw(some.membrane_params(N))
    u, v = (data.draw(some.arrays(what, N)) for what in (some.currents, some.states))
    x = data.draw(some.arrays(some.sums | some.port, N))

    sent, state = membrane.step(params, membrane.MembraneState(u=u, v=v), x)

    for i in range(N):
        assert (state.u[i], state.v[i]) == integrated(params, i, int(u[i]), int(v[i]), int(x[i]))
    assert not sent.any()


@given(st.data())
def test_delta_step_is_its_equations(data):
    params = data.draw(some.delta_params(N))
    act, residue, x = (data.draw(some.arrays(some.port, N)) for _ in range(3))

    sent, state = delta.step(params, delta.DeltaState(act=act, residue=residue), x)

    for i in range(N):
        change = wrapped(int(x[i]) - int(act[i]) + int(residue[i]))
        reached = change != -(2**31) and abs(change) >= params.v_th[i]
        k = params.state_exp
        assert sent[i] == (0 if not reached else change // 2**k if k >= 0 else wrapped(change * 2**-k))
        assert (state.act[i], state.residue[i]) == (x[i], 0 if reached else change)


@given(st.data())
def test_cuba_step_is_its_equations(data):
    params = data.draw(some.cuba_params(N))
    u, v = (data.draw(some.arrays(what, N)) for what in (some.currents, some.states))
    x = data.draw(some.arrays(some.sums | some.port, N))

    sent, state = cuba.step(params, cuba.CUBAState(u=u, v=v), x)

    for i in range(N):
        new_u, new_v = integrated(params, i, int(u[i]), int(v[i]), int(x[i]))
        fires = int(new_v > params.v_th_mant * 64)
        assert (state.u[i], state.v[i]) == (new_u, 0 if fires else new_v)
        assert sent[i] == (fires * new_v if params.graded else fires)


@given(st.data())
def test_sigma_delta_step_is_its_equations(data):
    params = data.draw(some.sigma_delta_params(N))
    sigma, residue, x = (data.draw(some.arrays(some.port, N)) for _ in range(3))
    act = np.abs(data.draw(some.arrays(some.port, N)))

    sent, state = sigma_delta.step(params, sigma_delta.SigmaDeltaState(sigma=sigma, act=act, residue=residue), x)

    for i in range(N):
        new_sigma = wrapped(int(sigma[i]) + int(x[i]))
        new_act = max(wrapped(new_sigma + int(params.bias[i])), 0)
        delta = wrapped(new_act - int(act[i]) + int(residue[i]))
        reached = delta != -(2**31) and abs(delta) >= params.v_th[i]
        k = params.state_exp
        assert sent[i] == (0 if not reached else delta // 2**k if k >= 0 else wrapped(delta * 2**-k))
        assert (state.sigma[i], state.act[i], state.residue[i]) == (new_sigma, new_act, 0 if reached else delta)


@given(st.data())
def test_readout_step_is_its_equations(data):
    params = data.draw(some.readout_params(N))
    v, x = data.draw(some.arrays(some.states, N)), data.draw(some.arrays(some.sums, N))

    spikes, state = readout.step(params, readout.ReadoutState(v=v), x)

    for i in range(N):
        total = (
            decayed(int(v[i]), params.v_decay)
            + int(x[i]) * 2**params.a_shift
            + int(params.bias_mant[i]) * 2**params.bias_exp
        )
        assert (state.v[i], spikes[i]) == (clip(total), 0)


def test_celif_fires_strictly_above_its_threshold():
    params = celif.CELIF(num_neurons=3, v_decay=0, th_decay=0, v_th_mant=1, te_exp=0, a_shift=0)

    spikes, _ = celif.step(params, celif.reset(params), [63, 64, 65], [0, 0, 0])

    assert spikes.tolist() == [0, 0, 1]


def test_celif_adapts_to_the_membrane_before_its_reset_and_resets_a_step_later():
    params = celif.CELIF(num_neurons=1, v_decay=0, th_decay=0, v_th_mant=1, te_exp=0, a_shift=0)

    _, fired = celif.step(params, celif.reset(params), [100], [7])
    _, after = celif.step(params, fired, [5], [2])

    assert (fired.v[0], fired.h[0], fired.s[0]) == (100, 0, 1)
    assert (after.v[0], after.h[0], after.s[0]) == (5, 200, 0)


@given(st.data())
def test_updating_the_threshold_at_the_end_of_the_step_gives_the_same_neuron(data):
    """Hardware has lost the membrane of a neuron that fired by the next step; so it adapts at the end of this one."""
    steps = data.draw(st.integers(1, 12))
    params = data.draw(some.celif_params(N))
    x, te = data.draw(some.arrays(some.sums, steps, N)), data.draw(some.arrays(some.encodings, steps, N))

    state = celif.reset(params)
    raster, membrane = [], []
    for t in range(steps):
        spikes, state = celif.step(params, state, x[t], te[t])
        raster.append(spikes.tolist())
        membrane.append(state.v.tolist())

    v, h = np.zeros(N, int), np.zeros(N, int)
    early_raster, early_membrane = [], []
    for t in range(steps):
        current = x[t] * 2**params.a_shift + params.bias_mant.astype(int) * 2**params.bias_exp
        v = np.array([clip(decayed(int(v[i]), int(params.v_decay[i])) + int(current[i])) for i in range(N)])
        early_membrane.append(v.tolist())
        fires = v > celif.threshold(params, h)
        early_raster.append(fires.astype(int).tolist())
        following = te[t + 1] if t + 1 < steps else np.zeros(N, int)
        h = np.array(
            [
                clip(decayed(int(h[i]), int(params.th_decay[i])) + toward_zero(int(v[i] * following[i]), params.te_exp))
                for i in range(N)
            ]
        )
        v = np.where(fires, 0, v)

    assert (raster, membrane) == (early_raster, early_membrane)


@given(st.data())
def test_a_batch_is_its_rows(data):
    params = data.draw(some.celif_params(N))
    x, te = data.draw(some.arrays(some.sums, 2, N)), data.draw(some.arrays(some.encodings, N))
    v, h, s = (data.draw(some.arrays(what, 2, N)) for what in (some.states, some.states, some.spikes))

    spikes, state = celif.step(params, celif.CELIFState(v, h, s), x, te)

    for row in range(2):
        one, alone = celif.step(params, celif.CELIFState(v[row], h[row], s[row]), x[row], te)
        assert one.tolist() == spikes[row].tolist()
        assert [part.tolist() for part in alone] == [part[row].tolist() for part in state]


def test_the_real_neuron_neither_rounds_nor_saturates():
    params = celif.CELIF(num_neurons=1, v_decay=1, th_decay=0, v_th_mant=0, te_exp=9, a_shift=6)
    state = celif.CELIFState(v=np.array([-1.0]), h=np.array([0.5]), s=np.array([0]))

    spikes, after = celif.step(params, state, [0], [1], real)

    assert after.v[0] == -4095 / 4096
    assert after.h[0] == 0.5 - 1 / 512
    assert spikes.tolist() == [0]
    big = celif.step(params, state, [2**24], [1], real)[1]
    assert big.v[0] > 2**29

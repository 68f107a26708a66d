"""Every neuron's step against an oracle written from its equations in Python's own integers."""

import numpy as np
import oracles
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st
from oracles import clip, decayed, toward_zero

from spikeproof.contract import real
from spikeproof.contract.neurons import KINDS, celif

N = 3


@pytest.mark.parametrize("name", KINDS)
@given(st.data())
def test_a_step_is_its_equations(name, data):
    kind = KINDS[name]
    oracle = oracles.of(kind)
    params = data.draw(some.params(kind, N))
    ranges = {"s": "spikes", **getattr(oracle, "RANGES", {})}
    before = {
        register: data.draw(some.arrays(getattr(some, ranges.get(register, "states")), N))
        for register in kind.State._fields
    }
    x = data.draw(some.arrays(some.sums | some.port if getattr(oracle, "WIDE", False) else some.sums, kind.sums * N))
    te = data.draw(some.arrays(some.encodings, N)) if kind.takes_te else None

    sent, state = params.step(kind.State(**before), x, *([] if te is None else [te]))

    seen = {**state._asdict(), **params.observed(state)}
    assert set(kind.registers) <= set(seen)
    for i in range(N):
        sums = (int(x[i]), int(x[N + i])) if kind.sums == 2 else int(x[i])
        registers = {register: int(values[i]) for register, values in before.items()}
        spike, after = oracle.step(oracles.one(params, i), registers, sums, None if te is None else int(te[i]))
        assert int(sent[i]) == spike
        assert {register: int(values[i]) for register, values in seen.items()} == after


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_documents_its_fields(name):
    kind = KINDS[name]
    for field in some.declared(kind):
        assert f"\n{field} : " in kind.__doc__
    assert kind.step.__doc__ and kind.__module__.rpartition(".")[2] != "bases"


def test_celif_fires_strictly_above_its_threshold():
    params = celif.CELIF(num_neurons=3, v_decay=0, th_decay=0, v_th_mant=1, te_exp=0, a_shift=0)

    spikes, _ = params.step(params.reset(), [63, 64, 65], [0, 0, 0])

    assert spikes.tolist() == [0, 0, 1]


def test_celif_adapts_to_the_membrane_before_its_reset_and_resets_a_step_later():
    params = celif.CELIF(num_neurons=1, v_decay=0, th_decay=0, v_th_mant=1, te_exp=0, a_shift=0)

    _, fired = params.step(params.reset(), [100], [7])
    _, after = params.step(fired, [5], [2])

    assert (fired.v[0], fired.h[0], fired.s[0]) == (100, 0, 1)
    assert (after.v[0], after.h[0], after.s[0]) == (5, 200, 0)


@given(st.data())
def test_updating_the_threshold_at_the_end_of_the_step_gives_the_same_neuron(data):
    """Hardware has lost the membrane of a neuron that fired by the next step; so it adapts at the end of this one."""
    steps = data.draw(st.integers(1, 12))
    params = data.draw(some.params(celif.CELIF, N))
    x, te = data.draw(some.arrays(some.sums, steps, N)), data.draw(some.arrays(some.encodings, steps, N))

    state = params.reset()
    raster, membrane = [], []
    for t in range(steps):
        spikes, state = params.step(state, x[t], te[t])
        raster.append(spikes.tolist())
        membrane.append(state.v.tolist())

    v, h = np.zeros(N, int), np.zeros(N, int)
    early_raster, early_membrane = [], []
    for t in range(steps):
        current = x[t] * 2**params.a_shift + params.bias_mant.astype(int) * 2**params.bias_exp
        v = np.array([clip(decayed(int(v[i]), int(params.v_decay[i])) + int(current[i])) for i in range(N)])
        early_membrane.append(v.tolist())
        fires = v > params.threshold(h)
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
    params = data.draw(some.params(celif.CELIF, N))
    x, te = data.draw(some.arrays(some.sums, 2, N)), data.draw(some.arrays(some.encodings, N))
    v, h, s = (data.draw(some.arrays(what, 2, N)) for what in (some.states, some.states, some.spikes))

    spikes, state = params.step(celif.CELIFState(v, h, s), x, te)

    for row in range(2):
        one, alone = params.step(celif.CELIFState(v[row], h[row], s[row]), x[row], te)
        assert one.tolist() == spikes[row].tolist()
        assert [part.tolist() for part in alone] == [part[row].tolist() for part in state]


def test_the_real_neuron_neither_rounds_nor_saturates():
    params = celif.CELIF(num_neurons=1, v_decay=1, th_decay=0, v_th_mant=0, te_exp=9, a_shift=6)
    state = celif.CELIFState(v=np.array([-1.0]), h=np.array([0.5]), s=np.array([0]))

    spikes, after = params.step(state, [0], [1], real)

    assert after.v[0] == -4095 / 4096
    assert after.h[0] == 0.5 - 1 / 512
    assert spikes.tolist() == [0]
    big = params.step(state, [2**24], [1], real)[1]
    assert big.v[0] > 2**29

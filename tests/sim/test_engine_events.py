"""The compiled paths of recurrent layers and of sparse input, against the contract's steps in every register."""

import numpy as np
import pytest
from graphs import graph
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nets

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.alif import ALIF
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import engine, reference
from spikeproof.sim.compare import compare
from spikeproof.sim.engine import session
from spikeproof.sim.engine.layers import RunLayer

EVERY, NO = 2.0, 0.0
"""Density below which input is taken for sparse: all of it, none of it."""


def thin(payload, random, density):
    return (payload * (random.random(payload.shape) < density)).astype(np.int32)


def extremes(net, samples, random):
    """Payloads at and beside the ends of their range, and zeros."""
    parts = []
    for source in net.inputs:
        most, low = source.max_payload, -source.max_payload if source.bits else 0
        values = [low, min(low + 1, most), 0, 0, 0, max(most - 1, low), most]
        parts.append(random.choice(values, (samples, source.num_channels, net.steps)))
    return np.concatenate(parts, axis=1).astype(np.int32)


def assert_equal(expected, trace):
    comparison = compare(expected, trace)
    assert comparison.first is None, str(comparison)


@settings(max_examples=60)
@given(
    net=nets(),
    seed=st.integers(0, 2**16),
    block=st.integers(1, 40),
    sparse=st.sampled_from((EVERY, NO)),
    density=st.sampled_from((0.0, 0.02, 0.3, 1.0)),
)
def test_any_network_is_exact_whichever_way_its_input_is_added_up(net, seed, block, sparse, density):
    random = np.random.default_rng(seed)
    payload = thin(extremes(net, 3, random), random, density)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "_SPARSE", sparse)
        assert_equal(reference.run(net, payload), engine.run(net, payload, block=block, threads=1))


@pytest.mark.parametrize("seed", range(60))
def test_graphs_with_sparse_inputs_are_exact(seed, monkeypatch):
    monkeypatch.setattr(session, "_SPARSE", EVERY)
    net, payload = graph(seed)
    payload = thin(payload, np.random.default_rng(seed), 0.3)
    assert_equal(reference.run(net, payload), engine.run(net, payload))


def recurrent(kind, random, *, n=37, steps=90, inputs=21):
    """A recurrent layer in front of another one, which fire in some 5 to 40 % of the steps."""
    common = {"num_neurons": n, "v_th_mant": 160}
    decays = random.choice([0, 41, 2048, 4000, 4096], (2, n))
    hidden = {
        CUBA: lambda: CUBA(u_decay=decays[0], v_decay=decays[1], **common),
        CELIF: lambda: CELIF(v_decay=decays[0], th_decay=decays[1], te_exp=8, **common),
        ALIF: lambda: ALIF(u_decay=2048, v_decay=300, th_decay=500, ref_decay=800, v_th_step=900, **common),
    }[kind]()
    weight = 2 * random.integers(-30, 50, (n, inputs))
    back = 2 * random.integers(-25, 22, (n, n))
    layers = (
        Layer(name="a", synapse=Dense(weight=weight), neuron=hidden, feedback=Dense(weight=back)),
        Layer(
            name="b",
            synapse=Dense(weight=2 * random.integers(-20, 30, (5, n))),
            neuron=CUBA(num_neurons=5, u_decay=1024, v_decay=512, v_th_mant=2000),
        ),
    )
    te = random.integers(-128, 128, (steps, n)) if kind is CELIF else None
    return Net(inputs=(Input(num_channels=inputs),), layers=layers, steps=steps, te=te)


@pytest.mark.parametrize("kind", [CUBA, CELIF, ALIF])
@pytest.mark.parametrize("block", [None, 1, 7, 90])
@pytest.mark.parametrize("path", [{}, {"event_driven": False}, {"exact_float32": False}])
def test_recurrent_layers_are_exact_in_every_register(kind, block, path):
    random = np.random.default_rng(0)
    net = recurrent(kind, random)
    payload = (random.random((6, 21, 90)) < 0.1).astype(np.int32)

    session = engine.Session(net, 6, record="all", block=block, threads=2, **path)
    # In chunks, so that what is fed back crosses their ends.
    parts = [session.feed(payload[..., a:b]) for a, b in ((0, 1), (1, 40), (40, 40), (40, 90))]

    expected = reference.run(net, payload)
    fired = [float(expected.layers[name]["s"].mean()) for name in "ab"]
    assert 0.005 < fired[0] < 0.6 and 0 < fired[1] < 1, fired
    for name, of in expected.layers.items():
        for key, array in of.items():
            assert np.array_equal(np.concatenate([part.layers[name][key] for part in parts], -1), array), (name, key)


def test_a_new_sample_begins_without_what_the_last_one_fed_back():
    random = np.random.default_rng(1)
    net = recurrent(CUBA, random, steps=20)
    payload = (random.random((2, 21, 20)) < 0.3).astype(np.int32)
    streamed = engine.Session(net, 1, record="all").feed(payload.transpose(1, 0, 2).reshape(1, 21, 40))
    expected = reference.run(net, payload)
    assert expected.layers["a"]["s"][0, :, -1].any()
    for name, of in expected.layers.items():
        for key, array in of.items():
            assert np.array_equal(streamed.layers[name][key][0], np.concatenate(array, axis=-1)), (name, key)


def test_which_recurrent_layers_have_a_compiled_loop():
    random = np.random.default_rng(0)
    by_step = {kind: RunLayer(recurrent(kind, random), 0).runs_by_step for kind in (CUBA, CELIF, ALIF)}
    assert by_step == {CUBA: False, CELIF: False, ALIF: True}


def test_input_that_does_not_lie_in_one_piece_is_exact_too():
    random = np.random.default_rng(2)
    net = recurrent(CUBA, random)
    payload = (random.random((21, 90, 4)) < 0.1).astype(np.int64).transpose(2, 0, 1)
    assert_equal(reference.run(net, payload), engine.run(net, payload))

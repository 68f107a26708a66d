"""The batch engine against the contract's steps: every register, whatever the blocks, threads, chunks and paths."""

import subprocess
import sys
import threading
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nets, oscillators

from spikeproof.contract.errors import InputError
from spikeproof.contract.fixed import STATE_MAX
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources import raster
from spikeproof.contract.sources.coupled import Coupled
from spikeproof.contract.sources.driven import Driven
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import engine, reference
from spikeproof.sim.compare import compare
from spikeproof.sim.engine import session
from spikeproof.sim.engine import threads as engine_threads
from spikeproof.sim.engine.layers import RunLayer, Sources
from spikeproof.sim.engine.synapses import prefers_events
from spikeproof.sim.lava import backend as lava_backend

PATHS = [{"event_driven": a, "exact_float32": b} for a in (True, False) for b in (True, False)]


def payload_for(net, samples, random, density=1.0):
    largest = net.input.max_payload
    low = -largest if net.input.bits else 0
    shape = (samples, net.input.num_channels, net.steps)
    values = random.integers(low, largest + 1, shape)
    extreme = random.choice([low, largest], shape)
    payload = np.where(random.random(shape) < 0.3, extreme, values)
    return (payload * (random.random(shape) < density)).astype(np.int32)


def big_net(random, *, widths, steps, kind="mixed", bits=0, cpg=False, driven=False, te_rows=None):
    """A net of any width whose hidden layers fire in some 5 to 40 % of the steps."""
    kinds = {"celif": "e", "cuba": "u", "mixed": "eu"}[kind]
    layers, num_cpg = [], 6 if cpg else 0
    for i, (inputs, n) in enumerate(pairwise(widths)):
        weight = 2 * random.integers(-60, 75, (n, inputs + num_cpg))
        a_shift = 6 - 6 * bool(bits and i == 0)
        if i + 2 == len(widths):
            neuron = Readout(num_neurons=n, a_shift=a_shift, bias_mant=random.integers(-9, 9, n), bias_exp=3)
        elif kinds[i % len(kinds)] == "e":
            neuron = CELIF(
                num_neurons=n, v_decay=random.choice([0, 41, 2048, 4000, 4096], n), te_exp=8,
                th_decay=random.choice([0, 41, 400, 4096], n), v_th_mant=300, a_shift=a_shift,
                bias_mant=random.integers(-99, 99, n), bias_exp=6,
            )  # fmt: skip
        else:
            neuron = CUBA(
                num_neurons=n, u_decay=random.choice([100, 2048, 4096], n), v_decay=random.choice([0, 99, 4096], n),
                v_th_mant=900, bias_mant=random.integers(-50, 50, n),
            )  # fmt: skip
        beside = Coupled.from_paper(num_cpg, w_max=20.0) if cpg else None
        layers.append(Layer(name=f"l{i}", synapse=Dense(weight=weight), neuron=neuron, cpg=beside))
    te, widest = None, max(widths)
    if "e" in kinds:
        te = random.integers(-128, 128, (te_rows or steps, widest))
        if driven:
            te = Driven(cpg=Coupled.from_paper(8, w_max=50.0), matrix=te[np.arange(widest) % len(te), :8])
    input_ = Input(num_channels=widths[0], bits=bits, exp=-bits + 1 if bits else 0)
    return Net(inputs=(input_,), layers=tuple(layers), steps=steps, te=te)


def assert_same(expected, actual):
    comparison = compare(expected, actual)
    assert comparison.first is None, str(comparison)
    for name, variables in actual.layers.items():
        for key, array in variables.items():
            assert array.dtype == expected.layers[name][key].dtype


def run(net, payload, **options):
    session = engine.Session(net, len(payload), record="all", **options)
    trace = session.feed(payload)
    assert (session.output == trace.output(net)).all()
    for name, counts in session.counts.items():
        assert (counts == trace.layers[name]["s"].sum(-1)).all()
    return trace


@settings(max_examples=120)
@given(net=nets(), seed=st.integers(0, 2**16), path=st.sampled_from(PATHS), block=st.integers(1, 7))
def test_any_network_of_any_values_is_exact(net, seed, path, block):
    payload = payload_for(net, 3, np.random.default_rng(seed))
    assert_same(reference.run(net, payload), run(net, payload, block=block, threads=1, **path))


@pytest.mark.parametrize("path", [*PATHS, {}])
@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (0, {"widths": (7, 40, 33, 21, 5), "kind": "mixed"}),
        (1, {"widths": (1, 40, 33, 10), "kind": "celif", "bits": 8}),
        (2, {"widths": (12, 64, 64, 10), "kind": "cuba", "bits": 8}),
        (3, {"widths": (3, 17, 30, 9, 4), "kind": "mixed", "cpg": True, "driven": True}),
        (4, {"widths": (2, 30, 31, 3), "kind": "celif", "bits": 15, "cpg": True, "te_rows": 7}),
    ],
)
def test_larger_networks_are_exact_and_every_layer_fires(seed, options, path):
    random = np.random.default_rng(seed)
    net = big_net(random, steps=60, **options)
    payload = payload_for(net, 5, random, density=0.5)

    comparison = compare(reference.run(net, payload), run(net, payload, threads=2, **path))

    assert comparison.exact, str(comparison)
    assert comparison.silent == ()


def one_layer(neuron, weight, *, bits=0, steps=40, te=None):
    layer = Layer(name="a", synapse=Dense(weight=weight), neuron=neuron)
    return Net(inputs=(Input(num_channels=len(weight[0]), bits=bits),), layers=(layer,), steps=steps, te=te)


@pytest.mark.parametrize(("weight", "wide"), [(2, False), (4, True), (254, True)])
def test_cuba_at_the_ends_of_its_registers(weight, wide):
    """Payloads of 2**17 / weight put the current on +-2**23 exactly, the corner at which Lava's wrap is lopsided."""
    neuron = CUBA(num_neurons=4, u_decay=[4096, 0, 1, 2048], v_decay=[4096, 0, 4095, 1], v_th_mant=2**17 - 1)
    # The largest threshold is 2**23 - 64, so the membrane saturates below only.
    net = one_layer(neuron, [[weight]] * 4, bits=17, steps=200)
    corner = 2**17 // weight
    values = [0, corner, -corner, corner + 1, -corner - 1, corner - 1, 1 - corner, 2**17 - 1, 1 - 2**17]
    payload = np.random.default_rng(0).choice(values, (20, 1, 200)).astype(np.int32)

    expected = reference.run(net, payload)

    traced = expected.layers["a"]
    assert (traced["u"] == 2**23).any() or weight == 254
    assert (traced["v"] == -STATE_MAX).any() and traced["s"].any()
    assert (RunLayer(net, 0).neurons.initial.dtype == np.int64) == wide
    assert_same(expected, run(net, payload))


def test_a_current_that_left_24_bits_is_followed():
    net = one_layer(CUBA(num_neurons=2, u_decay=[0, 1], v_decay=0, v_th_mant=9), [[254]] * 2, bits=17, steps=30)
    payload = np.full((1, 1, 30), 2**17 - 1, np.int32)

    expected = reference.run(net, payload)

    assert (np.abs(expected.layers["a"]["u"]) > 2**24).any()
    assert_same(expected, run(net, payload))


@pytest.mark.parametrize("threshold", [0, 4, 2**17 - 2])
def test_thresholds_are_strict(threshold):
    """The membrane meets the threshold exactly, from the weights alone or where both are saturated."""
    celif = CELIF(num_neurons=2, v_decay=4096, th_decay=[0, 4096], v_th_mant=threshold, te_exp=3, a_shift=6)
    cuba = CUBA(num_neurons=2, u_decay=4096, v_decay=4096, v_th_mant=threshold)
    for neuron, te, weight in ((celif, [[0, 0], [0, 1], [0, 127]], 2), (cuba, None, 2), (cuba, None, 4)):
        net = one_layer(neuron, [[weight], [-weight]], bits=17, te=te)
        assert neuron is celif or (RunLayer(net, 0).neurons.initial.dtype == np.int64) == (weight == 4)
        values = np.array([0, 1, -1, 2, -2, 2**15, 2**15 - 1, 2**16 - 1, 2**16, 1 - 2**16])
        payload = np.random.default_rng(0).choice(values, (40, 1, 40)).astype(np.int32)
        expected = reference.run(net, payload)
        traced = expected.layers["a"]
        if neuron is celif:
            assert (traced["v"] == traced["theta"]).any() and (np.abs(traced["h"]) == STATE_MAX).any()
        assert_same(expected, run(net, payload))


def test_sums_that_float32_cannot_hold_are_exact():
    neuron = CELIF(num_neurons=2, v_decay=0, th_decay=0, v_th_mant=9, te_exp=9, a_shift=0)
    net = one_layer(neuron, [[254, -254, 2], [-256, 2, 254]], bits=21, te=[[1, 3]])
    random = np.random.default_rng(0)
    payload = random.integers(2**20, 2**21 - 9, (9, 3, 40)).astype(np.int32)
    payload[:, 1] = payload[:, 0] + random.integers(-9, 9, (9, 40))
    payload[:, 2] = random.integers(-9, 9, (9, 40))
    expected = reference.run(net, payload)
    for path in PATHS:
        assert_same(expected, run(net, payload, **path))


@pytest.mark.parametrize("bits", [15, 16])
def test_float32_is_used_where_it_is_exact_and_nowhere_else(bits):
    net = one_layer(Readout(num_neurons=1), [[254, -256, 2]], bits=bits)
    assert (net.sum_bounds()[0] < 2**24) == (bits == 15)
    assert RunLayer(net, 0).dtype == (np.float32 if bits == 15 else np.float64)
    assert RunLayer(net, 0, exact_float32=False).dtype == np.float64


@pytest.fixture(scope="module")
def case():
    random = np.random.default_rng(5)
    net = big_net(random, widths=(2, 25, 24, 9, 4), steps=50, bits=4, cpg=True, driven=True)
    payload = payload_for(net, 9, random)
    return net, payload, reference.run(net, payload)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("block", [None, 1, 7, 50, 51])
def test_threads_and_blocks_do_not_matter(case, threads, block):
    net, payload, expected = case
    for samples in (1, 9):
        trace = run(net, payload[:samples], threads=threads, block=block)
        assert_same(engine_slice(expected, slice(samples), slice(None)), trace)


def engine_slice(trace, samples, steps):
    layers = {
        layer: {name: array[samples, :, steps] for name, array in of.items()} for layer, of in trace.layers.items()
    }
    return type(trace)(backend=trace.backend, layers=layers)


@given(lengths=st.lists(st.integers(0, 70), max_size=12), block=st.sampled_from((None, 3, 64)))
@settings(max_examples=20)
def test_chunks_of_any_length_make_one_stream_of_samples_back_to_back(case, lengths, block):
    net, payload, expected = case
    streams, each = 3, 3  # three samples in a row on each of three streams
    flat = payload.reshape(streams, each, *payload.shape[1:]).transpose(0, 2, 1, 3).reshape(streams, 2, -1)
    ends = np.minimum(np.cumsum([0, *lengths, flat.shape[-1]]), flat.shape[-1])
    chunks = [flat[..., a:b] for a, b in pairwise(ends)]

    traces = list(engine.stream(net, chunks, record="all", threads=2, block=block))

    for name, of in expected.layers.items():
        for key, array in of.items():
            whole = np.concatenate([trace.layers[name][key] for trace in traces], axis=-1)
            parts = whole.reshape(streams, -1, each, net.steps).transpose(0, 2, 1, 3)
            assert (parts.reshape(array.shape) == array).all(), (name, key)


@given(params=st.integers(1, 4).flatmap(oscillators), lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_oscillators_in_stretches(params, lengths):
    sources, ends = Sources(params), np.cumsum([0, *lengths])
    for _ in range(2):
        rows = [sources.rows(int(a), int(b - a)) for a, b in pairwise(ends)]
        assert (np.concatenate(rows) == raster(params, int(ends[-1]))).all()


def test_long_samples_in_short_windows(monkeypatch, case):
    net, payload, expected = case
    monkeypatch.setattr(session, "_TABLE_BYTES", 1)  # so that encodings are prepared a block at a time
    assert_same(expected, run(net, payload, block=8))


def test_a_sample_cut_short(case):
    net, payload, expected = case
    assert_same(engine_slice(expected, slice(None), slice(31)), engine.run(net, payload[..., :31]))


def test_what_is_recorded(case):
    net, payload, expected = case
    assert_same(expected, engine.run(net, payload))
    chosen = {("l1", "u"), ("l2", "theta"), ("l0", "s")}
    for record, pairs in (
        ("spikes", {("l0", "s"), ("l1", "s"), ("l2", "s")}),
        ("output", {("l3", "v")}),
        (chosen, chosen),
        ([], set()),
    ):
        trace = engine.run(net, payload, record=record)
        assert {(layer, name) for layer, of in trace.layers.items() for name in of} == pairs
        for layer, name in pairs:
            assert (trace.layers[layer][name] == expected.layers[layer][name]).all()
    assert (engine.run(net, payload, record="output").predictions(net) == expected.predictions(net)).all()


def test_counts_and_output_begin_anew_with_each_sample(case):
    net, payload, expected = case
    session = engine.Session(net, 2, record=())
    for pair in (payload[:2], payload[2:4]):
        session.feed(pair[..., :20])
        assert session.steps == 20
        session.feed(pair[..., 20:])
        assert session.steps == net.steps
    assert (session.output == expected.output(net)[2:4]).all()
    assert session.counts.keys() == {"l0", "l1", "l2"}
    for name, counts in session.counts.items():
        assert counts.any() and (counts == expected.layers[name]["s"][2:4].sum(-1)).all()


def test_memory_does_not_grow_with_the_length_of_a_sample(monkeypatch):
    monkeypatch.setattr(session, "_TABLE_BYTES", 2**16)
    random = np.random.default_rng(0)

    def peak(steps):
        net = big_net(random, widths=(1, 64, 10), steps=steps, te_rows=99)
        session = engine.Session(net, record=(), threads=1)
        payload = np.broadcast_to(np.int32(1), (1, 1, steps))
        tracemalloc.start()
        try:
            session.feed(payload)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # compiles
    assert peak(8000) < 1.05 * peak(2000)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (np.zeros((2, 3, 50), np.int32), r"shape \(2, 3, 50\); expected \(2 samples, 2 channels, steps\)"),
        (np.zeros((2, 2), np.int32), r"shape \(2, 2\)"),
        (np.zeros((2, 2, 51), np.int32), "51 steps, but the network's sample period is 50"),
        (np.zeros((2, 2, 50)), "dtype float64"),
        (np.full((2, 2, 50), 16, np.int32), r"from 16 to 16; the network's input carries -15\.\.15"),
        (np.full((2, 2, 50), -16, np.int32), "from -16"),
        (np.zeros((0, 2, 50), np.int32), "num_streams = 0"),
    ],
)
def test_input_that_does_not_fit_is_refused(case, payload, message):
    with pytest.raises(InputError, match=message):
        engine.run(case[0], payload)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": "everything"}, "'everything' is unknown; choose all, spikes, output"),
        ({"record": [("l0", "u")]}, "no variable 'u' of a layer 'l0'. It has l0: s v h theta"),
        ({"record": [("l9", "s")]}, "of a layer 'l9'"),
        ({"threads": 0}, "threads = 0"),
        ({"block": 0}, "block = 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(case, options, message):
    with pytest.raises(InputError, match=message):
        engine.run(case[0], case[1], **options)


def test_few_events_are_added_up_and_many_multiplied():
    assert prefers_events(0.1, 88) and prefers_events(0.25, 1024)
    assert not prefers_events(0.5, 88) and not prefers_events(0.01, 10)


def blas_threads():
    return [pool["num_threads"] for pool in engine_threads._controller().info() if pool["user_api"] == "blas"]


def test_blas_is_held_to_one_thread_until_the_last_session_is_done(case):
    before = blas_threads()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with engine_threads.single_threaded_blas():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with engine_threads.single_threaded_blas():
        thread.start()
        assert entered.wait(10)
        engine.run(case[0], case[1])
    assert set(blas_threads()) == {1}
    leave.set()
    thread.join()
    assert blas_threads() == before


def test_sessions_side_by_side_in_threads(case):
    net, payload, expected = case
    traces = [None] * 3

    def work(i):
        traces[i] = engine.run(net, payload, threads=2, block=5)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for trace in traces:
        assert_same(expected, trace)


def test_a_fault_in_a_thread_reaches_the_caller():
    def task(part):
        if part == 3:
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        engine_threads.share(task, 5, 2)


def test_numba_is_loaded_when_it_is_needed_and_its_absence_explained():
    code = (
        "import sys, spikeproof.sim.engine as engine\n"
        "assert not {'numba', 'torch', 'lava', 'threadpoolctl'} & set(sys.modules)\n"
        "sys.modules['numba'] = None\n"
        "from spikeproof.contract.errors import MissingDependencyError\n"
        "try:\n    engine.Session(None)\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    assert "pip install numba" in subprocess.check_output([sys.executable, "-c", code], text=True)


@pytest.mark.lava
@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (1, {"widths": (3, 9, 8, 7, 3), "bits": 8}),
        (2, {"widths": (6, 9, 8, 4), "kind": "celif", "cpg": True, "driven": True, "bits": 4}),
        (3, {"widths": (6, 9, 8, 4), "kind": "cuba", "cpg": True}),
    ],
)
def test_lava_agrees(seed, options):
    random = np.random.default_rng(seed)
    net = big_net(random, steps=25, **options)
    payload = payload_for(net, 3, random)

    comparison = compare(lava_backend.run(net, payload, deadline=120.0), run(net, payload))

    assert comparison.exact, str(comparison)
    assert comparison.silent == ()

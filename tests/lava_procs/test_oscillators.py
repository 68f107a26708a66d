"""CPG oscillators on Lava: spike for spike the contract, alone, beside inputs, and as temporal encodings."""

import numpy as np
import pytest
from child import answer

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.sources import raster
from spikeproof.contract.sources.coupled import Coupled
from spikeproof.contract.sources.driven import Driven, clipped, received
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.sources.ring import Ring
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import reference
from spikeproof.sim.compare import compare
from spikeproof.sim.lava import backend as lava_backend

SOURCES = {"phase": Phase.from_paper(7, 100.0), "coupled": Coupled.from_paper(6, 50.0, 0.8)}
DEADLINE = 200.0


def relay(params, steps):
    """A network in which each CUBA neuron repeats one oscillator channel and ignores its one input."""
    n = params.num_neurons
    neuron = CUBA(num_neurons=n, u_decay=4096, v_decay=4096, v_th_mant=1)
    weight = np.concatenate([np.zeros((n, 1), int), 2 * np.eye(n, dtype=int)], axis=1)
    layer = Layer(name="relay", synapse=Dense(weight=weight), neuron=neuron, cpg=params)
    return Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=steps)


@pytest.mark.lava
@pytest.mark.parametrize("steps", [1500, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", SOURCES)
def test_lava_spikes_as_the_contract_over_a_long_sample(kind, steps):
    """Nothing drifts and nothing is reset in between."""
    params = SOURCES[kind]

    trace = lava_backend.run(relay(params, steps), np.zeros((1, 1, steps), np.int32), deadline=DEADLINE)

    spikes = trace.layers["relay"]["s"][0].T
    assert np.array_equal(spikes, raster(params, steps))
    assert (spikes[-1000:].sum(0) > 0).sum() >= params.num_neurons - 1


@pytest.mark.lava
@pytest.mark.parametrize("kind", SOURCES)
def test_oscillators_start_anew_with_every_streamed_sample(kind):
    params = SOURCES[kind]

    trace = lava_backend.run(relay(params, 37), np.zeros((5, 1, 37), np.int32), deadline=DEADLINE)

    for sample in trace.layers["relay"]["s"]:
        assert np.array_equal(sample.T, raster(params, 37))


def busy_net(te, seed=0):
    """CE-LIF, CUBA and CE-LIF, the first two with oscillators beside their inputs."""
    random = np.random.default_rng(seed)
    phase, coupled = SOURCES["phase"], SOURCES["coupled"]

    def celif(n, a_shift=6):
        return CELIF(num_neurons=n, v_decay=300, th_decay=41, v_th_mant=40, te_exp=9, a_shift=a_shift)

    def weight(*shape):
        return Dense(weight=2 * random.integers(-40, 60, shape))

    layers = (
        Layer(name="a", synapse=weight(5, 2 + 7), neuron=celif(5, 2), cpg=phase),
        Layer(
            name="b",
            synapse=weight(4, 5 + 6),
            neuron=CUBA(num_neurons=4, u_decay=500, v_decay=300, v_th_mant=100),
            cpg=coupled,
        ),
        Layer(name="c", synapse=weight(3, 4), neuron=celif(3)),
    )
    return Net(inputs=(Input(num_channels=2, bits=8, exp=-4),), layers=layers, steps=17, te=te)


ENCODINGS = {
    "table": lambda random: random.integers(-128, 128, (9, 5)),
    "driven by phases": lambda random: Driven(cpg=SOURCES["phase"], matrix=random.integers(-128, 128, (5, 7))),
    "driven by pairs": lambda random: Driven(cpg=SOURCES["coupled"], matrix=random.integers(-60, 60, (6, 6))),
}


@pytest.mark.lava
@pytest.mark.parametrize(
    ("encoding", "te_source"),
    [("table", "table"), ("table", "ring"), ("driven by phases", "table"), ("driven by pairs", "table")],
)
def test_every_way_to_deliver_an_encoding_is_exact(encoding, te_source):
    random = np.random.default_rng(1)
    net = busy_net(ENCODINGS[encoding](random))
    payload = random.integers(-16, 17, (4, 2, 17)).astype(np.int32)

    comparison = compare(
        reference.run(net, payload), lava_backend.run(net, payload, deadline=DEADLINE, te_source=te_source)
    )

    assert comparison.exact and comparison.silent == (), str(comparison)


def test_a_driven_encoding_is_clipped_to_8_bits_and_equals_its_table():
    driven = ENCODINGS["driven by phases"](np.random.default_rng(2))
    rows = driven.rows(17)
    sums = raster(driven.cpg, 17) @ driven.matrix.T.astype(int)

    assert np.array_equal(rows, np.clip(sums, -128, 127)) and (np.abs(sums) > 128).any()
    assert np.array_equal(received(2 * sums), rows) and np.array_equal(clipped(sums), rows)
    payload = np.ones((2, 2, 17), np.int32)
    traces = [reference.run(busy_net(te), payload) for te in (driven, rows)]
    assert compare(*traces).exact


def test_a_ring_is_one_hot_and_comes_round():
    assert raster(Ring(num_neurons=3), 7).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 2 + [[1, 0, 0]]


def test_a_period_restarts_the_code_within_a_sample():
    params = Phase.from_paper(7, 100.0, period=5)

    assert np.array_equal(raster(params, 12), np.concatenate([raster(params, 5)] * 3)[:12])


FLOAT_SCRIPT = """
import json
import numpy as np
from spikeproof.lava_procs import compat
compat.apply()
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.sources import raster
from spikeproof.lava_procs.oscillators.process import Oscillators

params = Phase.from_paper(6, 30.0)
found = {}
for tag in ("floating_pt", "fixed_pt"):
    source, sink = Oscillators(params=params, latency=2, period=40, payload=3), Sink(shape=(6,), buffer=82)
    source.s_out.connect(sink.a_in)
    source.run(condition=RunSteps(num_steps=82), run_cfg=Loihi2SimCfg(select_tag=tag))
    got = sink.data.get().T
    source.stop()
    expected = np.concatenate([np.zeros((2, 6)), 3 * raster(params, 40), 3 * raster(params, 40)])
    found[tag] = bool(np.array_equal(got, expected)) and int(got.sum()) > 100
print(json.dumps(found))
"""


@pytest.mark.lava
def test_both_process_models_spike_alike_after_their_latency():
    assert answer(FLOAT_SCRIPT) == {"floating_pt": True, "fixed_pt": True}

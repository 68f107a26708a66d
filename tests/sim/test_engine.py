"""The batch engine against the contract's steps: every register, whatever the blocks, threads, chunks and paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nets

from spikeproof.contract.celif import CELIF
from spikeproof.contract.cpg_coupled import Coupled
from spikeproof.contract.cuba import CUBA
from spikeproof.contract.encoding import Driven
from spikeproof.contract.net import Dense, Input, Layer, Net
from spikeproof.contract.readout import Readout
from spikeproof.sim import engine, reference
from spikeproof.sim.parity import compare

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
    for i, (inputs, n) in enumerate(itertools.pairwise(widths)):
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
    return Net(input=input_, layers=tuple(layers), steps=steps, te=te)


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

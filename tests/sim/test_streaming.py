"""Samples that follow each other without a gap are each as if alone: delays, feedback, biases and resonators too."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nets

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.adrf_iz import ADRFIZ
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.delta import Delta
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.neurons.rf import RF
from spikeproof.contract.neurons.rf_iz import RFIZ
from spikeproof.contract.sources.phase import TURN, Phase
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import engine, reference
from spikeproof.sim.compare import compare
from spikeproof.sim.lava import backend as lava_backend
from spikeproof.sim.trace import Trace

SAMPLES, STEPS, N = 3, 12, 5
ALWAYS = Phase(num_neurons=1, increment=0, start=0, length=TURN)


def payload_for(net, random):
    largest = net.input.max_payload
    return random.integers(-largest if net.input.bits else 0, largest + 1, (SAMPLES, net.input.num_channels, net.steps))


def alone(net, payload):
    """What the contract makes of each sample by itself, as one trace."""
    traces = [reference.run(net, payload[i : i + 1]) for i in range(len(payload))]
    return Trace(
        backend="reference",
        layers={
            name: {key: np.concatenate([trace.layers[name][key] for trace in traces]) for key in of}
            for name, of in traces[0].layers.items()
        },
    )


def streamed(net, payload, ends, block):
    """What the engine makes of them in one stream, cut at any places."""
    joined = payload.transpose(1, 0, 2).reshape(1, payload.shape[1], -1).astype(np.int32)
    cuts = sorted({0, joined.shape[-1], *(end % (joined.shape[-1] + 1) for end in ends)})
    chunks = [joined[..., a:b] for a, b in pairwise(cuts)]
    traces = list(engine.stream(net, chunks, record="all", threads=1, block=block))

    def parted(name, key):
        whole = np.concatenate([trace.layers[name][key] for trace in traces], axis=-1)[0]
        return whole.reshape(len(whole), SAMPLES, net.steps).transpose(1, 0, 2)

    return Trace(
        backend="engine",
        layers={name: {key: parted(name, key) for key in of} for name, of in traces[0].layers.items()},
    )


@settings(max_examples=40)
@given(net=nets(), seed=st.integers(0, 2**16), ends=st.lists(st.integers(0, 99), max_size=4), block=st.integers(1, 5))
def test_a_stream_of_any_network_is_its_samples_alone(net, seed, ends, block):
    payload = payload_for(net, np.random.default_rng(seed))

    comparison = compare(alone(net, payload), streamed(net, payload, ends, block))

    assert comparison.first is None, str(comparison)


def everything(random):
    """A network in which much is under way when a sample ends: delays, feedback, a bias, a constant and resonators."""
    rotation = {"sin_decay": 2400, "cos_decay": 3200, "v_th_mant": 12}
    neurons = {
        "delta": Delta(num_neurons=N, v_th=64, state_exp=6),
        "cuba": CUBA(num_neurons=N, u_decay=900, v_decay=300, v_th_mant=60, bias_mant=[9, -7, 20, 0, 5], a_shift=2),
        "rf": RF(num_neurons=N, **rotation),
        "adrf_iz": ADRFIZ(num_neurons=N, th_decay=900, ref_decay=2000, v_th_step=3, **rotation),
        "rf_iz": RFIZ(num_neurons=N, **rotation),
        "membrane": LeakyIntegrator(num_neurons=N, u_decay=500, v_decay=50, bias_mant=-3),
    }
    layers, width = [], 4
    for i, (name, neuron) in enumerate(neurons.items()):
        sums = N * (2 if "rf" in name else 1)
        feedback = Dense(weight=2 * random.integers(-20, 20, (sums, N))) if name in ("cuba", "rf", "adrf_iz") else None
        axon = Axon(delay=[0, 1, 3, 7, 2] if i % 2 else [1, 2, 1, 5, 4]) if name != "membrane" else None
        constant = ALWAYS if name == "rf_iz" else None
        weight = 2 * random.integers(-25, 45, (sums, width + (constant is not None)))
        layers.append(
            Layer(name=name, synapse=Dense(weight=weight), neuron=neuron, axon=axon, feedback=feedback, cpg=constant)
        )
        width = N
    return Net(inputs=(Input(num_channels=4, bits=5),), layers=tuple(layers), steps=STEPS)


def firing():
    """Such a network, and input with which every layer fires."""
    for seed in range(60):
        random = np.random.default_rng(seed)
        net = everything(random)
        payload = payload_for(net, random)
        expected = alone(net, payload)
        if all(of["s"].any((1, 2)).all() for of in expected.layers.values() if "s" in of):
            return net, payload, expected
    raise AssertionError("in no network every layer fires in every sample")


@pytest.mark.lava
def test_lava_streams_what_is_under_way_no_further_than_its_sample():
    net, payload, expected = firing()
    assert compare(expected, streamed(net, payload, [5, 17], 4)).exact

    comparison = compare(expected, lava_backend.run(net, payload.astype(np.int32), deadline=120))

    assert comparison.exact and comparison.silent == (), str(comparison)

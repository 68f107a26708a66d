"""Networks on Lava against the contract: every register of every layer at every step, samples back to back."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from strategies import nets

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.dense import Dense
from spikeproof.lava_procs.local_time import local_step
from spikeproof.sim import reference
from spikeproof.sim.compare import compare
from spikeproof.sim.lava import backend as lava_backend

pytestmark = pytest.mark.lava
DEADLINE = 120.0


def both(net, payload):
    return compare(reference.run(net, payload), lava_backend.run(net, payload, deadline=DEADLINE))


def payload_for(net, samples, random):
    largest = net.input.max_payload
    low = -largest if net.input.bits else 0
    return random.integers(low, largest + 1, (samples, net.input.num_channels, net.steps)).astype(np.int32)


def mixed_net(random, *, steps, hidden, bits=8, te_rows=None, bias=20):
    """CE-LIF, CUBA, CE-LIF and a read-out, busy enough that every layer fires."""
    widths = [3, *hidden]

    def weight(i):
        return 2 * random.integers(-60, 90, (widths[i + 1], widths[i]))

    def biases(n):
        return random.integers(-bias, bias + 1, n)

    def celif(n, a_shift=6):
        decays = random.choice([0, 41, 2048, 4096], n), random.choice([0, 41, 4096], n)
        return CELIF(
            num_neurons=n, v_decay=decays[0], th_decay=decays[1], v_th_mant=77, te_exp=9, a_shift=a_shift,
            bias_mant=biases(n), bias_exp=6,
        )  # fmt: skip

    neurons = [
        celif(widths[1], a_shift=2 if bits else 6),
        CUBA(num_neurons=widths[2], u_decay=1024, v_decay=[0, 128, 4096, 300, 4095][: widths[2]], v_th_mant=150,
             bias_mant=biases(widths[2])),
        celif(widths[3]),
        Readout(num_neurons=widths[4], a_shift=3, bias_mant=biases(widths[4]), bias_exp=2),
    ]  # fmt: skip
    return Net(
        inputs=(Input(num_channels=3, bits=bits, exp=-4 if bits else 0),),
        layers=tuple(
            Layer(name=f"l{i}", synapse=Dense(weight=weight(i)), neuron=neuron) for i, neuron in enumerate(neurons)
        ),
        steps=steps,
        te=random.integers(-128, 128, (te_rows or steps, max(hidden))),
    )


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (0, {"steps": 20, "hidden": (6, 5, 7, 3)}),
        (1, {"steps": 20, "hidden": (6, 5, 7, 3), "bits": 0}),
        (2, {"steps": 13, "hidden": (6, 5, 7, 3), "te_rows": 5}),
        (3, {"steps": 2, "hidden": (4, 5, 3, 2)}),
        (4, {"steps": 30, "hidden": (6, 5, 7, 3), "bias": 4000}),
    ],
)
def test_a_network_of_all_kinds_is_exact_over_streamed_samples(seed, options):
    random = np.random.default_rng(seed)
    net = mixed_net(random, **options)

    comparison = both(net, payload_for(net, 5, random))

    assert comparison.exact, str(comparison)
    assert comparison.silent == ()
    registers_a_step = 3 * net.layers[0].num_neurons + 2 * net.layers[1].num_neurons
    registers_a_step += 3 * net.layers[2].num_neurons + net.layers[3].num_neurons
    assert comparison.registers_compared == registers_a_step * net.steps * 5


def test_a_sample_of_one_step_and_layers_that_never_fire():
    net = Net(
        inputs=(Input(num_channels=1),),
        layers=(
            Layer(
                name="a",
                synapse=Dense(weight=[[2]]),
                neuron=CUBA(num_neurons=1, u_decay=0, v_decay=0, v_th_mant=2**17 - 1),
            ),
        ),
        steps=1,
    )

    comparison = both(net, np.ones((4, 1, 1), np.int32))

    assert comparison.first is None and not comparison.exact
    assert comparison.verdict == "nothing fired"


@pytest.mark.parametrize("value", [-256, -2, 0, 2, 254])
def test_weights_of_one_sign_arrive_as_they_are(value):
    """Stock NetX damages layers that are all negative, or all zero; the builder names the sign mode."""
    neuron = CUBA(num_neurons=2, u_decay=4096, v_decay=4096, v_th_mant=0)
    net = Net(
        inputs=(Input(num_channels=2),),
        layers=(Layer(name="a", synapse=Dense(weight=[[value, value], [value, 0]]), neuron=neuron),),
        steps=3,
    )
    payload = np.array([[[0, 1, 1], [1, 0, 1]]], np.int32)

    trace = lava_backend.run(net, payload, deadline=DEADLINE)

    assert (trace.layers["a"]["u"][0] == 64 * np.array([[value, value, 2 * value], [0, value, value]])).all()


@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],  # a Lava run takes a second; shrinking would take an hour
    suppress_health_check=list(HealthCheck),
)
@given(net=nets())
def test_any_network_is_exact(net):
    """Parameters of any value, saturation and wrapping included; small ones may stay silent, but must be equal."""
    random = np.random.default_rng(net.steps)

    comparison = both(net, payload_for(net, 2, random))

    assert comparison.first is None, str(comparison)


def test_local_time_starts_with_the_first_sample():
    assert [local_step(t, latency=3, period=4) for t in range(1, 10)] == [None, None, None, 0, 1, 2, 3, 0, 1]

"""The folder for a person who has a chip: its script, on stock Lava here, records what verify then finds EXACT."""

import json

import numpy as np
import pytest
from child import output

from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.neurons.sigma_delta import SigmaDelta
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import formats

_AS_IT_IS = """
import runpy, sys
if sys.version_info >= (3, 11):  # Lava runs as it is on Python 3.10
    from spikeproof.lava_procs import compat
    compat.apply()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def weight(random, *shape):
    return 2 * random.integers(-15, 30, shape)


def cuba(n, **more):
    return CUBA(num_neurons=n, **{"u_decay": 1200, "v_decay": 300, "v_th_mant": 60} | more)


def images(random):
    conv = Conv(weight=weight(random, 2, 1, 2, 2), in_shape=(1, 4, 5))
    layers = (
        Layer(name="a", synapse=conv, neuron=cuba(conv.num_neurons, bias_mant=3)),
        Layer(name="b", synapse=Dense(weight=weight(random, 6, conv.num_neurons)), neuron=cuba(6)),
        Layer(
            name="out",
            synapse=Dense(weight=weight(random, 3, 6)),
            neuron=Readout(num_neurons=3, a_shift=6, v_decay=90, bias_exp=6),
        ),
    )
    return Net(inputs=(Input(num_channels=20),), layers=layers, steps=25)


def delayed(random):
    """Delays of which the way to the next layer takes one step, so that two layers work at the same time."""
    axon = Axon(delay=np.array([1, 3, 1, 2, 1, 1]))
    layers = (
        Layer(name="a", synapse=Dense(weight=weight(random, 6, 5)), neuron=cuba(6), axon=axon),
        Layer(name="b", synapse=Dense(weight=weight(random, 4, 6)), neuron=cuba(4)),
    )
    return Net(inputs=(Input(num_channels=5),), layers=layers, steps=25)


def graph(random):
    one = Axon(delay=np.ones(6, int))
    layers = (
        Layer(name="a", synapse=Dense(weight=weight(random, 6, 5)), neuron=cuba(6, bias_mant=2), axon=one),
        Layer(name="b", synapse=Dense(weight=weight(random, 6, 6)), neuron=cuba(6, v_th_mant=90), axon=one),
        Layer(
            name="out",
            synapse=Dense(weight=weight(random, 3, 6)),
            neuron=LeakyIntegrator(num_neurons=3, u_decay=1000, v_decay=100),
        ),
    )
    edges = (
        Edge(source="a", target="out", synapse=Dense(weight=weight(random, 3, 6))),
        Edge(source="b", target="a", synapse=Dense(weight=weight(random, 6, 6) // 4 * 2)),
    )
    return Net(inputs=(Input(num_channels=5),), layers=layers, edges=edges, steps=25)


def graded(random):
    layers = (
        Layer(name="a", synapse=Dense(weight=weight(random, 6, 5)), neuron=SigmaDelta(num_neurons=6, v_th=10240)),
        Layer(name="out", synapse=Dense(weight=weight(random, 3, 6)), neuron=Readout(num_neurons=3)),
    )
    return Net(inputs=(Input(num_channels=5, bits=10, exp=-10),), layers=layers, steps=25)


NETS = {make.__name__: make(np.random.default_rng(4)) for make in (images, delayed, graph, graded)}


def given(net, samples=2):
    random = np.random.default_rng(1)
    x = (random.random((samples, net.num_channels, net.steps)) < 0.3).astype(float)
    return x * random.uniform(0, 0.9, x.shape) if net.input.bits else x


@pytest.fixture
def made(run, tmp_path):
    """Write a network's harness by the command, and give its folder."""

    def make(net, *arguments):
        formats.write(net, tmp_path / "own.net")
        np.save(tmp_path / "x.npy", given(net))
        code, out, err = run(
            "export", tmp_path / "own.net", "--harness", tmp_path / "h", "-i", tmp_path / "x.npy", *arguments
        )
        return code, out, err, tmp_path / "h"

    return make


@pytest.mark.lava
@pytest.mark.parametrize("name", NETS)
def test_the_script_records_what_verify_finds_exact(name, made, run):
    code, out, err, folder = made(NETS[name])
    assert code == 0 and "spikeproof verify" in out, err
    assert sorted(each.name for each in folder.iterdir()) == [
        "expected.npz",
        "harness.json",
        "network.net",
        "record.py",
    ]

    printed = output(_AS_IT_IS, folder / "record.py", timeout=240)

    lines = [line for line in printed.splitlines() if "entries are as expected" in line]
    told = json.loads((folder / "harness.json").read_text())
    assert len(lines) == len(told["registers"]) + len(told["spikes"])
    for line in lines:
        equal, of = line.split(": ")[1].split(" entries")[0].split(" of ")
        assert equal == of, printed
    code, out, err = run("verify", folder / "network.net", "--against", folder / "trace.npz")
    assert code == 0 and out.startswith("EXACT"), out + err
    assert " later" not in out and " earlier" not in out


def test_a_harness_needs_a_network_that_stock_netx_runs(made, tmp_path):
    layer = Layer(
        name="a",
        synapse=Dense(weight=[[2, 4]]),
        neuron=CELIF(num_neurons=1, v_decay=1, th_decay=1, v_th_mant=1, te_exp=8),
    )
    net = Net(inputs=(Input(num_channels=2),), layers=(layer,), steps=4, te=np.ones((4, 1), int))

    code, _, err, folder = made(net)

    assert code == 2 and "stock NetX has no CELIF neurons" in err and not folder.exists()


def test_a_harness_replaces_nothing(made, tmp_path):
    (tmp_path / "h").mkdir()
    code, _, err, folder = made(NETS["delayed"])
    assert code == 2 and "is there already" in err and not list(folder.iterdir())


def test_input_without_a_harness_is_refused(run, tmp_path):
    formats.write(NETS["delayed"], tmp_path / "own.net")
    code, _, err = run("export", tmp_path / "own.net", "-o", tmp_path / "b.net", "-n", "3")
    assert code == 2 and "--samples: only with --harness" in err and not (tmp_path / "b.net").exists()
    for name, array in (("scalar.npy", np.array(1.0)), ("flat.npy", np.ones((12, 16)))):
        np.save(tmp_path / name, array)
        code, _, err = run("export", tmp_path / "own.net", "--harness", tmp_path / "h", "-i", tmp_path / name)
        assert code == 2 and f"shape {array.shape}" in err and not (tmp_path / "h").exists()
    assert run("export", tmp_path / "own.net", "--harness", "-")[0] == 2
    for option in (("-o", tmp_path / "b.net"), ("--stock",), ("--force",)):
        code, _, err = run("export", tmp_path / "own.net", "--harness", tmp_path / "h", *option)
        assert code == 2 and "of no use with --harness" in err and not (tmp_path / "h").exists()

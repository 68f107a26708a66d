"""Stock lava-dl's NetX and our files: it runs what it can run right, and refuses the rest."""

import dataclasses

import numpy as np
import pytest
from child import answer

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.axon import Axon, arrivals
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.sim import reference

pytestmark = pytest.mark.lava

STOCK = """
import json, sys
import numpy as np
from spikeproof.lava_procs import compat
compat.apply()
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

def answer(path, x):
    try:
        net = netx.hdf5.Network(net_config=path)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    steps = x.shape[-1] + len(net)
    source, sink = Source(data=x), Sink(shape=net.out.shape, buffer=steps)
    source.s_out.connect(net.inp)
    net.out.connect(sink.a_in)
    net.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    spikes = sink.data.get()[:, len(net):]
    net.stop()
    return {"spikes": spikes.astype(int).tolist()}

x = np.load(sys.argv[1])
print(json.dumps([answer(path, x) for path in sys.argv[2:]]))
"""


def stock(nets, x, tmp_path):
    """Load records' files with stock NetX and run them in a child process; give what it answered to each."""
    pytest.importorskip("torch", reason="lava-dl needs torch")
    paths = [tmp_path / f"{i}.net" for i in range(len(nets))]
    for net, path in zip(nets, paths, strict=True):
        netx.write(net, path)
    np.save(tmp_path / "x.npy", x)
    return answer(STOCK, tmp_path / "x.npy", *paths)


def cuba_net(**changes):
    random = np.random.default_rng(0)
    layers = [
        Layer(
            name=f"cuba{i}",
            synapse=Dense(weight=2 * random.integers(-30, 60, (n, m + (4 if changes and i == 0 else 0)))),
            neuron=CUBA(num_neurons=n, u_decay=1000, v_decay=200, v_th_mant=90),
            **(changes if i == 0 else {}),
        )
        for i, (m, n) in enumerate([(5, 8), (8, 6)])
    ]
    return Net(inputs=(Input(num_channels=5),), layers=tuple(layers), steps=30)


def test_stock_netx_runs_a_cuba_file_spike_for_spike(tmp_path):
    net = cuba_net()
    x = np.random.default_rng(1).integers(0, 2, (5, 30)).astype(np.int32)

    (found,) = stock([net], x, tmp_path)

    expected = reference.run(net, x[None]).layers["cuba1"]["s"][0]
    assert np.array_equal(found["spikes"], expected) and expected.sum() > 20


def test_stock_netx_runs_convolutions_and_their_flattening(tmp_path):
    random = np.random.default_rng(0)
    neuron = {"u_decay": 1000, "v_decay": 200, "v_th_mant": 90}
    conv = Conv(
        weight=2 * random.integers(-30, 60, (4, 1, 3, 2)), in_shape=(2, 5, 6), stride=(1, 2), padding=(1, 0), groups=2
    )
    layers = [
        Layer(name="conv", synapse=conv, neuron=CUBA(num_neurons=conv.num_neurons, **neuron)),
        Layer(
            name="dense",
            synapse=Dense(weight=2 * random.integers(-30, 40, (6, conv.num_neurons))),
            neuron=CUBA(num_neurons=6, **neuron),
        ),
    ]
    net = Net(inputs=(Input(num_channels=60),), layers=tuple(layers), steps=30)
    x = random.integers(0, 2, (60, 30)).astype(np.int32)

    (found,) = stock([net], x.reshape(2, 5, 6, 30).transpose(2, 1, 0, 3), tmp_path)  # stock takes (x, y, channel)

    expected = reference.run(net, x[None]).layers["dense"]["s"][0]
    assert np.array_equal(found["spikes"], expected) and 20 < expected.sum() < expected.size


def test_stock_netx_runs_the_delays_of_a_file(tmp_path):
    layers = [
        dataclasses.replace(layer, axon=Axon(delay=delay))
        for layer, delay in zip(cuba_net().layers, ([1, 5, 1, 2, 9, 3, 1, 63], [1, 4, 2, 1, 1, 7]), strict=True)
    ]
    net = dataclasses.replace(cuba_net(), layers=tuple(layers))
    x = np.random.default_rng(1).integers(0, 2, (5, 30)).astype(np.int32)

    (found,) = stock([net], x, tmp_path)

    # Stock NetX delays what a neuron receives by what delays its spikes, with the same spikes in the end.
    sent = reference.run(net, x[None]).layers["cuba1"]["s"][0]
    expected = arrivals(Axon(delay=net.layers[1].axon.delay - 1), sent)
    assert np.array_equal(np.array(found["spikes"])[:, :-1], expected[:, 1:]) and expected.sum() > 20


def test_stock_netx_refuses_what_it_would_misread(tmp_path):
    x = np.zeros((5, 30), np.int32)
    plain = cuba_net()
    celif = CELIF(num_neurons=8, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9)
    nets = {
        "CE-LIF": Net(
            inputs=(plain.input,),
            layers=(Layer(name="a", synapse=plain.layers[0].synapse, neuron=celif),),
            steps=30,
            te=np.ones((30, 8), int),
        ),
        "CPG": cuba_net(cpg=Phase.from_paper(4)),
        "delayed convolution": Net(
            inputs=(plain.input,),
            layers=(
                Layer(
                    name="conv",
                    synapse=Conv(weight=np.full((1, 1, 2, 1), 4), in_shape=(1, 5, 1)),
                    neuron=CUBA(num_neurons=4, u_decay=0, v_decay=0, v_th_mant=3),
                    axon=Axon(delay=[1, 2, 3, 4]),
                ),
            ),
            steps=30,
        ),
        "read-out of 3 bits": Net(
            inputs=(plain.input,),
            layers=(
                plain.layers[0],
                Layer(name="out", synapse=plain.layers[1].synapse, neuron=Readout(num_neurons=6, a_shift=3)),
            ),
            steps=30,
        ),
    }
    answers = stock(list(nets.values()), x, tmp_path)
    assert {name: "refused" in answer for name, answer in zip(nets, answers, strict=True)} == dict.fromkeys(nets, True)

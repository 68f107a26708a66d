"""Every family that stock NetX can run lies in a file as it runs it exactly: every register, on stock NetX itself."""

import h5py
import numpy as np
import pytest
from stock_netx import traces

from spikeproof.contract.errors import FileFormatError, UnsupportedError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.alif import ALIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.neurons.rf import RF
from spikeproof.contract.neurons.rf_iz import RFIZ
from spikeproof.contract.neurons.sigma_delta import SigmaDelta
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.netx import stock_forms
from spikeproof.sim import engine

STEPS = 40


def even(random, low, high, *shape):
    return 2 * random.integers(low // 2, high // 2, shape)


def dense(random, neuron, inputs, low=-60, high=90, **more):
    n = neuron.num_neurons * neuron.sums
    return Layer(
        name=more.pop("name", "a"), synapse=Dense(weight=even(random, low, high, n, inputs)), neuron=neuron, **more
    )


def cuba(n, **more):
    return CUBA(num_neurons=n, **{"u_decay": 1000, "v_decay": 200, "v_th_mant": 90} | more)


def resonator(kind, random, n):
    return kind(
        num_neurons=n,
        sin_decay=random.integers(100, 2600, n),
        cos_decay=random.integers(1500, 3100, n),
        v_th_mant=12,
    )


def nets():
    random = np.random.default_rng(0)
    delay = random.integers(0, 9, (7, 6))
    delay[0, 0] = 62
    delta = SigmaDelta(num_neurons=8, v_th=10240)
    conv = Conv(weight=even(random, -20, 40, 3, 1, 3, 3), in_shape=(1, 6, 5))
    made = {
        "membranes": [
            dense(random, cuba(7), 6),
            dense(random, LeakyIntegrator(num_neurons=4, u_decay=900, v_decay=[0, 9, 50, 4096]), 7, name="out"),
        ],
        "read-out of 6 bits": [
            dense(random, cuba(7), 6),
            dense(random, Readout(num_neurons=4, a_shift=6, v_decay=77, bias_mant=0, bias_exp=6), 7, name="out"),
        ],
        "sums": [dense(random, cuba(7), 6), dense(random, Readout(num_neurons=4), 7, name="out")],
        "halved": [
            dense(random, cuba(7, a_shift=5, v_th_mant=20), 6, feedback=Dense(weight=even(random, -30, 30, 7, 7))),
            dense(random, cuba(4, a_shift=5), 7, name="out"),
        ],
        "even and halved": [
            Layer(
                name="a",
                synapse=Dense(weight=4 * random.integers(-20, 40, (5, 6))),
                neuron=cuba(5, a_shift=5, v_th_mant=20),
            )
        ],
        "delays of synapses": [dense(random, cuba(7), 6, delay=delay), dense(random, cuba(4), 7, name="out", delay=3)],
        "rf": [
            dense(random, resonator(RF, random, 7), 6),
            dense(random, resonator(RF, random, 4), 7, -90, 180, name="out"),
        ],
        "rf-iz": [dense(random, resonator(RFIZ, random, 7), 6), dense(random, cuba(4), 7, name="out")],
        "sigma-delta": [
            dense(random, delta, 6),
            dense(random, Readout(num_neurons=4), 8, name="out"),
        ],
        "sigma-delta of images": [
            Layer(name="a", synapse=conv, neuron=SigmaDelta(num_neurons=conv.num_neurons, v_th=3 * 4096 + 1)),
            dense(random, SigmaDelta(num_neurons=4, v_th=40960), conv.num_neurons, name="b"),
            dense(random, Readout(num_neurons=2), 4, -20, 26, name="out"),
        ],
    }
    for name, layers in made.items():
        graded = name.startswith("sigma")
        yield (
            name,
            Net(
                inputs=(Input(num_channels=layers[0].num_inputs, **({"bits": 12, "exp": -12} if graded else {})),),
                layers=tuple(layers),
                steps=STEPS,
            ),
        )


NETS = dict(nets())


def given(net):
    random = np.random.default_rng(2)
    x = (random.random((net.num_channels, STEPS)) < 0.4).astype(np.int32)
    return x * random.integers(-300, 600, x.shape).astype(np.int32) if net.input.bits else x


@pytest.mark.parametrize("name", NETS)
def test_a_file_gives_back_its_record(name, tmp_path):
    netx.write(NETS[name], tmp_path / "a.net")

    assert netx.load(tmp_path / "a.net") == NETS[name]
    assert stock_forms.reasons(NETS[name]) == []


@pytest.mark.parametrize("name", NETS)
def test_a_file_of_the_types_of_version_1_still_loads(name, tmp_path, monkeypatch):
    """Those before the forms of stock NetX: what has no place there is written like this to this day."""
    monkeypatch.setattr(stock_forms, "form_of", lambda layer, payload: "as before")
    netx.write(NETS[name], tmp_path / "a.net")

    with h5py.File(tmp_path / "a.net") as file:
        assert not any(
            stock_forms.MARK in file[f"layer/{i}/neuron"] for i in file["layer"] if "neuron" in file[f"layer/{i}"]
        )
    assert netx.load(tmp_path / "a.net") == NETS[name]


@pytest.mark.lava
def test_stock_netx_runs_every_form_in_every_register(tmp_path):
    files = []
    for i, (name, net) in enumerate(NETS.items()):
        netx.write(net, tmp_path / f"{i}.net")
        x = given(net)
        images = x.reshape(1, 6, 5, -1).transpose(2, 1, 0, 3) if "images" in name else x  # stock takes (x, y, channel)
        files.append((tmp_path / f"{i}.net", images, stock_forms.arguments(net)))

    found = traces(files, tmp_path)

    for (name, net), trace in zip(NETS.items(), found, strict=True):
        assert "refused" not in trace, (name, trace)
        assert not _wrong(net, given(net), trace), name


def _wrong(net, x, trace):
    """Say which registers of which layers differ, and which of the layers do nothing."""
    layers, wrong = engine.run(net, x[None]).layers, {}
    for i, layer in enumerate(net.layers):
        of = layers[layer.name]
        registers = {name: trace[key] for key in trace if (name := key.removeprefix(f"{i}.")) != key}
        if isinstance(layer.neuron, Readout):
            registers = {"v": registers.get("v", registers.get("sigma"))}
        for name, values in registers.items():
            if values.ndim == 4:
                values = values.transpose(2, 1, 0, 3)
            theirs = values.reshape(-1, values.shape[-1])
            wrong[layer.name, name] = int((theirs != of[name][0]).sum()) if of[name].any() else "silent"
        if "s" in of and not of["s"].any():
            wrong[layer.name, "s"] = "silent"
    return {key: count for key, count in wrong.items() if count}


@pytest.mark.lava
def test_biased_samples_follow_each_other_with_the_arguments_that_are_told(tmp_path):
    random = np.random.default_rng(5)
    bias = random.integers(-20, 30, 7)
    layers = (
        dense(random, cuba(7, bias_mant=bias), 6),
        dense(random, cuba(5, bias_mant=4, a_shift=5, v_th_mant=40), 7, name="b"),
        dense(random, LeakyIntegrator(num_neurons=3, u_decay=900, v_decay=40, bias_mant=[1, 0, 9]), 5, name="out"),
    )
    net = Net(inputs=(Input(num_channels=6),), layers=layers, steps=13)
    netx.write(net, tmp_path / "a.net")
    x = (random.random((6, 39)) < 0.4).astype(np.int32)
    assert stock_forms.streams(net) and not stock_forms.reasons(net)

    (trace,) = traces([(tmp_path / "a.net", x, stock_forms.arguments(net))], tmp_path)

    ours = engine.run(net, x.reshape(6, 3, 13).transpose(1, 0, 2)).layers
    for i, layer in enumerate(layers):
        for name in "uv":
            found = trace[f"{i}.{name}"].reshape(-1, 3, 13).transpose(1, 0, 2)
            assert ours[layer.name][name].any() and np.array_equal(found, ours[layer.name][name]), (layer.name, name)


def test_what_stock_netx_cannot_run_has_a_reason(tmp_path):
    random = np.random.default_rng(0)
    alif = ALIF(num_neurons=4, u_decay=1, v_decay=1, th_decay=1, ref_decay=1, v_th_mant=9, v_th_step=1)
    expected = {
        "stock NetX has no ALIF neurons": dense(random, alif, 6),
        "its spikes carry payloads": dense(random, cuba(4, graded=1), 6),
        "its sums are shifted by 3 bits": dense(random, cuba(4, a_shift=3), 6),
        "what its membranes receive is shifted": dense(random, cuba(4, u_shift=1), 6),
        "stock NetX reads no delays of such a layer": dense(
            random, resonator(RF, random, 4), 6, axon=Axon(delay=[2, 1, 3, 4])
        ),
        "stock NetX delays the feedback with the rest": dense(
            random, cuba(4), 6, delay=2, feedback=Dense(weight=even(random, 0, 9, 4, 4))
        ),
        "its synapses are delayed by more than 62 steps": dense(random, cuba(4), 6, delay=63),
        "its thresholds differ": dense(random, SigmaDelta(num_neurons=2, v_th=[1, 2]), 6),
        "stock NetX adds a bias a step before": dense(random, SigmaDelta(num_neurons=2, v_th=1, bias=4096), 6),
        "stock NetX shifts sums and biases by 6 bits": dense(random, Readout(num_neurons=2, a_shift=3), 6),
    }
    late = dense(random, cuba(4, bias_mant=3), 6, axon=Axon(delay=[0, 1, 2, 0]))
    expected["its bias and delays"] = late
    conv = Conv(weight=even(random, -20, 40, 3, 1, 3, 3), in_shape=(1, 3, 4))
    pixels = Layer(name="a", synapse=conv, neuron=cuba(6, bias_mant=[1, 2, 3, 3, 4, 4]))
    expected["its neurons differ within a channel of their images"] = pixels
    for words, layer in expected.items():
        net = Net(inputs=(Input(num_channels=layer.num_inputs),), layers=(layer,), steps=9)
        (found,) = stock_forms.reasons(net)
        assert found.startswith(f"a: {words}"), found
        netx.write(net, tmp_path / "own.net")
        assert netx.load(tmp_path / "own.net") == net
        with pytest.raises(UnsupportedError, match=f"a: {words}"):
            stock_forms.require(net)
        with h5py.File(tmp_path / "own.net") as file:
            assert stock_forms.MARK not in file["layer/1/neuron"]


@pytest.mark.parametrize(
    ("name", "member", "value", "words"),
    [
        (
            "membranes",
            "layer/2/neuron/vThMant",
            131071,
            "neuron/vThMant is 131071; neurons that never fire have 131072",
        ),
        ("membranes", "layer/2/neuron/record", np.array([b"RF"]), "neuron/record is 'RF' for neurons of type 'CUBA'"),
        ("rf", "layer/1/neuron/sinDecay", 7.25, "is not a whole number|not a whole"),
        ("rf", "layer/1/neuron/extra", 1, "extra is unknown here"),
    ],
)
def test_a_changed_file_is_refused_by_name(name, member, value, words, tmp_path):
    netx.write(NETS[name], tmp_path / "a.net")
    with h5py.File(tmp_path / "a.net", "r+") as file:
        if member in file:
            del file[member]
        file[member] = value

    with pytest.raises(FileFormatError, match=words):
        netx.load(tmp_path / "a.net")

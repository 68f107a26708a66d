"""Files that other tools write in stock lava-dl's format, mlGeNN above all, and stock NetX itself that runs them."""

import itertools
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from stock_files import DENSE, write
from stock_netx import traces

from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.export import netx, stock
from spikeproof.export.stock.file import UNSHIFTED
from spikeproof.sim import engine

FOREIGN = (
    Path(os.environ.get("SPIKEPROOF_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    / "foreign"
    / "netx"
)

NEURON = {"neuron/type": "CUBA", "neuron/iDecay": 742, "neuron/vDecay": 200, "neuron/vThMant": 100}


def mlgenn(path, sizes=(9, 8, 5), recurrent=(0,), low=-128, high=128, seed=0, delays=(), **more):
    """A file of the form that mlGeNN's writer gives it: odd weights, refDelay 0, fields without a value."""
    random = np.random.default_rng(seed)
    layers = [{"type": "input", "shape": [sizes[0]]}]
    for i, (takes, has) in enumerate(itertools.pairwise(sizes)):
        layer = {"type": "dense_rec" if i in recurrent else "dense", "shape": [has], **NEURON, "neuron/refDelay": 0}
        layer["weight"] = random.integers(low, high, (has, takes)).astype(np.float32)
        layer["weight"].flat[0] = high - 1
        if i in recurrent:
            layer["weight_rec"] = random.integers(low, high, (has, has)).astype(np.float32) // 2
        if i in delays:
            layer["delay"] = random.integers(0, 12, (has, takes))
        layers.append(layer | more)
    write(path, layers)
    with h5py.File(path, "a") as file:
        for i in range(1, len(sizes)):
            file[f"layer/{i}/neuron"].create_dataset("gradedSpike", data=h5py.Empty(bool))
            for name in ("inFeatures", "outFeatures"):
                file[f"layer/{i}"].create_dataset(name, data=h5py.Empty("i4"))
    return path


def spikes(channels, steps, rate=0.3, seed=1):
    return (np.random.default_rng(seed).random((channels, steps)) < rate).astype(np.int32)


def foreign(name):
    if not (FOREIGN / name).is_file():
        pytest.skip(f"{name} is not on this machine (SPIKEPROOF_DATA/foreign/netx)")
    return FOREIGN / name


def differences(net, x, trace):
    """How many values of every register, and spikes of the last layer, differ, and how many spikes there are."""
    layers = engine.run(net, x[None]).layers
    last = layers[net.layers[-1].name]
    wrong = {"s": int((last["s"][0] != trace["s"]).sum())} if "s" in last else {}
    for name in set(trace) - {"s"}:
        i, register = name.split(".")
        of = layers[net.layers[int(i)].name]
        theirs = trace[name].transpose(2, 1, 0, 3) if trace[name].ndim == 4 else trace[name]  # (x, y, channel)
        wrong[name] = int((of[register][0].reshape(-1) != theirs.reshape(-1)).sum())
    return wrong, sum(int(np.count_nonzero(of["s"])) for of in layers.values() if "s" in of)


def test_odd_weights_are_doubled_and_their_sums_halved(tmp_path):
    net = stock.load(mlgenn(tmp_path / "mlgenn.net"))

    with h5py.File(tmp_path / "mlgenn.net") as file:
        for i, layer in enumerate(net.layers):
            assert np.array_equal(layer.synapse.weight, 2 * file[f"layer/{i + 1}/weight"][()])
            assert (layer.neuron.a_shift, layer.neuron.v_th_mant, layer.neuron.graded) == (5, 100, 0)
        assert np.array_equal(net.layers[0].feedback.weight, 2 * file["layer/1/weight_rec"][()])


def test_a_layer_of_even_weights_is_read_as_ever(tmp_path):
    (layer,) = stock.load(write(tmp_path / "even.net", [DENSE])).layers

    assert layer.neuron.a_shift == 6 and np.array_equal(layer.synapse.weight, DENSE["weight"])


def test_the_bias_of_a_recurrent_layer_of_odd_weights_is_doubled_with_them(tmp_path):
    layer = DENSE | {"weight": [[3, 4, 5]] * 2, "type": "dense_rec", "weight_rec": np.eye(2), "bias": [10.0, -6.0]}
    (found,) = stock.load(write(tmp_path / "bias.net", [layer])).layers

    x = np.zeros((1, 3, 1), np.int32)
    u = engine.run(stock.load(tmp_path / "bias.net", steps=1), x).layers["dense_rec0"]["u"]
    assert found.cpg is not None and u.ravel().tolist() == [10 << 6, -6 << 6]


def test_a_delay_for_every_synapse_is_read_as_it_is(tmp_path):
    path = mlgenn(tmp_path / "delays.net", delays=(0, 1))
    net = stock.load(path)

    with h5py.File(path) as file:
        for i, layer in enumerate(net.layers):
            assert np.array_equal(layer.delay, file[f"layer/{i + 1}/delay"][()]) and layer.axon is None


def test_a_row_of_delays_is_the_neurons_before_it_is_the_inputs(tmp_path):
    rows, columns = (
        stock.load(write(tmp_path / f"{n}.net", [DENSE | {"delay": np.arange(1.0, n + 1)}])).layers[0] for n in (2, 3)
    )
    square = DENSE | {"weight": np.full((2, 2), 4.0), "delay": [1.0, 2.0]}
    both = stock.load(write(tmp_path / "square.net", [square])).layers[0]

    assert rows.axon.delay.tolist() == [1, 2] and not rows.delay.any()
    assert columns.axon is None and columns.delay.tolist() == [1, 2, 3]
    assert both.axon.delay.tolist() == [1, 2] and not both.delay.any()


@pytest.mark.parametrize("delay", [[3.9, 64.0], [[1, 2, 63], [0, 0, 0]]])
def test_long_delays_are_refused_or_cut_and_told(delay, tmp_path):
    path = write(tmp_path / "long.net", [DENSE | {"delay": delay}])

    with pytest.raises(UnsupportedError, match="layer/0: delay: .*stock NetX clamps longer ones.*--clamp-delays"):
        stock.load(path)
    (layer,) = stock.load(path, clamp_delays=True).layers

    longest = layer.axon.delay if layer.axon else layer.delay
    assert longest.max() == 62
    note, unshifted = stock.notes(path, clamp_delays=True)
    assert unshifted == UNSHIFTED
    assert note.startswith(f"dense0: 1 of {np.size(delay)} delays, of up to {np.max(delay):g} steps, were cut to 62")


def test_a_rest_of_several_steps_is_refused_by_name(tmp_path):
    for delay in (2, -1):
        path = write(tmp_path / f"{delay}.net", [DENSE | {"neuron/refDelay": delay}])
        with pytest.raises(UnsupportedError, match=f"layer/0: refDelay: {delay} steps of rest"):
            stock.load(path)


def test_a_last_layer_whose_threshold_is_out_of_reach_answers_with_its_membrane(tmp_path):
    far = DENSE | {"weight": np.full((2, 2), 4.0), "neuron/vThMant": 131071}
    path = write(tmp_path / "membrane.net", [DENSE, far])
    net = stock.load(path)

    assert isinstance(net.layers[-1].neuron, LeakyIntegrator)
    assert stock.notes(path) == (
        "dense1: its threshold, vThMant 131071, is out of reach, so the answer is its membrane v.",
        UNSHIFTED,
    )
    near = write(tmp_path / "near.net", [DENSE, far | {"neuron/vThMant": 65536}])
    assert stock.load(near).layers[-1].neuron.v_th_mant == 65536
    assert "v is in the trace" in stock.notes(near)[0]
    assert stock.notes(write(tmp_path / "plain.net", [DENSE])) == (UNSHIFTED,)
    assert stock.notes(tmp_path / "plain.net", delay_shift=True) == ()


def test_a_record_of_odd_weights_and_delays_keeps_them_in_our_files(tmp_path):
    net = stock.load(mlgenn(tmp_path / "mlgenn.net", delays=(0, 1)))
    netx.write(net, tmp_path / "ours.net")

    assert netx.load(tmp_path / "ours.net") == net


def test_the_command_line_tells_what_was_changed_and_what_answers(run, tmp_path):
    far = DENSE | {"weight": np.full((2, 2), 4.0), "neuron/vThMant": 131071, "delay": [[0.0, 99.0], [1.0, 2.0]]}
    path = write(tmp_path / "far.net", [DENSE, far])
    np.save(tmp_path / "x.npy", np.ones((1, 3, 9), np.int32))
    simulate = ["simulate", path, "-i", tmp_path / "x.npy", "--backend", "engine"]

    code, out, err = run("inspect", path)
    assert code == 2 and "--clamp-delays" in out + err
    for verb in (["inspect", path], simulate, ["map", path]):
        code, out, err = run(*verb, "--clamp-delays")
        assert code in (0, 1), err
        assert "1 of 4 delays, of up to 99 steps, were cut to 62 steps" in err
        assert "so the answer is its membrane v" in err


def test_the_command_line_says_whether_stock_netx_runs_what_it_exports(run, tmp_path):
    path, out = write(tmp_path / "a.net", [DENSE]), tmp_path / "out.net"
    code, told, _ = run("export", path, "-o", out, "--stock")
    assert code == 0 and f"Network(net_config='{out}', reset_interval=100, reset_offset=1)" in told

    alif = {"neuron/type": "ALIF", "neuron/thDecay": 1, "neuron/refDecay": 1, "neuron/vThStep": 1}
    path = write(tmp_path / "b.net", [DENSE | alif])
    code, told, _ = run("export", path, "-o", tmp_path / "b2.net")
    assert code == 0 and "dense0: stock NetX has no ALIF neurons" in told
    code, _, err = run("export", path, "-o", tmp_path / "b3.net", "--stock")
    assert code == 2 and "dense0: stock NetX has no ALIF neurons" in err and not (tmp_path / "b3.net").exists()
    code, _, err = run("export", path, "-o", tmp_path / "b.nir", "--stock")
    assert code == 2 and "is a NIR file" in err


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlgenn_shd256.net", {}),
        ("mlgenn_shd256_synaptic_delays.net", {}),
        ("feedforward_synaptic_delays.net", {}),
        ("ndns_baseline_delays.net", {"clamp_delays": True}),
        ("pilotnet_snn.net", {}),
    ],
)
def test_foreign_files_are_read_and_run(name, options):
    net = stock.load(foreign(name), steps=12, **options)
    x = spikes(net.num_channels, 12, rate=0.2) << (6 if net.input.bits else 0)

    layers = engine.run(net, x[None]).layers

    assert any(np.count_nonzero(of["s"]) for of in layers.values() if "s" in of)


@pytest.mark.lava
def test_stock_netx_runs_files_of_mlgenns_form_in_every_register(tmp_path):
    made = {
        "odd, recurrent": mlgenn(tmp_path / "a.net"),
        "odd, in a row": mlgenn(tmp_path / "b.net", recurrent=(), seed=3),
        "a delay a synapse": mlgenn(tmp_path / "c.net", recurrent=(), delays=(0, 1), seed=4),
        "one sign": mlgenn(tmp_path / "d.net", recurrent=(), low=0, high=100, seed=5),
        "a delay an input": write(tmp_path / "e.net", [DENSE | {"delay": [4.0, 0.0, 7.0], "neuron/vThMant": 20}]),
    }
    nets = {name: stock.load(path, steps=40) for name, path in made.items()}
    inputs = {name: spikes(net.num_channels, 40) for name, net in nets.items()}

    found = traces([(path, inputs[name], {}) for name, path in made.items()], tmp_path)

    for (name, net), trace in zip(nets.items(), found, strict=True):
        wrong, fired = differences(net, inputs[name], trace)
        assert not any(wrong.values()) and fired > 5, (name, wrong, fired)


@pytest.mark.lava
@pytest.mark.parametrize("name", ["mlgenn_shd256.net", "feedforward_synaptic_delays.net"])
def test_stock_netx_runs_foreign_files_in_every_register(name, tmp_path):
    net = stock.load(foreign(name), steps=30)
    x = spikes(net.num_channels, 30, rate=0.05 if net.num_channels > 100 else 0.3)

    (trace,) = traces([(foreign(name), x, {})], tmp_path)

    wrong, fired = differences(net, x, trace)
    assert not any(wrong.values()) and fired > 20, (wrong, fired)


@pytest.mark.lava
@pytest.mark.slow
def test_stock_netx_cuts_long_delays_as_the_record_of_a_foreign_file_does(tmp_path):
    """Behind its input layer, which stock NetX connects to nothing; it delays what arrives, and the record what leaves."""
    path = foreign("ndns_baseline_delays.net")
    net = stock.read(path, steps=70, skip_layers=1, clamp_delays=True).net
    x = np.random.default_rng(0).integers(-40, 60, (257, 70)) * 64
    x[:, 3:] *= np.random.default_rng(1).random((257, 67)) < 0.1

    (trace,) = traces([(path, x, {"skip_layers": 1})], tmp_path, timeout=500)

    found = engine.run(net, x[None].astype(np.int32)).layers["dense3"]["v"][0]
    assert found[:, 64:].any() and np.array_equal(found, trace["2.sigma"])


@pytest.mark.lava
@pytest.mark.slow
def test_stock_netx_runs_pilotnet_behind_its_input_layer_in_every_register(tmp_path):
    path = foreign("pilotnet_snn.net")
    net = stock.read(path, steps=16, skip_layers=1).net
    x = spikes(3 * 66 * 200, 16)
    options = {"skip_layers": 1, "reset_interval": 16, "reset_offset": 1}

    (trace,) = traces([(path, x.reshape(3, 66, 200, 16).transpose(2, 1, 0, 3), options)], tmp_path, timeout=500)

    wrong, fired = differences(net, x, trace)
    assert not any(wrong.values()) and fired > 1000 and trace["8.v"].any(), (wrong, fired)

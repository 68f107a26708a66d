"""Recordings of chips and other simulators against networks, by the command."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from graphs import graph

import spikeproof
from spikeproof.contract.errors import InputError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.sim import reference
from spikeproof.sim.recordings import recordings
from spikeproof.sim.recordings.recorded import verify_recorded

DATA = Path(os.environ.get("SPIKEPROOF_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
CHIP = DATA / "foreign" / "chip" / "lif_lava_loihi_fixed.csv"


def chain(seed=0):
    """Two CUBA layers of three samples, busy enough that no two steps look alike."""
    random = np.random.default_rng(seed)
    layers = tuple(
        Layer(
            name=name,
            synapse=Dense(weight=2 * random.integers(-30, 60, shape)),
            neuron=CUBA(num_neurons=shape[0], u_decay=1000, v_decay=200, v_th_mant=90),
        )
        for name, shape in (("a", (6, 5)), ("b", (4, 6)))
    )
    net = Net(inputs=(Input(num_channels=5),), layers=layers, steps=30)
    payload = (random.random((3, 5, 30)) < 0.3).astype(np.int32)
    return net, payload, reference.run(net, payload)


def everything(trace):
    return {f"{layer}/{name}": array for layer, of in trace.layers.items() for name, array in of.items()}


def verdict_of(net, payload, arrays):
    return verify_recorded(net, payload, recordings.of_arrays(net, arrays))


def test_python_compares_a_recording_with_a_network_or_its_file(tmp_path):
    net, payload, trace = chain()
    netx.write(net, tmp_path / "own.net")
    np.savez(tmp_path / "trace.npz", **everything(trace))
    with np.load(tmp_path / "trace.npz") as recording:
        for network in (net, tmp_path / "own.net"):
            assert spikeproof.verify_recording(network, payload, recording).exact
    changed = {"b/s": 1 - everything(trace)["b/s"]}
    assert "NOT EXACT" in str(spikeproof.verify_recording(net, payload, changed))


def test_a_whole_recording_is_exact_and_one_entry_makes_it_none():
    net, payload, trace = chain()
    arrays = everything(trace)
    whole = verdict_of(net, payload, arrays)
    assert whole.exact and whole.missing == () and str(whole).startswith("EXACT\na/s: 540 of 540 entries are equal, ")

    for name, value in (("a/s", 1), ("b/v", 64)):
        changed = arrays | {name: arrays[name].copy()}
        changed[name][2, 3, 17] ^= value
        verdict = verdict_of(net, payload, changed)
        assert not verdict.exact and verdict.diagnosis is not None
        (wrong,) = (each for each in verdict.compared if each.differ)
        assert wrong.differ == 1 and wrong.name == name
        assert (wrong.first["sample"], wrong.first["step"], wrong.first["neuron"]) == (2, 17, 3)
        assert wrong.first["recorded"] == wrong.first["computed"] ^ value


def test_any_part_of_it_in_any_order_and_late():
    """A chip records some neurons in some steps, in one stream, and a layer later the deeper it is."""
    net, payload, trace = chain()
    stream = {name: array.transpose(1, 0, 2).reshape(array.shape[1], -1) for name, array in everything(trace).items()}
    late = {name: np.pad(array, ((0, 0), (1 + (name[0] == "b"), 0)))[:, :90] for name, array in stream.items()}
    arrays = {
        "a/v": late["a/v"][[4, 1]],
        "a/neurons": np.array([4, 1]),
        "b.s": late["b/s"][:, 20:70].astype(float),
        "b/steps": np.arange(20, 70),
    }

    verdict = verdict_of(net, payload, arrays)

    assert verdict.exact, str(verdict)
    assert [(each.name, each.lag, each.compared, each.beyond) for each in verdict.compared] == [
        ("a/v", 1, 2 * 89, 1),
        ("b/s", 2, 4 * 50, 0),
    ]
    assert set(verdict.missing) == {
        *("a/s", "a/u", "4 of 6 neurons of a/v", "1 of 90 steps of a", "b/u", "b/v", "40 of 90 steps of b"),
    }
    assert "recorded 2 steps later than the layer's own time" in str(verdict)
    assert "not recorded, so nothing is said about it: " in str(verdict)


def test_a_lag_does_not_hide_a_difference():
    net, payload, trace = chain()
    arrays = everything(trace)
    arrays["a/v"] = np.roll(arrays["a/v"], 1, axis=-1)  # the spikes come in time, their membranes a step late

    verdict = verdict_of(net, payload, arrays)

    assert not verdict.exact and {each.lag for each in verdict.compared if each.name[0] == "a"} in ({0}, {1})


def test_a_recording_in_which_nothing_fires_proves_nothing():
    net, payload, _ = chain()
    silent = np.zeros_like(payload)
    verdict = verdict_of(net, silent, {"a/s": np.zeros((3, 6, 30))})
    assert not verdict.exact and verdict.equal and "nothing fired, so this proves nothing" in str(verdict)
    assert verdict.as_dict()["verdict"] == "nothing fired"


@pytest.mark.parametrize("recorded", ["nothing", "early"])
def test_no_lag_pushes_what_a_layer_does_out_of_what_is_compared(recorded):
    """A layer that fires late in its samples, recorded as one that never fires, or only before."""
    net = Net(
        inputs=(Input(num_channels=2),),
        layers=(
            Layer(
                name="a",
                synapse=Dense(weight=np.full((3, 2), 40)),
                neuron=CUBA(num_neurons=3, u_decay=4095, v_decay=0, v_th_mant=300),
            ),
        ),
        steps=20,
    )
    payload = np.zeros((2, 2, 20), np.int32)
    payload[..., 10:] = 1
    trace = reference.run(net, payload)
    spikes = trace.layers["a"]["s"]
    assert spikes[..., 10:].any() and not spikes[..., :10].any()
    wrong = np.zeros_like(spikes)
    wrong[..., :4] = recorded == "early"

    verdict = verdict_of(net, payload, {"a/s": wrong})

    assert not verdict.exact and not verdict.equal, str(verdict)
    assert verdict_of(net, payload, {"a/s": spikes}).exact


def test_what_is_recorded_twice_or_is_no_number_is_refused():
    net, payload, trace = chain()
    spikes = everything(trace)["a/s"]
    for arrays, words in (
        ({"a/s": spikes, "a.s": spikes}, "'a.s' is recorded twice"),
        ({"a/s": spikes + 0j}, "a/s: its numbers are of type complex128"),
        ({"a/s": spikes.astype(str)}, "a/s: its numbers are of type <U"),
    ):
        with pytest.raises(InputError, match=words):
            verdict_of(net, payload, arrays)
    with pytest.raises(InputError, match=r"'a/s\[2\]' is recorded twice"):
        recordings.of_columns(net, ["a/s[2]", "a/v", "a/s[2]"], np.zeros((90, 3), np.int64))
    with pytest.raises(InputError, match="is no variable of the network"):
        recordings.of_columns(net, ["a/s[99999999999999999999]"], np.zeros((90, 1), np.int64))


def test_python_takes_lists_and_says_what_is_no_recording():
    net, payload, trace = chain()
    assert spikeproof.verify_recording(net, payload, {"a/s": everything(trace)["a/s"].tolist()}).exact
    for network, recording, words in (
        (object(), {}, "the network is a record or a file, no object"),
        (net, [1], "the recording maps names .* and is a list"),
    ):
        with pytest.raises(InputError, match=words):
            spikeproof.verify_recording(network, payload, recording)


def test_a_fault_of_what_recorded_it_is_named():
    """Registers that are never reset between samples."""
    net, payload, _ = chain()
    stream = payload.transpose(1, 0, 2).reshape(1, 5, -1)
    never = reference.run(dataclasses.replace(net, steps=90), stream)
    arrays = {name: array[0] for name, array in everything(never).items()}

    verdict = verdict_of(net, payload, arrays)

    assert not verdict.exact and "reset" in verdict.diagnosis.conclusion, str(verdict)


@pytest.mark.parametrize("seed", [5, 14])
def test_recordings_of_graphs(seed):
    net, payload = graph(seed, most_layers=5)
    verdict = verdict_of(net, payload, everything(reference.run(net, payload)))
    assert verdict.exact and verdict.missing == ()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"c/s": np.zeros((6, 30))}, r"'c/s' is no variable of the network, which has a/s\|u\|v, b/s\|u\|v"),
        ({"x": np.zeros(3)}, "holds no variable"),
        ({"a/s": np.zeros(6)}, r"shape \(6,\); expected \(samples, neurons, steps\)"),
        ({"a/s": np.zeros((5, 30))}, "5 rows and 30 columns, but 6 neurons and 30 steps"),
        ({"a/s": np.zeros((2, 6, 30))}, "2 samples, but the input has 3"),
        ({"a/v": np.full((6, 90), 0.5)}, r"0.5 at \(0, 0\) is no whole number"),
        ({"a/v": np.full((6, 90), np.nan)}, "is no whole number"),
        ({"a/v": np.zeros((1, 90)), "a/neurons": np.array([6])}, "different numbers from 0 to 5"),
        ({"a/v": np.zeros((6, 400))}, "fewer than half of its steps lie in the samples"),
    ],
)
def test_what_does_not_fit_is_refused(arrays, words):
    net, payload, _ = chain()
    with pytest.raises(InputError, match=words):
        verdict_of(net, payload, arrays)


def test_the_command_compares_archives_and_tables(run, tmp_path):
    net, payload, trace = chain()
    netx.write(net, tmp_path / "net.net")
    np.savez(tmp_path / "x.npz", x=payload)
    np.savez(tmp_path / "trace.npz", **everything(trace))
    np.savez(tmp_path / "both.npz", x=payload, **{"b/v": trace.layers["b"]["v"]})
    v = trace.layers["b"]["v"][:, 2].ravel()
    (tmp_path / "v.csv").write_text("time,b/v[2]\n" + "".join(f"{t},{each}\n" for t, each in enumerate(v)))
    v[40] += 1
    (tmp_path / "wrong.csv").write_text("".join(f"{each}.0\n" for each in v))
    file, given = tmp_path / "net.net", ("-i", tmp_path / "x.npz")

    code, out, _ = run("verify", file, *given, "--against", tmp_path / "trace.npz")
    assert code == 0 and out.startswith("EXACT\na/s: 540 of 540")
    code, out, _ = run("verify", file, "--against", tmp_path / "both.npz", "--json")
    assert code == 0 and '"verdict": "exact"' in out and '"a"' in out
    code, out, _ = run("verify", file, *given, "--against", tmp_path / "v.csv", "--columns", "-,b/v[2]")
    assert code == 0 and "b/v: 90 of 90 entries are equal" in out and "3 of 4 neurons of b/v" in out
    code, out, _ = run("verify", file, *given, "--against", tmp_path / "wrong.csv", "--columns", "b/v[2]")
    assert code == 1 and out.startswith("NOT EXACT\nb/v: 89 of 90") and "sample 1, step 10, neuron 2" in out

    for options, words in [
        ((*given, "--against", tmp_path / "none.npz"), "none.npz: no such file"),
        ((*given, "--against", tmp_path / "wrong.csv"), "its first line has no names"),
        ((*given, "--against", tmp_path / "v.csv"), "'time' is no variable"),
        ((*given, "--against", tmp_path / "v.csv", "--columns", "b/v"), "There are 2 columns and 1 names"),
        ((*given, "--against", tmp_path / "net.net"), "not a .npz file of numbers"),
        (("--against", tmp_path / "trace.npz"), "what was the input?"),
        ((*given, "--against", tmp_path / "trace.npz", "-j", 2), "-j: not with --against"),
        ((*given, "--against", tmp_path / "trace.npz", "--seed", 0), "--seed: not with --against"),
        (
            (*given, "--against", tmp_path / "trace.npz", "--lava-samples", 2, "--spikes-only", "--deadline", 9),
            "--lava-samples, --deadline, --spikes-only: not with --against",
        ),
        (
            (*given, "--against", tmp_path / "trace.npz", "--results", "a", "--batch", 8, "--registers"),
            "--results, --batch, --registers: not with --against",
        ),
        ((*given, "--columns", "b/v"), "--columns names the columns"),
    ]:
        code, out, err = run("verify", file, *options)
        assert code == 2 and words in err and not out, err


@pytest.mark.skipif(not CHIP.exists(), reason="needs the chip's trace, foreign/chip of the data folder")
def test_a_trace_of_a_loihi_2_chip(run, tmp_path):
    """One neuron and four spikes, of the paper on NIR: all spikes, and all membranes but those of firing steps."""
    neuron = CUBA(num_neurons=1, u_decay=4095, v_decay=163, v_th_mant=25)
    said = []
    for delay in (1, 0):  # its synapse takes a step: said by the record, or found as a lag
        layer = Layer(name="lif", synapse=Dense(weight=[[10]]), neuron=neuron, delay=delay)
        netx.write(Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=1000), tmp_path / f"{delay}.net")
        code, out, _ = run("verify", tmp_path / f"{delay}.net", "--against", CHIP, "--columns", "input,v,s")
        assert code == 1
        said.append(out.splitlines())

    whole, late = said
    assert whole[0] == late[0] == "NOT EXACT"
    assert whole[1].startswith("lif/v: 996 of 1,000 entries are equal; ") and "recorded 128, computed 0" in whole[1]
    assert "4 of the 4 are steps in which the neuron fires" in whole[1]
    assert whole[2] == "lif/s: 1,000 of 1,000 entries are equal, 4 spikes"
    assert late[1].startswith("lif/v: 995 of 999 entries are equal; recorded 1 step later than the layer's own time; ")
    assert late[2].startswith("lif/s: 999 of 999 entries are equal, 4 spikes; recorded 1 step later")

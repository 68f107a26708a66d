"""Files at every door of the commands: nothing that is read or foreign is lost, nothing wrong passes, nothing hangs."""

import contextlib
import csv
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import spikeproof
from spikeproof.contract.errors import InputError, SpikeproofError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import texts
from spikeproof.sim.bounds import bounds
from spikeproof.sim.recordings.recordings import of_arrays
from spikeproof.sim.simulate import simulate
from spikeproof.sim.sweep.sweep import Sweep
from spikeproof.train.runs.run import Run

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ROOT / "tests" / "export" / "foreign"


def network(steps=8, inputs=2, sizes=(3, 2)):
    random, layers, width = np.random.default_rng(0), [], inputs
    for i, size in enumerate(sizes):
        neuron = CUBA(num_neurons=size, u_decay=4095, v_decay=100, v_th_mant=60)
        layers.append(
            Layer(name=f"l{i}", synapse=Dense(weight=2 * random.integers(-30, 60, (size, width))), neuron=neuron)
        )
        width = size
    return Net(inputs=(Input(num_channels=inputs),), layers=tuple(layers), steps=steps)


X = (np.random.default_rng(0).random((2, 2, 8)) < 0.6) * 1.0
NET = network()
TRACE = {
    f"{layer}/{name}": a for layer, of in simulate(NET, X, backend="engine").layers.items() for name, a in of.items()
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a network, its input and its recording."""
    monkeypatch.chdir(tmp_path)
    spikeproof.write(NET, "a.net")
    np.save("x.npy", X)
    np.savez("rec.npz", x=X, **TRACE)
    return tmp_path


def packed(array):
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def again_is_told(name):
    """Zip warns of a name that is there already."""
    return pytest.warns(UserWarning, match="Duplicate name") if name.endswith(".npy") else contextlib.nullcontext()


def words(text):
    return " ".join(text.split())


# What is there stays


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"a text without an end",
        b"some\nlines\nand a rest",
        bytes(range(256)) * 4,
        b'{"spikeproof_sweep": 1}\nnothing\nrest',
    ],
    ids=["the network", "text", "lines", "bytes", "a damaged log"],
)
def test_results_never_change_what_is_no_log_of_a_sweep(here, run, content):
    name = "other" if content is not None else "a.net"
    if content is not None:
        Path(name).write_bytes(content)
    before = Path(name).read_bytes()

    code, _, err = run("verify", "a.net", "-j", "1", "--results", name, "-n", "1")

    assert code == 2 and "ame another --results file" in words(err) and Path(name).read_bytes() == before


def test_an_export_never_replaces_what_it_reads(here, run):
    for source in (FOREIGN / "snntorch.nir", here / "a.net"):
        copy = here / f"copy{source.suffix}"
        shutil.copy(source, copy)
        before = copy.read_bytes()
        code, _, err = run("export", copy, "-o", copy, "--force")
        assert code == 2 and "is what the command reads" in words(err) and copy.read_bytes() == before


def test_an_export_of_a_run_never_replaces_the_only_copy_of_its_parameters(here, run):
    shutil.copytree(ROOT / "examples" / "pretrained" / "fsdd", "run")
    before = Path("run/net.net").read_bytes()
    code, _, err = run("export", "run", "-o", "run/net.net", "--force")
    assert code == 2 and "is what the command reads" in words(err) and Path("run/net.net").read_bytes() == before


def test_a_report_never_replaces_what_it_is_made_of(here, run):
    limits = '# <meta name="generator" content="spikeproof">\nchips = 1\n'
    Path("mine.toml").write_text(limits)
    code, _, err = run("map", "a.net", "--limits", "mine.toml", "--report", "mine.toml")
    assert code == 2 and "is what the command reads" in words(err) and Path("mine.toml").read_text() == limits
    Path("empty.html").touch()
    code, _, err = run("verify", "a.net", "-i", "empty.html", "--report", "empty.html")
    assert code == 2 and "is what the command reads" in words(err)


# Nothing wrong is exact


def test_an_array_that_stands_twice_in_an_archive_is_refused(here, run):
    wrong = {name: array.copy() for name, array in TRACE.items()}
    wrong["l0/s"][0, 0, 0] ^= 1
    for again in ("l0/s.npy", "l0/s"):
        with zipfile.ZipFile("twice.npz", "w") as made, again_is_told(again):
            made.writestr("x.npy", packed(X))
            for name, array in wrong.items():
                made.writestr(f"{name}.npy", packed(array))
            made.writestr(again, packed(TRACE["l0/s"]))
        code, _, err = run("verify", "a.net", "--against", "twice.npz")
        assert code == 2 and "l0/s stands twice in the archive" in words(err)
    with zipfile.ZipFile("twice.npz", "w") as made, pytest.warns(UserWarning, match="Duplicate name"):
        for array in (X, X):
            made.writestr("x.npy", packed(array))
    code, _, err = run("simulate", "a.net", "-i", "twice.npz")
    assert code == 2 and "x stands twice in the archive" in words(err)


def test_a_variable_under_two_names_is_refused_in_a_trace(here, run):
    s = TRACE["l0/s"]
    np.savez("two.npz", **{"l0.s": 1 - s, "l0/s": s})
    np.savez("one.npz", **{"l0.s": s})
    code, _, err = run("compare", "two.npz", "one.npz")
    assert code == 2 and "l0.s is there twice" in words(err)


def against(run, **arrays):
    np.savez("told.npz", x=X, **arrays)
    code, out, _ = run("verify", "a.net", "--against", "told.npz", "--json")
    assert run("verify", "a.net", "--against", "told.npz")[1].startswith("EXACT") == (code == 0)
    return code, json.loads(out)["verdict"]


def test_recorded_spikes_in_front_of_the_first_step_are_no_proof(here, run):
    late = np.roll(TRACE["l0/s"], 1, -1)
    late[..., 0] = 0
    assert against(run, **{"l0/s": late}) == (0, "exact")
    late[0, :, 0] = 1
    assert against(run, **{"l0/s": late}) == (1, "spikes outside")
    stream = late.transpose(1, 0, 2).reshape(3, -1)
    stream[:, 1:] = TRACE["l0/s"].transpose(1, 0, 2).reshape(3, -1)[:, :-1]
    assert against(run, **{"l0/s": stream}) == (1, "spikes outside")
    stream[:, 0] = 0
    assert against(run, **{"l0/s": stream}) == (0, "exact")


def test_a_late_stream_that_is_cut_into_samples_begins_with_the_sample_before(here, run):
    stream = TRACE["l0/s"].transpose(1, 0, 2).reshape(3, -1)
    assert stream[:, 7].any()  # the last step of the first sample, recorded as the first of the second
    late = np.roll(stream, 1, -1)
    late[:, 0] = 0
    cut = late.reshape(3, 2, 8).transpose(1, 0, 2)
    assert against(run, **{"l0/s": cut}) == (0, "exact")
    cut[1, :, 0] = 1 - cut[1, :, 0]
    assert against(run, **{"l0/s": cut}) == (1, "spikes outside")


def test_what_a_chip_does_behind_the_last_sample_is_no_matter_of_a_lag(here, run):
    s = TRACE["l0/s"].transpose(1, 0, 2).reshape(3, -1)
    np.savez("long.npz", x=X, **{"l0/s": np.concatenate([s, np.ones((3, 2), int)], 1)})
    code, out, _ = run("verify", "a.net", "--against", "long.npz")
    assert code == 0 and "2 recorded steps lie outside of the samples" in words(out)


def test_a_complex_input_is_refused_at_every_door(here, run):
    np.save("complex.npy", X + 3j)
    shutil.copytree(ROOT / "examples" / "pretrained" / "fsdd", "run")
    for command in (("verify", "run"), ("verify", "a.net"), ("simulate", "a.net"), ("map", "a.net")):
        code, _, err = run(*command, "-i", "complex.npy")
        assert code == 2 and "the array holds complex128" in words(err), command


def test_a_table_has_one_column_of_input(here, run):
    spikeproof.write(network(inputs=1, sizes=(1,)), "one.net")
    rows = [["input", "input", "s[0]"], *([1, 0, 0] for _ in range(8))]
    with open("in.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    code, _, err = run("verify", "one.net", "--against", "in.csv")
    assert code == 2 and "it has several columns called input" in words(err)
    np.save("one.npy", np.ones((1, 1, 8)))
    code, _, err = run("verify", "one.net", "--against", "in.csv", "-i", "one.npy")
    assert code in (0, 1), err


def test_steps_of_a_recording_count_once():
    with pytest.raises(InputError, match="l0/steps: a step is there twice"):
        of_arrays(NET, {"l0/s": TRACE["l0/s"], "l0/steps": np.zeros(8)})
    with pytest.raises(InputError, match=r"l0/steps: 0\.5 at .* They count the time steps, from 0\.$"):
        of_arrays(NET, {"l0/s": TRACE["l0/s"], "l0/steps": np.arange(8) / 2})
    with pytest.raises(InputError, match="nothing was recorded"):
        of_arrays(NET, {"l0/s": TRACE["l0/s"][:0]})


# Nothing hangs, and no mistake of a user is called a fault of ours


@pytest.mark.timeout(30)
def test_a_pipe_is_no_recipe_and_no_table_of_limits(here, run):
    os.mkfifo("pipe.toml")
    for command in (
        ("recipes", "pipe.toml"),
        ("train", "pipe.toml", "--dry-run"),
        ("map", "a.net", "--limits", "pipe.toml"),
    ):
        code, _, err = run(*command)
        assert code == 2 and "a pipe or a device. Name a regular file" in words(err), command
    code, _, err = run("map", "a.net", "--limits", "/dev/zero")
    assert code == 2 and "a pipe or a device" in words(err)


def test_limits_may_come_from_another_command(here, run):
    reads, writes = os.pipe()
    os.write(writes, b"chips = 3\n")
    os.close(writes)
    code, _, err = run("map", "a.net", "--limits", f"/dev/fd/{reads}", "--json")
    os.close(reads)
    assert code == 0, err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("chips = " + "9" * 5000, "not TOML"),
        ("chips = " + "[" * 5000, "not TOML"),
        ("chips = 0x" + "f" * 5000, "chips is not a whole number from 1 to 2147483647"),
        ("[chips]\nvalue = 2\nsource = 5", "chips.source is no text"),
        ("chips = " + "9" * 25, "is not a whole number from 1 to 2147483647"),
        ("chips = true", "is not a whole number"),
        ('"\\u001b[31m" = 1', "\\x1b[31m is no limit"),
        ("#" * (texts.MAX_BYTES + 1), f"at most {texts.MAX_BYTES} are read"),
    ],
)
def test_hostile_limits_and_recipes_are_told(here, run, text, told):
    Path("hostile.toml").write_text(text)
    code, _, err = run("map", "a.net", "--limits", "hostile.toml")
    assert code == 2 and told in words(err) and "\x1b" not in err
    code, _, err = run("recipes", "hostile.toml")
    assert code == 2 and "\x1b" not in err and "fault" not in err


def test_true_is_no_number_in_a_recipe(here, run):
    for text in ("hidden = [true]", "epochs = true"):
        Path("mine.toml").write_text(f'task = "digits"\n{text}\n')
        code, _, err = run("recipes", "mine.toml")
        assert code == 2 and "takes no true and no false" in words(err)
    Path("mine.toml").write_text('task = "digits"\nrecurent = true\n')
    assert "Did you mean recurrent?" in words(run("recipes", "mine.toml")[2])
    Path("mine.toml").write_text('task = "digits"\nrecurrent = true\n')
    assert run("recipes", "mine.toml")[0] == 0


def test_an_archive_of_another_version_of_zip_is_told(here, run):
    data = bytearray(Path("rec.npz").read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 6] = 99
    Path("new.npz").write_bytes(data)
    for command in (("simulate", "a.net", "-i", "new.npz"), ("compare", "new.npz", "new.npz"), ("inspect", "new.npz")):
        code, _, err = run(*command)
        assert code == 2 and "new.npz: not a" in words(err), (command, err)


def test_a_table_with_an_endless_field_or_neuron_is_told(here, run):
    Path("long.csv").write_text("input,s\n" + "1" * 200_000 + ",0\n")
    code, _, err = run("verify", "a.net", "--against", "long.csv")
    assert code == 2 and "long.csv: not a .csv file of numbers" in words(err)
    Path("far.csv").write_text("input,l0/s[" + "9" * 5000 + "]\n1,0\n")
    code, _, err = run("verify", "a.net", "-i", "x.npy", "--against", "far.csv")
    assert code == 2 and "is no variable of the network" in words(err)


def test_a_log_without_its_columns_is_told(tmp_path):
    for text in ("a,b\n1,2\n", "epoch,loss\n1,2\n", "epoch,loss\n" + "1" * 200_000 + ",2\n"):
        (tmp_path / "log.csv").write_text(text)
        from spikeproof.train.analysis.analyses import learning_curve

        with pytest.raises(SpikeproofError, match=r"log\.csv: cannot be read as a log"):
            learning_curve(Run(tmp_path))


def test_names_with_escapes_are_no_layers(here, run):
    np.savez("red.npz", **{"\x1b[31ml.s": np.zeros((1, 2, 4))})
    for command in (("compare", "red.npz", "red.npz"), ("plot", "red.npz")):
        code, out, err = run(*command)
        assert code == 2 and "\x1b" not in out + err and "is no variable of a trace" in words(err)
    Path("red.toml").write_text('[chips]\nvalue = 2\nsource = "\\u001b[31mRED"\n')
    code, out, err = run("map", "a.net", "--limits", "red.toml", "--sources")
    assert code == 0 and "\x1b" not in out + err and "RED" in out


def test_traces_that_hold_no_numbers_are_told(here, run):
    for values in (np.zeros((1, 2, 4), complex), np.full((1, 2, 4), np.nan), np.full((1, 2, 4), np.inf)):
        np.savez("odd.npz", **{"l.s": values})
        code, _, err = run("compare", "odd.npz", "odd.npz", "--json")
        assert code == 2 and ("no real number" in words(err) or "complex128" in words(err))


@pytest.mark.parametrize("place", ["a" * 300 + ".net", "a.net/inside"])
def test_a_place_that_cannot_be_reached_is_the_users_mistake(here, run, place):
    doors = (
        ("inspect", place), ("verify", place), ("prove", place), ("map", place), ("simulate", place, "-i", "x.npy"),
        ("diff", place, "a.net"), ("analyse", place), ("verify", "a.net", "-j", "1", "--results", place, "-n", "1"),
        ("export", "a.net", "--harness", place), ("simulate", "a.net", "-i", place), ("recipes", place + ".toml"),
    )  # fmt: skip
    for command in doors:
        code, _, err = run(*command)
        assert code == 2 and "fault of spikeproof" not in err, (command, err)


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "seteuid"), reason="root may read everything")
def test_a_folder_of_somebody_else_is_told(here, run):
    (here / "theirs").mkdir(mode=0o700)
    shutil.copy("a.net", "theirs/a.net")
    shutil.copy("x.npy", "theirs/x.npy")
    if os.geteuid():
        os.chmod("theirs", 0)
    else:
        for folder in (here, *here.parents):
            if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
                pytest.skip("folders above are root's alone")
        os.seteuid(65534)
    try:
        for command in (
            ("inspect", "theirs/a.net"),
            ("analyse", "theirs/x"),
            ("simulate", "a.net", "-i", "theirs/x.npy"),
        ):
            code, _, err = run(*command)
            assert code == 2 and "Permission denied" in err and "Write it again" not in err, (command, err)
    finally:
        if os.geteuid() == 65534:
            os.seteuid(0)
        os.chmod("theirs", 0o700)


def test_a_folder_is_no_trace(here, run):
    for place in (".", "/", ""):
        code, _, err = run("plot", place)
        assert code == 2 and "is a folder. Name the file of a trace" in words(err)


def test_a_name_that_is_no_utf8_is_printed_with_escapes(here, run):
    name = os.fsdecode(b"\xff.net")
    shutil.copy("a.net", name)
    np.savez(os.fsdecode(b"\xff.npz"), **{key.replace("/", "."): a for key, a in TRACE.items()})
    doors = (
        ("inspect", name), ("map", name, "--report", "map.html"), ("plot", os.fsdecode(b"\xff.npz")),
        ("export", name, "-o", os.fsdecode(b"\xfe.net")),
    )  # fmt: skip
    for command in doors:
        code, _, err = run(*command)
        assert code == 0, (command, err)


def test_a_recipe_made_from_an_odd_name_is_one(here, run):
    assert run("new", "recipe", "first.toml")[0] == 0
    odd = "we\nird.toml"
    os.rename("first.toml", odd)
    code, _, err = run("new", "recipe", "second.toml", "--like", odd)
    assert code == 0, err
    assert run("recipes", "second.toml")[0] == 0


# In Python


@pytest.mark.parametrize(
    "call",
    [
        lambda: spikeproof.load(None),
        lambda: spikeproof.load(b"a.net"),
        lambda: spikeproof.write(NET, None),
        lambda: spikeproof.write(NET, "a\0b"),
        lambda: spikeproof.lint(None),
        lambda: spikeproof.recipe.find(None),
        lambda: Run.open(None),
        lambda: spikeproof.simulate(NET, [[1, 2], [3]], backend="engine"),
        lambda: spikeproof.simulate(NET, (), backend="engine"),
        lambda: spikeproof.simulate(NET, (np.float64(1),), backend="engine"),
        lambda: spikeproof.simulate(NET, np.zeros((0, 2, 1, 1, 8)), backend="engine"),
        lambda: spikeproof.simulate(NET, np.ma.masked_array(X, mask=True), backend="engine"),
        lambda: spikeproof.simulate(NET, list(np.ma.masked_array(X, mask=True)), backend="engine"),
        lambda: spikeproof.simulate(NET, [torch.tensor(one, requires_grad=True) for one in X], backend="engine"),
        lambda: spikeproof.verify(torch.nn.Identity(), np.ma.masked_array(X, mask=True)),
        lambda: spikeproof.simulate(NET, X, backend="engine", deadline="x"),
        lambda: spikeproof.simulate(NET, X, backend="engine", deadline=True),
        lambda: spikeproof.simulate(NET, X, backend="lava", deadline=float("nan")),
        lambda: spikeproof.verify(NET, X, deadline=-1),
        lambda: spikeproof.verify(NET, X, registers="x"),
        lambda: spikeproof.verify(NET, X, sweep=5),
        lambda: bounds(NET, max_active="x"),
        lambda: bounds(NET, max_active=1.5),
        lambda: bounds(NET, max_spikes=5),
        lambda: bounds(NET, max_spikes={"l0": "x"}),
        lambda: bounds(NET, unit_input="no"),
        lambda: bounds(NET, samples=X),
        lambda: Sweep(workers="x"),
        lambda: NET.index("typo"),
    ],
)
def test_what_python_is_given_wrongly_is_an_error_of_ours(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        call()
    assert len(str(raised.value)) < 500 and list(tmp_path.iterdir()) == []


def test_a_tensor_may_require_a_gradient():
    x = torch.tensor(X, requires_grad=True)
    trace = spikeproof.simulate(NET, x, backend="engine")
    assert np.array_equal(trace.layers["l0"]["s"], TRACE["l0/s"])

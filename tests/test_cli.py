"""The command line as a user types it: results, exit codes, and one message for a mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from stock_files import DENSE, INPUT, write

from spikeproof.export import netx, stock
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.loop.epochs import Epoch
from spikeproof.train.runs.recipe import Recipe, find, make

SMALL = ("--set", "hidden=10,12", "--set", "epochs=1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small finished run."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    fit(find("digits-plain").replace(["hidden=10,12", "epochs=1"]), folder)
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the run that a test may damage."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in trained.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.lava
def test_demo_trains_exports_runs_and_proves(run, tmp_path):
    code, out, err = run("demo", *SMALL, "--samples", 3, cwd=tmp_path)

    assert code == 0, err
    assert "EXACT" in out.splitlines() and "NOT EXACT" not in out
    assert "torch and lava are exact" in out and "register values over 3 samples are equal" in out
    right = {word for word in out.splitlines()[-2].replace(",", "").split() if word.endswith("/3")}
    assert len(right) == 1  # the same accuracy on torch, engine and Lava
    folder = tmp_path / "runs" / "demo"
    assert {path.name for path in folder.iterdir()} == {
        "recipe.json", "log.csv", "model.safetensors", "net.net", "result.json", "report.html", "report.json",
    }  # fmt: skip
    page = (folder / "report.html").read_text()
    assert "<b>EXACT</b>" in page and "<svg" in page
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)  # self-contained

    code, out, err = run("demo", *SMALL, "--samples", 3, cwd=tmp_path)
    assert code == 0 and "holds this recipe's trained network already" in err


@pytest.mark.lava
def test_demo_compares_the_encodings(run, tmp_path):
    code, out, err = run("demo", *SMALL, "--samples", 2, "--encodings", cwd=tmp_path)

    assert code == 0, err
    assert out.splitlines().count("EXACT") == 2
    rows = [line for line in out.splitlines() if "%" in line and "runs/demo" in line]
    assert "table" in rows[0] and " 64 " in rows[0]
    assert "32 CPG channels" in rows[1] and " 32 " in rows[1]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"demo", "demo-driven"}


@pytest.mark.lava
def test_verify_a_run_as_json(run, trained):
    code, out, _ = run("verify", trained, "--samples", 2, "--json")

    found = json.loads(out)
    assert code == 0 and found["exact"] is True
    assert [comparison["backends"] for comparison in found["comparisons"]] == [
        ["torch", "engine"],
        ["torch", "lava"],
    ]
    assert len({tuple(right.values()) for right in found["right"].values()}) == 1


@pytest.mark.lava
def test_verify_all_samples_with_a_share_on_lava(run, trained):
    code, out, err = run("verify", trained, "--samples", "all", "--lava-samples", 2)

    assert code == 0, err
    assert "torch and engine are exact" in out and "over 450 samples" in out
    assert re.search(r"float to fixed: \d+ of 450 samples keep their class", out)
    assert re.search(r"right without rounding: \d+/450\n", out)
    assert "torch and lava are exact" in out and "over 2 samples" in out


@pytest.mark.lava
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_verify_finds_a_flipped_weight_bit(run, copy, layer):
    with h5py.File(copy / "net.net", "r+") as file:
        weight = file[f"layer/{layer}/weight"]
        weight[2, 0] ^= 1 << 5

    code, out, err = run("verify", copy, "--samples", 2, "--report", copy / "report.html")

    assert code == 1, err
    name = ["celif1", "celif2", "readout3"][layer - 1]
    assert "NOT EXACT" in out
    assert f"layer '{name}', neuron 2, synapse.weight[2, 0]: trained" in out
    assert f"torch and lava DIFFER, first in layer '{name}', sample " in out and ", step " in out
    assert "<b>NOT EXACT</b>" in (copy / "report.html").read_text()


@pytest.mark.lava
def test_verify_a_file_alone_with_given_and_with_random_input(run, trained, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((3, 1, 64)))

    code, out, _ = run("verify", trained / "net.net", "-i", tmp_path / "x.npz", "--samples", "all")
    assert code == 0 and "engine and lava are exact" in out and "over 3 samples" in out
    code, out, err = run("verify", trained / "net.net", "--samples", 2)
    assert code == 0 and "over 2 samples" in out and "random input, seed 0" in err


@pytest.mark.lava
def test_a_run_is_verified_on_an_input_that_is_given(run, trained, tmp_path):
    """Torch is one side of it: that is how what a search found is shown on the module that was trained."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "found.npz", x=random.random((2, 1, 64)), layer=["celif1"], register=["v"], value=[1])
    code, out, err = run("verify", trained, "-i", tmp_path / "found.npz", "--report", tmp_path / "a.html")
    assert code == 0, err
    assert "torch and engine are exact" in out and "torch and lava are exact" in out and (tmp_path / "a.html").is_file()


@pytest.mark.lava
def test_simulate_writes_every_variable(run, trained, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((2, 1, 64)))

    code, out, err = run("simulate", trained / "net.net", "-i", tmp_path / "x.npy", "-o", tmp_path / "out.npz")
    assert code == 0, err
    again = run("simulate", trained / "net.net", "-i", tmp_path / "x.npy", "--backend", "reference", "--json")

    with np.load(tmp_path / "out.npz") as saved:
        assert set(saved) == {f"{layer}.{k}" for layer in ("celif1", "celif2") for k in ("s", "v", "h", "theta")} | {
            "readout3.v"
        }
        assert saved["celif2.s"].shape == (2, 12, 64)
        assert json.loads(again[1])["output"] == saved["readout3.v"][..., -1].tolist()
    assert "2 samples on lava" in out


@pytest.mark.lava
def test_the_deadline_of_the_command_holds(run, trained):
    code, _, err = run("verify", trained, "--samples", 20, "--deadline", 1)

    assert code == 1
    assert "error: Lava did not finish within 1 s and was ended. Allow more with --deadline" in err


@pytest.mark.lava
def test_doctor_runs_a_trial(run, tmp_path):
    code, out, _ = run("doctor")

    assert code == 0, out
    assert "ok      trial run: engine and lava are exact" in out
    assert "ok      lava-nc: 0.10.0" in out


def test_export_and_inspect(run, trained, tmp_path):
    path = tmp_path / "a.net"

    code, out, err = run("export", trained, "-o", path)
    assert (code, err) == (0, "") and path.read_bytes() == (trained / "net.net").read_bytes()
    assert run("export", trained, "-o", path)[0] == 2
    assert run("export", trained, "-o", path, "--force")[0] == 0
    code, out, _ = run("inspect", path)
    assert code == 0 and "celif2" in out and "CELIF" in out and "steps a sample: 64" in out
    code, out, _ = run("inspect", path, "--json")
    assert json.loads(out)["te"] == {"kind": "table", "steps": 64, "neurons": 12, "bytes_a_neuron": 64}


def test_inspect_lints_files_of_stock_lava_dl(run, tmp_path):
    path = write(tmp_path / "stock.net", [INPUT, DENSE | {"bias": [0.0, 3.0]}])
    refused = write(tmp_path / "refused.net", [INPUT, DENSE | {"neuron/refDelay": 5}, DENSE | {"type": "dens"}])

    code, out, _ = run("inspect", path)
    assert code == 0 and "warning bias-offset: Lava's synapses hold the first input back" in out.replace("\n", " ")
    assert "    dense1: a bias on 1 of 2 neurons" in out and "steps a sample: 100" in out
    code, out, _ = run("inspect", path, "--json")
    (finding,) = json.loads(out)["findings"]
    assert (finding["rule"], finding["severity"], finding["where"]) == ("bias-offset", "warning", "dense1")

    second = DENSE | {"weight": [[2.0, -4.0]] * 2, "bias": [2.0, 0.0]}
    deep = write(tmp_path / "deep.net", [INPUT, DENSE, second])
    netx.write(stock.load(deep, steps=12), tmp_path / "twelve.net")  # an option that one of two files needs is used
    assert run("diff", deep, tmp_path / "twelve.net", "--steps", 12)[0] == 0
    code, _, err = run("diff", deep, tmp_path / "twelve.net", "--dt", 1)
    assert code == 2 and "a time step (--dt) is for NIR files" in err
    for option in ((), ("--delay-shift",)):
        code, out, err = run("export", deep, "-o", tmp_path / "ours.net", "--steps", 12, "--force", *option)
        assert code == 0 and "imported network" in out
        assert "warning bias-offset: " in err and "    dense2: a bias on 1 of 2 neurons" in err
        ours = netx.load(tmp_path / "ours.net")
        assert (ours.steps, ours.layers[0].lead) == (12, len(option))

    code, out, _ = run("inspect", refused)
    assert code == 2 and out.count("error refused: ") == 2 and "    layer/1: refDelay" in out
    code, out, _ = run("inspect", refused, "--json")
    assert code == 2 and [found["where"] for found in json.loads(out)["findings"]] == ["layer/1", "layer/2"]
    code, _, err = run("simulate", refused, "-i", np_file(tmp_path))
    assert code == 2 and "layer/1: refDelay: 5 steps of rest after a spike" in err


def np_file(folder):
    """An input of a sample."""
    np.save(folder / "x.npy", np.zeros((1, 3, 10)))
    return folder / "x.npy"


def test_training_again_needs_force_and_a_seed_repeats(run, trained, tmp_path):
    code, _, err = run("train", "digits-plain", *SMALL, "--folder", trained)
    assert code == 2 and "holds a finished run. Name another --folder, or replace it with --force" in err

    again = fit(find("digits-plain").replace(["hidden=10,12", "epochs=1"]), tmp_path / "again")
    assert netx.load(again.net_path) == netx.load(trained / "net.net")
    assert (trained / "log.csv").read_text().startswith(",".join(Epoch._fields) + "\n1,")


def test_force_replaces_an_unfinished_run_whose_recipe_is_damaged(run, copy):
    (copy / "result.json").unlink()
    (copy / "recipe.json").write_text('{"task": "dig')
    (copy / "last.safetensors").write_bytes(b"under way")
    asked = ("train", "digits-plain", *SMALL, "--folder", copy)
    code, _, err = run(*asked)
    assert code == 2 and "recipe.json" in err
    assert run(*asked, "--force")[0] == 0 and (copy / "result.json").is_file()


@pytest.mark.parametrize("verb", ["inspect", "verify", "simulate"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "not a readable HDF5 file"),
        (lambda path: _edit(path, "nan"), r"layer/1: Dense weight[0, 0] = nan"),
        (lambda path: _edit(path, "version"), "schema version 7"),
        (lambda path: _edit(path, "foreign"), "not written by spikeproof"),
    ],
)
def test_a_bad_file_is_one_message_and_exit_2(run, copy, tmp_path, verb, damage, words):
    path = copy / "net.net"
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 64)))
    damage(path)

    code, out, err = run(verb, path, *(["-i", tmp_path / "x.npy"] if verb == "simulate" else []))

    assert (code, out) == (2, "")
    message = err.strip().splitlines()[-1]
    assert message.startswith(f"error: {path}: ") and words in message


def _edit(path, what):
    with h5py.File(path, "r+") as file:
        if what == "nan":
            del file["layer/1/weight"]
            file["layer/1/weight"] = np.full((10, 1), np.nan)
        elif what == "version":
            file.attrs["spikeproof_schema"] = 7
        else:
            del file.attrs["spikeproof_schema"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["train", "digit"],
            "No recipe is called 'digit'. Did you mean digits? Known are adding, cifar10, cifar10-full, copy, digits",
        ),
        (
            ["train", "digits", "--set", "epoch=3"],
            "--set: epoch is unknown. Did you mean epochs? Known are task, model, neuron",
        ),
        (["train", "digits", "--set", "epochs=x"], "--set: epochs: Input should be a valid integer"),
        (["train", "digits", "--set", "epochs=0"], "--set: epochs: Input should be greater than 0"),
        (["train", "digits", "--set", "hidden=a"], "--set: hidden.0: Input should be a valid integer"),
        (["train", "digits", "--set", "task=mnist"], "task: 'mnist' is unknown; known are digits"),
        (["train", "digits", "--set", "scale=100"], "scale = 100 is not a power of two"),
        (["verify", "."], "no finished training run here"),
        (["export", "."], "no finished training run here"),
        (["verify", "{run}", "--samples", "0"], "--samples 0: give a number from 1, or 'all'"),
        (["verify", "{run}", "--samples", "9999"], "--samples 9999: there are 450"),
        (["verify", "{run}", "--results", "a"], "--results: for -j or --scheduler"),
        (["verify", "{run}", "--batch", "8"], "--batch: for -j or --scheduler"),
        (
            ["verify", "{run}", "--steps", "5"],
            "--steps: for files of other tools; a training run says all of this itself.",
        ),
        (["verify", "{run}", "--clamp-delays", "--dt", "1"], "--dt, --clamp-delays: for files of other tools"),
        (["export", "{run}", "--input-shape", "1,2,3", "--delay-shift"], "--input-shape, --delay-shift: for files of"),
        (["export", "{run}/net.net", "--steps", "64"], "--steps: not for {run}/net.net: what it is about stands in"),
        (
            ["inspect", "{run}", "--steps", "64"],
            "(--steps): not for {run}/net.net: what it is about stands in the file",
        ),
        (["diff", "{run}", "{run}/net.net", "--steps", "64"], "--steps: not for {run} and {run}/net.net: "),
        (["simulate", "{run}", "-i", "{good}", "--delay-shift"], "--delay-shift: not for {run}/net.net: "),
        (["demo", "--pretrained", "fsdd", "--set", "epochs=3"], "--set: not with --pretrained, for fsdd is trained"),
        (["demo", "--pretrained", "fsdd", "--force", "--encodings"], "--force, --encodings: not with --pretrained"),
        (["verify", "{run}", "-j", "2", "--scheduler", "tcp://x:1"], "either a number of workers (-j) or the address"),
        (["verify", "{run}", "-i", "absent.npy"], "absent.npy: no such file"),
        (["simulate", "{run}/net.net", "-i", "absent.npy"], "absent.npy: no such file"),
        (["simulate", "{run}/net.net", "-i", "{run}/log.csv"], "not a .npy or .npz file of numbers"),
        (["simulate", "{run}/net.net", "-i", "{pickle}"], "not a .npy or .npz file of numbers"),
        (["simulate", "{run}/net.net", "-i", "{named}"], "no array called x; it holds y, z"),
        (["simulate", "{run}/net.net", "-i", "{short}"], "Input has shape (1, 1, 3)"),
        (["simulate", "{run}/net.net", "-i", "{good}", "--backend", "chip"], "'chip' is not one of"),
    ],
)
def test_a_mistake_is_one_message_and_exit_2(run, trained, tmp_path, arguments, words):
    names = {key: tmp_path / f"{key}.npy" for key in ("pickle", "short", "good")} | {"named": tmp_path / "named.npz"}
    np.save(names["pickle"], np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(names["short"], np.zeros((1, 1, 3)))
    np.save(names["good"], np.zeros((1, 1, 64)))
    np.savez(names["named"], y=np.zeros(3), z=np.zeros(3))

    code, out, err = run(*(argument.format(run=trained, **names) for argument in arguments), cwd=tmp_path)

    assert (code, out) == (2, "")
    assert words.format(run=trained) in err.replace("\n", " ")


def test_analyse_draws_a_run(run, copy):
    code, out, err = run("analyse", copy, "--samples", 4)
    assert code == 0, err
    *names, ends, energy, source = [Path(line).name for line in out.splitlines()]
    assert names == ["learning.png", "encoding.png", "neuron.png", "gradients.png"]
    assert re.match(r"at an end of their register: [\d.]+% of weights of celif1, .*, [\d.]+% of encoding$", ends)
    for name in names:
        assert (copy / "analysis" / name).read_bytes().startswith(b"\x89PNG")
    assert re.match(r"energy: [\d.]+ nJ a step \(\d+ MAC, \d+ AC\), [\d.]+ uJ an inference of 64 steps", energy)
    assert source.startswith("arithmetic alone")

    code, out, err = run("analyse", copy, "--samples", 2, "--sample", 7, "--beside", copy, "--beside", copy)
    assert code == 0 and "beside.png" in out and (copy / "analysis" / "beside.png").is_file()
    code, _, err = run("analyse", copy, "--sample", 450)
    assert code == 2 and "--sample 450: the test part has samples 0 to 449." in err
    code, _, err = run("analyse", copy, "--beside", copy / "absent")
    assert code == 2 and "no finished training run here" in err


def test_analyse_draws_a_run_of_another_network(run, tmp_path):
    fit(find("digits-plain").replace(["neuron=lstm", "hidden=5", "epochs=1"]), tmp_path)
    code, out, err = run("analyse", tmp_path, "--samples", 4)
    assert code == 0, err
    *names, energy, _ = [Path(line).name for line in out.splitlines()]
    assert names == ["learning.png", "gradients.png"]
    assert "(255 MAC, 0 AC)" in energy


def test_analyse_counts_an_answer_of_a_sequence_model(run, tmp_path):
    settings = ["model=spike-rnn", "neuron=lif", "hidden=8", "depth=1", "encoder=repeat", "spike_steps=1"]
    fit(find("digits-plain").replace([*settings, "position=cpg", "position_channels=8", "epochs=1"]), tmp_path)
    code, out, err = run("analyse", tmp_path, "--samples", 4)
    assert code == 0, err
    *_, energy, source = out.splitlines()
    pattern = r"energy: [\d.]+ uJ an answer \([\d,]+ MAC, [\d,]+ AC, [\d.]+ uJ of it the code\); counted over 4 samples"
    assert re.fullmatch(pattern, energy) and source.startswith("arithmetic alone")


def test_damaged_runs_are_refused(run, copy):
    (copy / "model.safetensors").write_bytes(b"broken")
    code, _, err = run("verify", copy)
    assert code == 2 and "model.safetensors: cannot be read" in err

    result = (copy / "result.json").read_text()
    (copy / "result.json").write_text('{"test_accuracy": 0.9}')
    code, _, err = run("verify", copy)
    assert code == 2 and "result.json: not a result of this version" in err
    (copy / "result.json").write_text(result)

    (copy / "recipe.json").write_text('{"task": "digits", "layers": 3}')
    code, _, err = run("verify", copy)
    assert code == 2 and "recipe.json: recipe: layers is unknown. Known are task" in err


def test_every_verb_has_help_and_usage_errors_exit_2(run):
    verbs = ("demo", "train", "analyse", "export", "inspect", "simulate", "verify", "doctor")
    code, out, _ = run("--help")
    assert code == 0 and all(verb in out for verb in verbs)
    assert run("--version")[:2] == (0, "0.1.0\n")
    assert run("frobnicate")[0] == 2
    assert run("verify")[0] == 2


def test_the_module_is_the_command_and_shows_no_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "spikeproof", "inspect", "absent.net"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: absent.net: no such file.\n")


def test_a_recipe_survives_its_json():
    recipe = make(task="digits", hidden=(3, 4), seed=9)

    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.slow
@pytest.mark.lava
def test_verify_spreads_lavas_samples(run, copy):
    pytest.importorskip("distributed")
    command = ("verify", copy, "--samples", "all", "--lava-samples", 4, "-j", 2, "--batch", 2, "--json")

    code, out, err = run(*command)

    assert code == 0, err
    found = json.loads(out)
    assert [comparison["backends"] for comparison in found["comparisons"]] == [["torch", "engine"], ["engine", "lava"]]
    assert [comparison["samples"] for comparison in found["comparisons"]] == [450, 4]
    assert len(list(copy.glob("sweep-*.jsonl"))) == 1
    assert json.loads(run(*command)[1]) == found  # from the results alone

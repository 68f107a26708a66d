"""Training runs: what they write, that they can be ended at any time, and what they refuse."""

import csv
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors.torch
import torch

from spikeproof.contract.errors import FileFormatError, InputError
from spikeproof.export import netx, slayer
from spikeproof.train.runs.build import build
from spikeproof.train.runs.evaluate import evaluate
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.lock import locked
from spikeproof.train.runs.loop import checkpoint, epochs
from spikeproof.train.runs.loop.batches import Batches
from spikeproof.train.runs.recipe import Recipe, find, names
from spikeproof.train.runs.run import Run

SMALL = ["hidden=8,8", "epochs=4", "validation=0.1", "schedule=step", "step_epochs=1", "gradient_clip=1"]


class Interrupted(Exception):
    pass


def weights(folder):
    return safetensors.torch.load_file(folder / "model.safetensors")


def assert_same_run(a, b):
    found, expected = weights(a), weights(b)
    assert list(found) == list(expected)
    for name in expected:
        assert torch.equal(found[name], expected[name]), name
    logs = [(folder / "log.csv").read_text().splitlines() for folder in (a, b)]
    rows = [[line.rpartition(",")[0] for line in log] for log in logs]  # but for the time
    assert rows[0] == rows[1] and len(rows[0]) > 1
    results = [Run.open(folder).result() for folder in (a, b)]
    assert [result.pop("seconds") >= 0 for result in results] == [True, True]
    assert results[0] == results[1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    fit(find("digits").replace(SMALL), folder)
    return folder


def test_a_run_keeps_the_best_epoch_on_the_validation_part(undisturbed):
    with open(undisturbed / "log.csv") as file:
        rows = list(csv.DictReader(file))
    scores = [float(row["validation_score"]) for row in rows]
    result = Run.open(undisturbed).result()
    ties = [row for row, score in zip(rows, scores, strict=True) if score == max(scores)]
    assert result["epoch"] == int(min(ties, key=lambda row: float(row["validation_loss"]))["epoch"])
    assert result["validation_score"] == pytest.approx(max(scores), abs=1e-6)
    assert not (undisturbed / "last.safetensors").exists()


@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_run_reaches_the_same_weights(undisturbed, tmp_path, after):
    recipe, epochs = find("digits").replace(SMALL), []

    def interrupt(epoch):
        if epoch.epoch == after:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(recipe, tmp_path, on_epoch=interrupt)
    assert not Run(tmp_path).finished and Run(tmp_path).started
    fit(recipe, tmp_path, on_epoch=lambda epoch: epochs.append(epoch.epoch))
    assert epochs == list(range(after + 1, 5))
    assert_same_run(tmp_path, undisturbed)


def test_a_run_that_takes_the_place_of_another_leaves_nothing_of_it(undisturbed, tmp_path):
    """Nobody may take the network of the old run for one of the new recipe."""
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    np.savez(tmp_path / "task.npz", permutation=np.arange(3))
    (tmp_path / "notes.txt").write_text("mine")
    kept = {path: path.read_bytes() for path in undisturbed.iterdir()}

    def interrupt(done, steps):
        raise Interrupted

    with pytest.raises(Interrupted):
        fit(find("digits").replace([*SMALL, "seed=1"]), tmp_path, on_step=interrupt)
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.json", "log.csv", "notes.txt"}
    assert kept == {path: path.read_bytes() for path in undisturbed.iterdir()}


def test_a_network_in_a_folder_without_a_run_is_somebodys_own(tmp_path):
    (tmp_path / "net.net").write_text("mine")

    def interrupt(done, steps):
        raise Interrupted

    with pytest.raises(Interrupted):
        fit(find("digits").replace(SMALL), tmp_path, on_step=interrupt)
    assert (tmp_path / "net.net").read_text() == "mine"


def test_a_kill_while_the_log_is_begun_anew_takes_nothing_of_it(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    lines = [",".join(epochs.Epoch._fields), "1,0.5", "2,0.4", "3,0.3"]
    path.write_text("\n".join(lines) + "\n")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("os.replace", killed)  # the last that is done
        epochs.cut(path, 2)
    assert path.read_text().splitlines() == lines and list(tmp_path.iterdir()) == [path]
    epochs.cut(path, 2)
    assert path.read_text().splitlines() == lines[:3] and list(tmp_path.iterdir()) == [path]


BRIEF = ["hidden=6,5", "epochs=4", "validation=0.1", "stride=4"]
SCHEDULES = {
    "patience": [*BRIEF, "epochs=6", "patience=1", "schedule=constant", "learning_rate=0.3"],
    "patience and one-cycle": [*BRIEF, "patience=2", "learning_rate=0.1"],
    "one-cycle": BRIEF,
    "step": [*BRIEF, "schedule=step", "step_epochs=1", "gradient_clip=1"],
    "dropout and average": [*BRIEF, "dropout=0.2", "average=0.9", "half_width_start=0.1", "warmup=0.6", "ends=inward"],
    "views of images": [*BRIEF, "augment_translate=1", "augment_rotate=10", "augment_scale=0.1"],
    "last epoch": ["hidden=6,5", "epochs=3", "stride=4", "weight_decay=0.1"],
}


@pytest.mark.parametrize("settings", SCHEDULES.values(), ids=SCHEDULES)
def test_a_run_that_is_interrupted_after_any_epoch_reaches_the_undisturbed_one(tmp_path, settings):
    recipe, seen = find("digits-plain").replace(settings), []
    fit(recipe, tmp_path / "whole", on_epoch=lambda epoch: seen.append(epoch.epoch))
    assert (len(seen) < recipe.epochs) == bool(recipe.patience)

    def interrupt(epoch):
        raise Interrupted

    for after in seen:  # once after each epoch, in one run; and in a run of its own
        with pytest.raises(Interrupted):
            fit(recipe, tmp_path / "often", on_epoch=interrupt)
        alone, told = tmp_path / f"after {after}", []

        def count(epoch, told=told, after=after):
            told.append(epoch.epoch)
            if epoch.epoch == after:
                raise Interrupted

        with pytest.raises(Interrupted):
            fit(recipe, alone, on_epoch=count)
        fit(recipe, alone, on_epoch=lambda epoch, told=told: told.append(epoch.epoch))
        assert told == seen
        assert_same_run(alone, tmp_path / "whole")
    fit(recipe, tmp_path / "often", on_epoch=interrupt)  # there is none after the last
    assert_same_run(tmp_path / "often", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_resumed_by_the_same_command(undisturbed, tmp_path, number):
    command = [sys.executable, "-m", "spikeproof", "train", "digits", "--folder", str(tmp_path), "--accelerator", "cpu"]
    command += [part for setting in SMALL for part in ("--set", setting)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "last.safetensors").exists() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    first.send_signal(number)
    assert first.wait(30) == (1 if number == signal.SIGTERM else -number)
    assert not Run(tmp_path).finished
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert_same_run(tmp_path, undisturbed)


@pytest.mark.slow
def test_two_processes_share_each_batch(tmp_path):
    settings = ["hidden=8,8", "epochs=1", "learning_rate=1e-3", "schedule=constant"]
    command = [sys.executable, "-m", "spikeproof", "train", "digits", "--accelerator", "cpu"]
    command += [part for setting in settings for part in ("--set", setting)]
    said = subprocess.run(
        [*command, "--folder", str(tmp_path / "two"), "--devices", "2"],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    ).stdout
    assert said.count("trained digits") == 1
    fit(find("digits").replace(settings), tmp_path / "one")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    moved = {name: (one[name] - two[name]).abs().max() for name in one}
    # The same samples a step and the same mean gradient, summed in another order: floats, so near and not equal.
    assert max(moved.values()) < 2e-3, moved
    assert Run.open(tmp_path / "two").result()["test_samples"] == 450


@pytest.mark.parametrize(("size", "world"), [(10, 1), (10, 3), (7, 2)])
def test_batches_hold_every_sample_in_an_order_of_the_epoch(size, world):
    seen = []
    for rank in range(world):
        batches = Batches(size, 3 * world, 5, rank, world)
        batches.set_epoch(2)
        seen.append(torch.cat(list(batches)))
    assert len({len(part) for part in seen}) == 1
    assert set(torch.cat(seen).tolist()) == set(range(size))
    batches.set_epoch(3)
    assert torch.cat(list(batches)).tolist() != seen[-1].tolist()
    assert torch.cat(list(Batches(size, 3, None))).tolist() == list(range(size))


def test_batches_that_cannot_be_shared_evenly_are_refused(tmp_path):
    with pytest.raises(InputError, match="batch_size = 5 does not divide by 2 processes"):
        fit(find("digits").replace(["batch_size=5"]), tmp_path, devices=2)


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path):
    tree = {"a": [1, 2.5, None, True, "x"], 7: (torch.arange(3), {"deep": torch.tensor(1.5)}), "empty": [(), {}, []]}
    checkpoint.save(tree, tmp_path / "c")
    found = checkpoint.load(tmp_path / "c")
    assert str(found) == str(tree)
    assert found[7][0].dtype == torch.int64


def test_a_checkpoint_holds_nothing_that_could_run_code(tmp_path):
    with pytest.raises(TypeError, match="cannot hold <built-in function print>"):
        checkpoint.save({"a": print}, tmp_path / "c")
    assert not (tmp_path / "c").exists()
    torch.save({"a": 1}, tmp_path / "pickle")
    with pytest.raises(FileFormatError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path / "pickle")


@pytest.mark.parametrize("name", names())
def test_every_recipe_is_valid(name):
    assert Recipe.from_json(find(name).to_json()) == find(name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["epoch=3"],
            r"--set: epoch is unknown\. Did you mean epochs\? Known are task, model, neuron, hidden, .*threads\.",
        ),
        (["epochs=many"], "--set: epochs: Input should be a valid integer"),
        (["epochs"], "--set epochs: write key=value"),
        (["epochs=0"], "epochs: Input should be greater than 0"),
        (["hidden="], r"hidden\.0: Input should be a valid integer"),
        (["schedule=cosine"], "schedule: Input should be 'one-cycle', 'step' or 'constant'"),
        (["task=mnist"], "task: 'mnist' is unknown; known are digits, s-mnist"),
        (["patience=3"], "recipe: patience needs a validation part"),
    ],
)
def test_wrong_settings_are_named(settings, words):
    with pytest.raises(InputError, match=words):
        find("digits").replace(settings)


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('task = "digits"\nhidden = [5, 6]\n')
    assert find(str(path)).hidden == (5, 6)
    path.write_text('task = "digits"\nwidth = 3\n')
    with pytest.raises(InputError, match=r"mine\.toml: width is unknown\. .*Known are task"):
        find(str(path))
    path.write_text("task = digits")
    with pytest.raises(InputError, match=r"mine\.toml: not TOML"):
        find(str(path))
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        find(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("name", ["digits", "digits-driven"])
def test_a_run_without_its_parameters_gives_those_of_its_network(tmp_path, name):
    recipe = find(name).replace(["hidden=8,7", "epochs=1"])
    run = fit(recipe, tmp_path)
    task = recipe.load_task()
    x = torch.as_tensor(task.test.x[:20])
    trained = run.load_into(build(recipe, task))(x)
    run.model_path.unlink()

    module = Run.open(tmp_path).load_into(build(recipe, task))

    assert torch.equal(module(x), trained)
    assert slayer.record(module.blocks, steps=64) == netx.load(run.net_path)
    with pytest.raises(FileFormatError, match=r"net\.net: .*where the recipe's has"):
        run.load_into(build(recipe.replace(["hidden=8,8"]), task))
    with pytest.raises(FileFormatError, match=r"net\.net: The file has 3 layers"):
        run.load_into(build(recipe.replace(["hidden=8"]), task))
    with pytest.raises(FileFormatError, match=r"net\.net: The recipe's network has .*th_decay"):
        run.load_into(build(recipe.replace(["threshold_decay=0.02"]), task))


def test_a_rate_penalty_makes_neurons_fire_less(tmp_path):
    settings = ["hidden=16,16", "epochs=6", "learning_rate=0.02"]
    plain, sparse = (
        fit(find("digits-plain").replace([*settings, f"rate_penalty={penalty}"]), tmp_path / str(penalty)).result()
        for penalty in (0, 3)
    )
    assert len(plain["firing_rates"]) == 2 and min(plain["firing_rates"]) > 0.02
    assert sum(sparse["firing_rates"]) < 0.6 * sum(plain["firing_rates"])


def test_rates_are_means_over_all_samples_and_steps():
    task = find("digits").load_task()
    module = build(find("digits").replace(["hidden=9,8"]), task)
    some = task.test.take(np.arange(300))
    rates = evaluate(module, some, task.objective).rates
    spikes = torch.as_tensor(some.x)
    expected = []
    for block in module.blocks[:-1]:
        spikes = block(spikes)
        if hasattr(block, "neuron"):
            expected.append(spikes.mean().item())
    assert rates == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rate", ["1e30", "1e5"])
def test_training_that_diverges_ends_with_1_and_exports_nothing(rate, tmp_path, run):
    settings = ["hidden=8,8", "epochs=2", f"learning_rate={rate}", "schedule=constant", "gradient_clip=0"]
    options = [part for setting in settings for part in ("--set", setting)]

    code, _, err = run("train", "digits", "--folder", tmp_path / "run", *options)

    assert code == 1 and "Training diverged in epoch " in err and "Train with a smaller learning_rate" in err
    assert not (tmp_path / "run" / "net.net").exists() and not (tmp_path / "run" / "model.safetensors").exists()


def test_one_training_at_a_time_in_a_folder(tmp_path, run):
    with locked(tmp_path), pytest.raises(InputError, match="another process trains here now"), locked(tmp_path):
        raise AssertionError("never here")
    with locked(tmp_path):
        code, _, err = run("train", "digits", "--folder", tmp_path, "--set", "epochs=1", "--set", "hidden=8,8")
    assert code == 2 and "another process trains here now" in err and list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass

"""Recipes and trained networks on the command line: lists, one in full, a new one, and what a run would be."""

import json
import re
import sys
from pathlib import Path

import pytest

from spikeproof.cli.given import options
from spikeproof.cli.recipes import toml
from spikeproof.sim import simulate
from spikeproof.train.runs import recipe as recipes
from spikeproof.train.runs import score
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.loop import batches
from spikeproof.train.runs.recipe import find, make
from spikeproof.train.tasks import objectives


def test_the_list_has_every_recipe_and_what_it_is_for(run):
    code, out, err = run("recipes")
    assert code == 0 and all(re.search(rf"^│ {name} ", out, re.M) for name in recipes.names())
    assert "Handwritten digits pixel by pixel, with CPG codes of the position beside the pixels" in out
    assert "spikeproof recipes NAME" in err and "spikeproof recipes NAME" not in out
    assert set(json.loads(run("recipes", "--json")[1])) == set(recipes.names()) == set(toml.names())


def test_one_recipe_is_shown_with_all_its_keys(run):
    code, out, _ = run("recipes", "fsdd-delays")
    assert code == 0 and '\nneuron = "cuba"\n' in out and '\ndelay = "synapse"\n' in out and "\n# scale = 256\n" in out
    assert "# Factor on the learning rate of delays, which are numbers of steps." in out
    assert "One of one-cycle, step, constant." in " ".join(out.replace("\n#", "").split())
    assert "What is learned, from which data. One of digits, s-mnist, ps-mnist" in out
    assert json.loads(run("recipes", "fsdd-delays", "--json")[1])["max_delay"] == 20
    assert run("recipes", "fsd")[0] == 2


@pytest.mark.parametrize("name", recipes.names())
def test_the_text_of_a_recipe_is_the_recipe(name, tmp_path):
    found = find(name)
    for text in (toml.text(found), toml.text(found, explained=True)):
        path = tmp_path / "a.toml"
        path.write_text(text)
        assert find(str(path)) == found
        path.write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.M))  # what is left at its default may be stated
        assert find(str(path)) == found


@pytest.mark.parametrize("kind", recipes.KINDS, ids=lambda kind: kind.__name__)
def test_every_key_is_explained(kind):
    assert set(kind.model_fields) <= set(toml.meaning(kind))
    assert "Number of CPG oscillators beside the input; 0 for none." == toml.meaning(recipes.Stack)["cpg"]


def test_a_new_recipe_is_written_and_trains(run, tmp_path):
    path = tmp_path / "mine.toml"
    code, out, _ = run("new", "recipe", path, "--like", "fsdd", "--set", "hidden=5", "--set", "epochs=2")
    assert code == 0 and f"spikeproof train {path}" in out
    assert find(str(path)) == find("fsdd").replace(["hidden=5", "epochs=2"])
    assert run("new", "recipe", path)[0] == 2 and run("new", "recipe", path, "--force")[0] == 0
    code, _, err = run("new", "recipe", tmp_path / "mine")
    assert code == 2 and "a recipe is a TOML file. Name it mine.toml" in err


def test_the_trained_networks_are_listed(run):
    code, out, err = run("networks")
    assert code == 0 and re.search(r"│ s-mnist +│ s-mnist .* 83,562 │ 98.07% │", out)
    found = json.loads(run("networks", "--json")[1])
    assert found["ps-mnist"]["test_samples"] == 10000 and found["fsdd"]["file"].endswith("fsdd/net.net")
    code, _, err = run("demo", "--pretrained", "fssd")
    assert code == 2 and "Did you mean fsdd?" in err


def test_a_score_that_is_a_share_is_told_in_per_cent_everywhere(run, tmp_path, monkeypatch):
    every = [one for one in vars(objectives).values() if isinstance(one, objectives.Objective)]
    assert {one.metric for one in every} >= {"accuracy", "recall", "mean squared error"}
    assert all(score.is_share(one.metric) == (one.best == "max") for one in every)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "recipe.json").write_text(json.dumps({"task": "copy", "neuron": "ce-lif", "hidden": [3]}))
    result = {"parameters": 5, "metric": "recall", "test_score": 0.982, "test_samples": 9}
    (tmp_path / "a" / "result.json").write_text(json.dumps(result))
    monkeypatch.setattr(sys.modules["spikeproof.cli.given.pretrained"], "FOLDER", tmp_path)
    assert "98.20% │ recall" in run("networks")[1] and score.told(result) == "98.20%"
    assert score.told({"metric": "mean squared error", "test_score": 0.58243}) == "0.5824"


@pytest.mark.parametrize("folder", [None, "mine"])
def test_a_trained_network_is_proved_into_a_folder_of_its_own(run, tmp_path, monkeypatch, folder):
    """And not into that where train puts a run of the recipe of the same name."""
    asked = []
    monkeypatch.setattr(sys.modules["spikeproof.cli.demo"], "prove_run", lambda *given: asked.append(given))
    code, _, err = run("demo", "--pretrained", "fsdd", *(("--folder", folder) if folder else ()), cwd=tmp_path)
    assert code == 0, err
    ((_, samples, report, _),) = asked
    assert samples == "24" and report == Path(folder or "runs/demo-fsdd") / "report.html" and report.parent.is_dir()
    assert report.parent.name not in recipes.names()


def test_choices_of_the_command_line_are_those_of_python():
    for choices, known in (
        (options.Backend, simulate.BACKENDS),
        (options.Device, batches.DEVICES),
        (options.Precision, batches.PRECISIONS),
    ):
        assert sorted(one.value for one in choices) == sorted(known)


def test_a_dry_run_shows_the_recipe_and_the_parameters_and_trains_nothing(run, tmp_path):
    small = ("--set", "hidden=6,5", "--set", "epochs=1")
    code, out, _ = run("train", "digits-plain", *small, "--dry-run", cwd=tmp_path)
    assert code == 0 and "hidden = [6, 5]\n" in out and "# batch_size = 128\n" in out
    assert not list(tmp_path.iterdir())
    assert "1,347 samples to train on, 0 held out, 450 to test; 1 channel, 64 steps a sample; 11 optimiser steps" in out
    result = fit(make(task="digits", hidden=(6, 5), epochs=1), tmp_path / "run").result()
    assert re.search(rf"│ in all +│ +│ +{result['parameters']:,} │", out)


def test_integers_are_trained_with_whole_floats(run, tmp_path):
    code, out, err = run("train", "digits-plain", "--precision", "bf16", cwd=tmp_path)
    assert (code, out) == (2, "") and "bfloat16 rounds those beyond 256. Use 32" in err
    code, out, err = run("train", "digits-plain", "--precision", "16", cwd=tmp_path)
    assert code == 2 and "'16' is not one of '32'," in err


def test_a_floating_network_trains_with_bfloat16(run, tmp_path):
    small = ("--set", "neuron=lif", "--set", "hidden=4", "--set", "epochs=1", "--device", "cpu")
    code, _, err = run("train", "digits-plain", *small, "--precision", "bf16", "--folder", tmp_path / "half")
    assert code == 0, err
    run("train", "digits-plain", *small, "--folder", tmp_path / "full")
    half, full = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("half", "full"))
    assert half != full

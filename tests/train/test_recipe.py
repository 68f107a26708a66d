"""What recipes are refused: by the bounds of their settings, and for the memory that they would take."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError
from spikeproof.export import memory
from spikeproof.train.runs import fit as loop
from spikeproof.train.runs.build import build, check_memory, weights
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import KINDS, Recipe, find, make, names
from spikeproof.train.tasks import Options, Split, Task, adding, copy
from spikeproof.train.tasks.task import hold_out

LAYERS = ",".join(["4"] * 65)


@pytest.mark.parametrize(
    ("recipe", "setting", "words"),
    [
        ("digits", "hidden=1000000000", r"hidden\.0: .* less than or equal to 65536"),
        ("digits", "hidden=0", r"hidden\.0: .* greater than 0"),
        pytest.param("digits", f"hidden={LAYERS}", "hidden: .* at most 64 items", id="65 layers"),
        ("digits", "cpg=1000000", "cpg: .* less than or equal to 4096"),
        ("digits-driven", "cpg_te=1000000", "cpg_te: .* less than or equal to 4096"),
        ("digits", "scale=1073741824", "scale: .* less than or equal to 65536"),
        ("adding", "length=1000000000", "length: .* less than or equal to 1000000"),
        ("los", "window=1000000000", "window: .* less than or equal to 1000000"),
        ("los", "horizon=1000000000", "horizon: .* less than or equal to 1000000"),
        ("los", "depth=1000", "depth: .* less than or equal to 64"),
        ("los", "spike_steps=1000000", "spike_steps: .* less than or equal to 4096"),
        ("los", "position_channels=1000000", "position_channels: .* less than or equal to 4096"),
        ("los", "position_w_max=1e300", "position_w_max: .* less than or equal to"),
        ("digits", "stride=100000000000000000000000", "stride: .* less than or equal to 1000000"),
        ("digits", "shrink=2", "recipe: shrink = 2 is for s-mnist and ps-mnist"),
        ("s-mnist", "shrink=3", "recipe: shrink = 3 is for s-mnist and ps-mnist, whose images are 28 pixels wide"),
        ("digits", "epochs=10000000000", "epochs: .* less than or equal to 1000000"),
        ("digits", "batch_size=10000000000", "batch_size: .* less than or equal to 1000000"),
        ("digits", "learning_rate=1e300", "learning_rate: .* less than or equal to 10000"),
        ("digits", "te_rate=1e300", "te_rate: .* less than or equal to 1000"),
        ("digits", "weight_decay=1e300", "weight_decay: .* less than or equal to 1000"),
        ("digits", "gradient_clip=1e300", "gradient_clip: .* less than or equal to 10000"),
        ("digits", "rate_penalty=1e300", "rate_penalty: .* less than or equal to 10000"),
        ("digits", "threads=1000000", "threads: .* less than or equal to 256"),
    ],
)
def test_a_setting_beyond_its_bounds_is_named(recipe, setting, words):
    with pytest.raises(InputError, match=f"^--set: {words}"):
        find(recipe).replace([setting])


def test_every_number_of_a_recipe_has_bounds():
    fields = [field for kind in KINDS for field in kind.model_json_schema()["properties"].items()]
    numbers = {name: field for name, field in fields if field.get("type") in ("integer", "number")}
    ours = {name for name, field in numbers.items() if not {"maximum", "exclusiveMaximum"} & set(field)}
    assert ours == {"te_exp", "input_exp"}  # the contract's records bound these


PRETRAINED = sorted((Path(__file__).resolve().parents[2] / "examples" / "pretrained").glob("*/recipe.json"))
EVERY_KEY = {
    "neuron": "ce-lif", "hidden": [64, 88, 88], "depth": 2, "heads": 8, "kernel": 3, "encoder": "conv", "spike_steps": 4,
    "position": "none", "position_channels": 40, "position_w_max": 10000.0, "recurrent": False, "embedding": "u*te",
    "scale": 256, "threshold_decay": 0.01, "te_exp": 9, "input_exp": -6, "cpg": 0, "cpg_te": 0, "length": 100,
    "window": 12, "horizon": 6, "normalise": "train", "stride": 1, "validation": 0.0, "epochs": 50, "batch_size": 128,
    "learning_rate": 0.01, "weight_decay": 0.0, "schedule": "one-cycle", "warmup": 0.1, "step_epochs": 10,
    "step_factor": 0.8, "gradient_clip": 0.0, "rate_penalty": 0.0, "patience": 0, "te_rate": 1.0, "seed": 0, "threads": 1,
    "keep_provable": 0.0,
}  # fmt: skip
"""What every recipe was once stored with, whatever its model."""
LATER = {
    "position_rate",
    "position_full",
    "delay",
    "max_delay",
    "delay_rate",
    "voltage_decay",
    "weight_decay_on",
    "label_smoothing",
    "average",
}
LATER |= {"te_mean", "te_std", "scales", "half_width", "half_width_start", "ends", "dropout"}
LATER |= {"dropout_mask", "skip_steps", "attention", "position_threshold"}
LATER |= {"shrink", "augment_translate", "augment_rotate", "augment_scale"}
"""Keys that came when every recipe was stored with its own alone."""


@pytest.mark.parametrize("name", names())
def test_a_recipe_that_was_stored_with_the_keys_of_all_models_is_the_same(name):
    recipe = find(name)
    old = {**EVERY_KEY, **recipe.model_dump(mode="json")}
    assert set(EVERY_KEY) | {"task", "model"} | LATER == {key for kind in KINDS for key in kind.model_fields}

    found = Recipe.from_json(json.dumps(old))

    assert found == recipe == Recipe.from_json(recipe.to_json())
    assert list(json.loads(recipe.to_json())) == recipe.keys() and recipe.keys()[:4] == [
        "task",
        "model",
        "neuron",
        "hidden",
    ]


def test_a_stored_recipe_with_keys_that_older_versions_took_in_silence_is_the_one_without_them():
    useless = {
        "voltage_decay": 0.9,
        "scale": 64,
        "te_rate": 3.0,
        "step_epochs": 2,
        "length": 300,
        "threshold_decay": 0.1,
    }
    for other in ("0.3x", [1], None):  # what is no number is for pydantic to refuse
        stored = {"task": "digits", "hidden": [3], "schedule": "constant", "half_width_start": other}
        with pytest.raises(InputError, match="half_width_start: Input should be a valid number"):
            Recipe.from_json(json.dumps(stored))
    steady = make(task="digits", neuron="lif", hidden=(3,), schedule="constant")
    assert Recipe.from_json(json.dumps({**steady.model_dump(mode="json"), "warmup": 0.3})) == steady
    recipe = make(task="digits", neuron="lif", hidden=(3,))
    assert Recipe.from_json(json.dumps({**recipe.model_dump(mode="json"), **useless})) == recipe
    for used in (
        {"neuron": "ce-lif"} | useless,
        {"task": "copy", "length": 300},
        {"schedule": "step", "step_epochs": 2},
    ):
        task = {"task": "digits", "hidden": [3]} | used
        task |= {"task": "copy", "schedule": "step"} if "voltage_decay" in used else {}
        found = Recipe.from_json(json.dumps(task)).model_dump(mode="json")
        assert {key: found[key] for key in task} == task


@pytest.mark.parametrize("path", PRETRAINED, ids=lambda path: path.parent.name)
def test_stored_recipes_keep_their_values(path):
    stored, found = json.loads(path.read_text()), Recipe.from_json(path.read_text()).model_dump(mode="json")
    assert {key: stored[key] for key in stored if key in found} == {key: found[key] for key in stored if key in found}
    assert all(stored[key] == EVERY_KEY[key] for key in stored if key not in found)


def test_a_model_has_the_keys_that_mean_something_to_it():
    assert {kind.__name__: [key for key in kind.keys() if key not in Recipe.model_fields] for kind in KINDS} == {
        "Stack": ["scale", "voltage_decay", "threshold_decay", "te_exp", "input_exp", "cpg_te", "keep_provable", "te_mean", "te_std", "scales", "half_width",
                  "half_width_start", "ends", "dropout", "dropout_mask", "delay",
                  "max_delay", "delay_rate", "recurrent", "embedding", "cpg"],
        "SpikeRNN": ["depth", "position", "position_channels", "position_w_max", "position_rate", "encoder", "spike_steps", "position_full", "position_threshold"],
        "IntegerRNN": ["depth", "position", "position_channels", "position_w_max", "position_rate", "scale", "voltage_decay",
                       "threshold_decay", "te_exp", "input_exp", "cpg_te", "keep_provable", "te_mean", "te_std", "scales",
                       "half_width", "half_width_start", "ends", "dropout", "dropout_mask"],
        "SpikeGRU": ["depth", "position", "position_channels", "position_w_max", "position_rate", "encoder", "spike_steps", "position_full", "position_threshold"],
        "SpikeTCN": ["depth", "position", "position_channels", "position_w_max", "position_rate", "encoder", "spike_steps", "position_full", "position_threshold", "kernel"],
        "Spikformer": ["depth", "position", "position_channels", "position_w_max", "position_rate", "encoder", "spike_steps", "position_full", "position_threshold", "heads", "attention"],
        "Transformer": ["depth", "position", "position_channels", "position_w_max", "position_rate", "heads"],
        "GRU": ["depth", "position", "position_channels", "position_w_max", "position_rate"],
        "TCN": ["depth", "position", "position_channels", "position_w_max", "position_rate", "kernel"],
    }  # fmt: skip
    with pytest.raises(TypeError, match="abstract"):
        Recipe(task="digits", model="stack", neuron="lif", hidden=(3,))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"heads": 8}, r"heads is for model = spikformer or transformer, and model is 'stack' of neuron 'ce-lif'\. Leave it out\. Known are task, model, neuron, hidden, scale, .*threads\.$"),
        ({"epoch": 3}, r"epoch is unknown\. Did you mean epochs\? Known are task, .*threads\.$"),
        ({"model": "spike-tcn", "kernels": 3}, r"kernels is unknown\. Did you mean kernel\? Known are task, .*kernel, "),
        ({"model": "spike-rnn", "scale": 256}, "scale is for model = stack or spike-rnn of neuron = ce-lif, and model is 'spike-rnn' of neuron 'lif'"),
        ({"model": "spike-rnn", "neuron": "ce-lif", "encoder": "conv"}, "encoder is for model = spike-rnn of neuron = lif, spike-gru, spike-tcn or spikformer, and"),
        ({"model": "spike_rnn"}, "model: Input should be one of 'stack', 'spike-rnn', .*, not 'spike_rnn'"),
        ({"model": ["stack"]}, "model: Input should be one of 'stack', .*, not"),
        ({"model": "spike-rnn", "neuron": "plif"}, "neuron: Input should be one of 'lif', 'ce-lif' with model = 'spike-rnn', not 'plif'"),
    ],
)  # fmt: skip
def test_a_key_that_a_model_has_not_is_refused_with_those_that_it_has(keys, words, tmp_path):
    with pytest.raises(InputError, match=f"^recipe: {words}"):
        make(task="digits", **keys)
    path = tmp_path / "mine.toml"
    path.write_text('task = "digits"\n' + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()))
    with pytest.raises(InputError, match=rf"mine\.toml: {words}"):
        find(str(path))


def test_another_model_takes_the_place_of_a_recipes_own():
    found = find("digits-plain").replace(["model=spike-tcn", "neuron=lif", "hidden=16", "kernel=5"])
    assert type(found).__name__ == "SpikeTCN" and found == make(
        task="digits", model="spike-tcn", hidden=(16,), kernel=5
    )
    back = found.replace(["model=stack", "neuron=ce-lif", "hidden=64,88,88", "kernel=3"])
    assert back == find("digits-plain")
    with pytest.raises(
        InputError, match=r"--set: kernel is for model = spike-tcn or tcn, and .* Set it to 3, its default"
    ):
        found.replace(["model=stack", "neuron=ce-lif", "hidden=64,88,88"])


def task_of(samples, channels, steps, name="digits", **more):
    x = np.broadcast_to(np.float32(0), (samples, channels, steps))  # takes no memory itself
    part = Split(x, np.zeros(samples, np.int64))
    return Task(name, 10, part, None, part, **more)


GIB = 2**30


@pytest.mark.parametrize(
    ("recipe", "settings", "task", "words"),
    [
        (
            "digits",
            ["hidden=65536,65536"],
            task_of(1000, 1, 64),
            r"Training 4,30\d,\d{3},\d{3} weights on digits in batches of 128 would take \d\d\.\d GiB of memory at "
            r"least, and this machine has 8\.0 GiB\. To fix it, make hidden smaller\.",
        ),
        ("digits", ["hidden=64,64"], task_of(1000, 1, 200_000), "make batch_size or hidden smaller"),
        ("adding", [], task_of(1000, 2, 200_000), "make batch_size, hidden or length smaller"),
        ("los", ["hidden=4096", "spike_steps=256"], task_of(1000, 207, 12, "los"), "spike_steps or window smaller"),
        ("cifar10", ["hidden=16384"], task_of(1000, 3, 64, "cifar10"), "make hidden or depth smaller"),
        (
            "mr",
            ["hidden=16384"],
            task_of(1000, 1, 48, "mr", vocabulary=100_000),
            "make hidden or depth smaller",
        ),
    ],
)
def test_what_cannot_fit_into_memory_is_refused_with_its_size_and_what_to_make_smaller(recipe, settings, task, words):
    recipe = find(recipe).replace(settings)
    with pytest.raises(InputError, match=words):
        check_memory(recipe, task, 8 * GIB)
    check_memory(recipe, task, None)
    check_memory(recipe, task, 100_000 * GIB)


def test_devices_share_a_batch():
    recipe, task = find("digits").replace(["hidden=64,64"]), task_of(1000, 1, 100_000)
    with pytest.raises(InputError, match="make batch_size"):
        check_memory(recipe, task, 8 * GIB)
    check_memory(recipe, task, 8 * GIB, devices=4)


# The largest settings of the recipes, on tasks as large as theirs: (channels, steps).
SIZES = {"s-mnist": (1, 784), "ps-mnist": (1, 784), "electricity": (321, 168), "solar": (137, 168), "copy": (9, 420)}


@pytest.mark.parametrize("name", names())
def test_recipes_that_come_with_the_package_fit(name):
    recipe = find(name)
    channels, steps = SIZES.get(recipe.task, (325, 100))
    words = 20_000 if recipe.task in ("mr", "subj", "sst-2", "sst-5") else 0
    check_memory(recipe, task_of(50_000, channels, steps, recipe.task, vocabulary=words), 8 * GIB)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("digits", ["hidden=24,16"]),
        ("digits-plain", ["neuron=lif", "hidden=24,16"]),
        ("digits-plain", ["neuron=lstm", "hidden=24,16"]),
        ("digits-driven", ["hidden=24,16"]),
        *(
            ("digits-plain", [f"model={model}", "neuron=lif", "hidden=16", "depth=2"])
            for model in ("spike-rnn", "spike-gru", "spike-tcn")
        ),
        ("digits-plain", ["model=spikformer", "neuron=lif", "hidden=16", "position=cpg"]),
        ("digits-plain", ["model=spike-rnn", "neuron=ce-lif", "hidden=16", "position=cpg"]),
    ],
)
def test_the_estimate_counts_no_more_weights_than_there_are(name, settings):
    recipe = find(name).replace(settings)
    task = recipe.load_task()
    made = sum(parameter.numel() for parameter in build(recipe, task).parameters())
    assert 0.1 * made < weights(recipe, task) <= made


@pytest.mark.parametrize(("module", "name"), [(adding, "adding"), (copy, "copy")])
def test_generated_sequences_that_cannot_fit_are_refused_before_they_are_drawn(monkeypatch, module, name):
    monkeypatch.setattr(module, "allowed", lambda: GIB)
    with pytest.raises(
        InputError, match=rf"^{name}: 20,000 sequences of length = 1,000,000 would take .*make length smaller"
    ):
        module.load(Options(name, length=1_000_000))
    module.load(Options(name, length=20))


def test_a_network_that_cannot_fit_is_refused_before_it_is_made(monkeypatch, tmp_path, run):
    monkeypatch.setattr(memory, "allowed", lambda: 10_000)
    monkeypatch.setattr(loop, "build", lambda *_: pytest.fail("a network was made"))
    code, _, err = run("train", "digits", "--folder", tmp_path / "run")
    assert code == 2 and "error: Training " in err and "To fix it, make " in err


def test_the_memory_of_a_container_counts(monkeypatch, tmp_path):
    whole = memory.allowed()
    assert whole > 2**28
    groups, mine = tmp_path / "groups", tmp_path / "mine"
    monkeypatch.setattr(memory, "_GROUPS", groups)
    monkeypatch.setattr(memory, "_OF_THIS", mine)
    assert memory.allowed() >= whole  # nothing is told
    (groups / "slurm" / "job" / "step").mkdir(parents=True)
    (groups / "memory.max").write_text("max\n")
    (groups / "slurm" / "job" / "memory.max").write_text("123456\n")
    (groups / "slurm" / "memory.max").write_text("999999\n")
    assert memory.allowed() >= whole  # the limits of another group
    mine.write_text("1:cpu:/elsewhere\n0::/slurm/job/step\n")
    assert memory.allowed() == 123456
    (groups / "memory" / "docker").mkdir(parents=True)
    (groups / "memory" / "docker" / "memory.limit_in_bytes").write_text("1234")
    assert memory.allowed() == 123456
    mine.write_bytes(b"9:name=systemd:/\nodd\n0::/../../outside\n4:memory,blkio:/docker/\xff\n4:memory:/docker/inner\n")
    assert memory.allowed() == 1234
    (groups / "memory.max").write_text("1000\n")
    assert memory.allowed() == 1000


@pytest.mark.parametrize(("share", "words"), [(0.99999, "none to train on"), (1e-5, "none to hold out")])
def test_a_share_that_leaves_nothing_is_refused(share, words):
    split = task_of(1000, 1, 2).train
    with pytest.raises(
        InputError, match=rf"validation = {share:g} of 1,000 samples leaves {words}\. .*between 0\.001 and 0\.999"
    ):
        hold_out(split, share)
    train, held_out = hold_out(split, 0.001)
    assert (len(train.y), len(held_out.y)) == (999, 1)
    assert hold_out(split, 0.0)[1] is None


@pytest.mark.parametrize("settings", [["batch_size=17", "warmup=0.1"], ["batch_size=1000", "epochs=2", "warmup=0.5"]])
def test_a_one_cycle_run_whose_rate_rises_for_one_step_ends(tmp_path, settings):
    recipe = find("digits-plain").replace(["hidden=4", "epochs=1", "stride=8", *settings])
    steps = recipe.steps(recipe.load_task())
    assert recipe.warmup * steps == 1
    fit(recipe, tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--accelerator", "foo"], "'foo' is not one of 'auto', 'cpu', 'gpu'"),
        (["--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'gpu'"),
        (["--accelerator", "gpu"], "accelerator = 'gpu': PyTorch finds no CUDA device. Use cpu or auto"),
    ],
)
def test_an_accelerator_that_is_not_there_is_refused(monkeypatch, tmp_path, run, options, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = run("train", "digits", "--folder", tmp_path / "run", *options)
    assert code == 2 and words in " ".join(re.sub("[│╭╮╰╯─]", " ", err).split())
    assert not (tmp_path / "run").exists()


def test_more_gpus_than_there_are_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        InputError, match=r"devices = 4: this machine has 1 of them\. Use as many, or accelerator = cpu"
    ):
        fit(find("digits"), tmp_path, devices=4, accelerator="auto")

"""Options that are tested one by one elsewhere, two at a time: what one assumes, the other may change."""

import dataclasses
import itertools
import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch

import spikeproof
from spikeproof import celif
from spikeproof.contract.errors import FileFormatError, InputError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.sigma_delta import SigmaDelta
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import files, formats, members
from spikeproof.export.loihi2 import limits
from spikeproof.export.loihi2.mapping import place
from spikeproof.export.slayer import record
from spikeproof.sim.bounds import bounds
from spikeproof.sim.cost import operations
from spikeproof.sim.report import page
from spikeproof.train.cpg import Learned
from spikeproof.train.runs.build import build
from spikeproof.train.runs.loop.trainee import Trainee
from spikeproof.train.runs.models import Classifier
from spikeproof.train.runs.recipe import make
from spikeproof.train.runs.restore import restore


def hidden(*widths):
    """Layers of eight neurons that share an encoding, one for each number of inputs."""
    torch.manual_seed(0)
    te = celif.TemporalEncoding(8, steps=6)
    return [celif.Dense({"threshold": 0.1}, width, 8, temporal_encoding=te, input_exp=-6) for width in widths]


def network():
    return torch.nn.Sequential(*hidden(2), spikeproof.Readout(8, 3))


def loader(samples=6, batch=3):
    torch.manual_seed(1)
    data = torch.utils.data.TensorDataset(torch.rand(samples, 2, 6), torch.arange(samples) % 3)
    return torch.utils.data.DataLoader(data, batch_size=batch)


def late(delay, steps=120):
    """A chain whose second layer's spikes are late."""
    random = np.random.default_rng(0)
    neuron = CUBA(num_neurons=4, u_decay=4096, v_decay=100, v_th_mant=30)
    layers = (
        Layer(name="a", synapse=Dense(weight=2 * random.integers(-20, 40, (4, 3))), neuron=neuron),
        Layer(name="b", synapse=Dense(weight=2 * random.integers(-20, 40, (4, 4))), neuron=neuron, delay=delay),
    )
    return Net(inputs=(Input(num_channels=3),), layers=layers, steps=steps)


# Verify


@pytest.mark.lava
@pytest.mark.parametrize("backends", [("lava", "engine"), ("engine", "lava")])
def test_what_rounding_costs_is_measured_where_the_most_samples_run(backends):
    verdict = spikeproof.verify(network(), loader(), backends=backends, lava_samples=2)

    assert verdict.exact
    assert len(verdict.float_gap.output) == verdict.scores.right_float.total == 6
    assert {name: found.total for name, found in verdict.scores.right.items()} == {"torch": 6, "engine": 6, "lava": 2}


@pytest.mark.lava
def test_few_samples_alone_say_what_rounding_costs_too():
    verdict = spikeproof.verify(network(), loader(), backends=("lava",), lava_samples=2)

    classes = np.arange(6) % 3
    right = verdict.float_gap.predictions == classes[verdict.float_gap.of]
    assert len(verdict.float_gap.of) == 2 and verdict.scores.right_float[::2] == (right.sum(), 2)


@pytest.mark.parametrize("samples", [2, np.int64(2), np.int8(2)])
def test_a_loader_is_read_no_further_than_is_asked(samples):
    batches = (torch.rand(1, 2, 6) for _ in itertools.count())
    asked = itertools.islice(batches, 50)  # it has no end, but a test shall
    verdict = spikeproof.verify(network(), Endless(asked), samples=samples, backends=("engine",))

    assert verdict.comparisons[0].num_samples == 2 and len(list(asked)) == 48


class Endless:
    """A loader of batches that come from somewhere."""

    dataset = ()

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


class Two(torch.nn.Module):
    """Two inputs, the second of a width that is given."""

    def __init__(self, width):
        super().__init__()
        self.a, self.b = hidden(2, width)
        self.out = spikeproof.Readout(16, 3)

    def forward(self, x, y):
        return self.out(torch.cat([self.a(x), self.b(y)], 1))


def test_a_file_whose_second_input_is_wider_is_not_the_module(tmp_path):
    x, y = torch.rand(3, 2, 6), torch.rand(3, 3, 6)
    spikeproof.export_netx(Two(4), tmp_path / "other.net", sample=(x, torch.rand(3, 4, 6)))

    verdict = spikeproof.verify(Two(3), (x, y), file=tmp_path / "other.net", backends=("engine",))

    assert not verdict.exact and str(verdict).startswith("NOT EXACT")
    assert "the file is not the trained network" in str(verdict)


@pytest.mark.skipif(not hasattr(torch.compiler, "set_stance"), reason="this torch compiles without a stance")
def test_a_compiled_module_runs_as_it_is_written_in_every_run():
    compiled = []
    module = torch.compile(network(), backend=lambda graph, _: compiled.append(1) or graph.forward)

    verdict = spikeproof.verify(module, torch.rand(3, 2, 6), backends=("engine",))

    assert verdict.exact and not compiled
    assert "torch.compile made parts of the module. They ran as they are written" in str(verdict)


def test_an_answer_of_every_step_is_verified_by_spikes_alone_too(tmp_path):
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
    params = {"threshold": 0.1, "activation": torch.relu}
    torch.manual_seed(0)
    block = slayer.block.sigma_delta
    module = torch.nn.Sequential(
        block.Input(params), block.Dense(params, 6, 12, weight_scale=3), block.Output(params, 12, 5, weight_scale=3)
    ).eval()
    x = torch.round(torch.randn(4, 6, 24) * 8) / 8
    assert spikeproof.verify(module, x, backends=("engine",), registers=False).exact
    net = spikeproof.export_netx(module, tmp_path / "a.net", sample=x)
    changed = dataclasses.replace(net.layers[-1], synapse=Dense(weight=-net.layers[-1].synapse.weight))
    formats.write(dataclasses.replace(net, layers=(*net.layers[:-1], changed)), tmp_path / "b.net")
    for name, exact in (("a.net", True), ("b.net", False)):
        verdict = spikeproof.verify(module, x, file=tmp_path / name, backends=("engine",), registers=False)
        assert verdict.exact == exact


# Ranges


def sending(steps):
    neuron = SigmaDelta(num_neurons=2, v_th=64, state_exp=0)
    layer = Layer(name="sd", synapse=Dense(weight=[[254, 0], [0, 254]]), neuron=neuron)
    return Net(inputs=(Input(num_channels=2, bits=16),), layers=(layer,), steps=steps)


def test_registers_of_32_bits_are_full_where_torch_rounds_and_say_so():
    x = np.full((1, 2, 2), 60000)

    verdict = spikeproof.verify(sending(1), x[..., :1], backends=("reference", "engine"))  # past 23 bits
    assert verdict.exact and "OUT OF RANGE" not in str(verdict)

    verdict = spikeproof.verify(sending(2), x, backends=("reference", "engine"))
    assert "sigma = 30480000 is at or past 16777216, from where torch's float32 rounds it and Lava does not" in str(
        verdict
    )
    assert "24 bits" not in str(verdict)
    assert next(each for each in bounds(sending(2)).found if each.register == "sigma").limit == 2**24


# Placement


@pytest.mark.parametrize(("delay", "longest"), [(80, 200), (80, 10), (40, 10), (40, 62)])
def test_operations_are_counted_of_the_placement_that_is_shown(delay, longest, tmp_path, run):
    formats.write(late(delay), tmp_path / "a.net")
    np.save(tmp_path / "x.npy", np.random.default_rng(1).integers(0, 2, (2, 3, 120)))
    (tmp_path / "mine.toml").write_text(
        f'[longest_delay]\nvalue = {longest}\ncertainty = "assumed"\nsource = "https://example.org"\nwords = "mine"\n'
    )
    code, out, err = run("map", tmp_path / "a.net", "--limits", tmp_path / "mine.toml", "-i", tmp_path / "x.npy")
    assert code == 0, err
    assert ("relay" in out) == (delay > longest), out
    allowed = limits.load(tmp_path / "mine.toml")
    counted = operations.count(late(delay), np.load(tmp_path / "x.npy"), allowed)
    placed = place(late(delay), allowed).placed
    assert [layer.name for layer in counted.layers] == [each.population.name for each in placed]


# Runs and recipes


def test_the_width_of_a_surrogate_leaves_learned_oscillators_alone():
    recipe = make(
        task="digits", model="spike-rnn", neuron="ce-lif", hidden=(8,), position="cpg-learned", position_channels=4,
        half_width_start=0.8, half_width=0.2, epochs=10,
    )  # fmt: skip
    task = recipe.load_task()
    module = build(recipe, task)
    learned = next(part for part in module.modules() if isinstance(part, Learned))
    neurons = [part for part in module.modules() if hasattr(part, "half_width")]
    before = learned.surrogate_reach

    Trainee(recipe, module, task)._widen(0.5)

    assert learned.surrogate_reach == before and neurons and {part.half_width for part in neurons} == {0.5}


def test_a_file_without_feedback_is_no_recurrent_network():
    plain, recurrent = (Classifier(2, (6, 5), 3, 8, recurrent=recurrent) for recurrent in (False, True))
    with pytest.raises(FileFormatError, match="has no feedback, and the recipe's network some"):
        restore(recurrent, record(plain.blocks, steps=8))
    with pytest.raises(FileFormatError, match="has some feedback, and the recipe's network none"):
        restore(plain, record(recurrent.blocks, steps=8))


def test_a_recurrent_network_is_restored_from_its_file():
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(Classifier(2, (6, 5), 3, 8, recurrent=True))
    net = record(made[0].blocks, steps=8)
    assert record(made[1].blocks, steps=8) != net

    assert record(restore(made[1], net).blocks, steps=8) == net
    x = torch.rand(3, 2, 8)
    assert torch.equal(made[1](x), made[0].eval()(x))


def test_autocast_does_not_touch_an_encoding_that_oscillators_drive():
    encoding = spikeproof.cpg.DrivenEncoding(8, spikeproof.cpg.Encoding(5))
    module = torch.nn.Sequential(celif.Dense({"threshold": 0.1}, 3, 8, temporal_encoding=encoding, input_exp=-6))
    x = torch.rand(2, 3, 9)
    expected = module(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(x), expected)


@pytest.mark.parametrize("model", ["gru", "tcn", "transformer"])
def test_a_penalty_on_rates_is_for_neurons_that_have_some(model):
    with pytest.raises(InputError, match="rate_penalty is for spiking neurons, and neuron is 'real'"):
        make(task="etth1", model=model, neuron="real", rate_penalty=5.0)


@pytest.mark.parametrize("options", [("--precision", "bf16"), ("--devices", "3")])
def test_a_dry_run_refuses_what_the_run_would(options, run):
    code, _, err = run("train", "digits", "--dry-run", *options)
    assert code == 2 and ("trains a network of integers" in err or "does not divide by 3" in err), err


# Files


@pytest.mark.parametrize(
    "given", [{"steps": 7}, {"input_shape": (1, 2, 3)}, {"delay_shift": True}, {"clamp_delays": True}]
)
@pytest.mark.parametrize("suffix", [".net", ".nir"])
def test_what_a_file_says_itself_is_not_given_too(given, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    formats.write(late(3, 20), path)

    with pytest.raises(InputError, match=rf"^{next(iter(given))} .*: not for .*a\{suffix}: .*stands in the file"):
        spikeproof.load(path, **given)
    with pytest.raises(InputError, match="stands in the file"):
        spikeproof.lint(path, **given)
    assert spikeproof.load(path).steps == 20


def test_a_fault_of_ours_in_a_reader_can_be_seen(tmp_path, monkeypatch, run, capsys):
    formats.write(late(3, 20), tmp_path / "a.net")

    def fails(*_):
        raise KeyError("planted fault")

    monkeypatch.setattr("spikeproof.export.netx.file.member", fails)
    code, _, err = run("inspect", tmp_path / "a.net")
    assert code == 2 and "Traceback" not in err
    from spikeproof import cli

    monkeypatch.setattr(sys, "argv", ["spikeproof", "--traceback", "inspect", str(tmp_path / "a.net")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    err = capsys.readouterr().err
    assert ended.value.code == 2 and "KeyError: 'planted fault'" in err and err.splitlines()[-1].startswith("error: ")


def test_other_refusals_of_a_reader_stay_what_they_are(tmp_path):
    formats.write(late(3, 20), tmp_path / "a.net")
    with pytest.raises(InputError, match=r"^not the file's fault$"), members.opened(tmp_path / "a.net"):
        raise InputError("not the file's fault")


def test_what_another_container_writes_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host, space = files._place().split("-")
    theirs = tmp_path / f"spikeproof-{host}-{int(space) + 1}-{ended.pid}-abc"
    written = tmp_path / f".a.net.{host}-{int(space) + 1}-{ended.pid}.abc"
    theirs.mkdir()
    written.touch()

    with files.scratch(), files.replacing(tmp_path / "a.net") as temporary:
        temporary.write_text("a")

    assert theirs.exists() and written.exists() and (tmp_path / "a.net").read_text() == "a"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_the_mask_of_new_files_is_not_touched(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(files.os, "umask", lambda _: pytest.fail("other threads make files meanwhile"))
        with files.replacing(tmp_path / "a") as temporary:
            temporary.touch()
        assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640
    finally:
        monkeypatch.undo()
        os.umask(before)


# Classes that the host makes

TAILS = {
    "classes": lambda h, fc: fc(h.mean(-1)).argmax(-1),
    "classes of turned counts": lambda h, fc: h.flip(1).sum(-1).argmax(-1),
    "scores": lambda h, fc: fc(h.mean(-1)),
    "whole scores": lambda h, fc: (-h.sum(-1)).int(),
    "scores and spikes": lambda h, fc: (fc(h.mean(-1)), h),
    "named": lambda h, fc: {"logits": fc(h.mean(-1))},
    "spikes": lambda h, fc: h.flip(1),
    "two scores": lambda h, fc: (fc(h.mean(-1)), fc(-h.mean(-1))),
}


class Tailed(torch.nn.Module):
    """A network whose classes the host makes, by what is given."""

    def __init__(self, tail):
        super().__init__()
        (self.a,) = hidden(2)
        self.fc = torch.nn.Linear(8, 3)
        self.tail = tail

    def forward(self, x):
        return self.tail(self.a(x), self.fc)


@pytest.mark.parametrize("name", TAILS)
def test_classes_are_those_that_the_module_answers_with(name):
    torch.manual_seed(1)
    x, module = torch.rand(12, 2, 6), Tailed(TAILS[name]).eval()
    with torch.no_grad():
        answer = module(x)
    answer = answer[0] if isinstance(answer, tuple) else answer["logits"] if isinstance(answer, dict) else answer
    own = answer if answer.ndim == 1 else answer.reshape(12, -1).argmax(-1) % 3
    data = torch.utils.data.TensorDataset(x, own)

    verdict = spikeproof.verify(module, torch.utils.data.DataLoader(data, batch_size=5), backends=("engine",))

    assert verdict.exact and verdict.whole
    if name in ("spikes", "two scores"):
        assert not verdict.scores.right and "neither scores, of shape (samples, classes), nor a class" in str(verdict)
        assert verdict.float_gap.same_class is None and "neither scores nor classes" in str(verdict.float_gap)
        return
    right = own if name != "whole scores" else answer.argmax(-1)
    assert verdict.scores.right["engine"].right == (right == own).sum() and verdict.scores.right["engine"].same == 12
    assert verdict.scores.right_float.same == verdict.float_gap.same_class


def test_a_report_of_more_classes_than_outputs_has_them_all(tmp_path):
    module = Tailed(lambda h, fc: torch.cat([fc(h.mean(-1)), 5 + h.sum(-1), fc(h.mean(-1))], 1))
    data = torch.utils.data.TensorDataset(torch.rand(4, 2, 6), torch.tensor([0, 5, 13, 2]))
    verdict = spikeproof.verify(module, torch.utils.data.DataLoader(data), backends=("engine",))
    page.write(verdict, tmp_path / "a.html", title="t")
    assert len(json.loads((tmp_path / "a.json").read_text())["confusion"]) == 14

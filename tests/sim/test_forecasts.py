"""Proof of networks that answer with numbers: the same figures on every backend, or another number and not exact."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import typer

from spikeproof import cli
from spikeproof.cli.proof.verdict import prove_run
from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.sim.verify.forecasts import forecasts, lines, numbers
from spikeproof.sim.verify.verify import verify
from spikeproof.train.runs.build import build
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import make
from spikeproof.train.runs.run import judge_of

RECIPE = make(
    task="electricity", window=8, horizon=2, model="spike-rnn", neuron="ce-lif", position="cpg",
    position_channels=6, position_w_max=20, hidden=(12,), depth=1, epochs=4, batch_size=32, input_exp=-5, learning_rate=0.03,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small finished run on a made series whose values lie on both sides of zero."""
    folder = tmp_path_factory.mktemp("forecasts")
    random = np.random.default_rng(0)
    rows = np.sin(np.arange(300)[:, None] * [0.3, 0.5, 0.7]) + random.normal(0, 0.1, (300, 3))
    (folder / "electricity").mkdir()
    np.savetxt(folder / "electricity" / "electricity.txt", rows, delimiter=",")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKEPROOF_DATA", str(folder))
        yield fit(RECIPE, folder / "run")


def test_forecasts_of_signed_inputs_are_exact_and_worth_the_same(trained):
    task = RECIPE.load_task()
    module = trained.load_into(build(RECIPE, task))
    assert task.test.x.min() < -0.5 and task.outputs == 6

    verdict = verify(module, task.test.x, file=trained.net_path, backends=("engine", "reference"))
    found = forecasts(verdict, judge_of(task))

    assert verdict.exact and not verdict.comparisons[0].silent, str(verdict)
    assert found["torch"].figures == found["engine"].figures == found["reference"].figures
    assert found["engine"].same == found["engine"].samples == len(task.test.y)
    result = trained.result()  # the training loop's own figures, of float32 outputs
    assert found["engine"].figures["mean squared error"] == pytest.approx(result["test_score"], rel=1e-5)
    assert found["engine"].figures["r2_code"] == pytest.approx(result["measures"]["r2_code"], abs=1e-5)
    assert result["measures"]["r2_code"] > 0.1  # it learned something


def test_a_register_that_is_off_by_one_is_no_equal_forecast(trained):
    task = RECIPE.load_task()
    verdict = verify(trained.load_into(build(RECIPE, task)), task.test.x[:5], backends=("engine",))
    wrong = verdict.answers["engine"].output.copy()
    wrong[3, 2] += 1
    answers = {**verdict.answers, "engine": verdict.answers["engine"]._replace(output=wrong)}

    found = forecasts(replace(verdict, answers=answers), judge_of(task))

    engine = found["engine"]
    assert (engine.same, engine.samples) == (4, 5) and engine.figures != engine.expected
    single = verify(trained.load_into(build(RECIPE, task)), task.test.x[:1], backends=("engine",))
    alone = forecasts(single, judge_of(task))["engine"]
    assert np.isnan(alone.figures["r2_mean"]) and alone.as_dict()["figures"]["r2_mean"] is None
    assert lines(found)[1].endswith("; 4 of 5 equal torch's") and len(lines(found)) == 2


@pytest.mark.lava
def test_verify_speaks_of_forecasts(trained, tmp_path, capsys):
    prove_run(trained.folder, "all", tmp_path / "report.html", {"lava_samples": 2}, as_json=True)

    found = json.loads(capsys.readouterr().out)
    assert found["exact"] and found["right"] == {} and found["gaps"]["fixed_to_lava"]["zero"]
    lava = found["forecasts"]["lava"]
    assert (lava["samples"], lava["same"]) == (2, 2) and lava["figures"] == lava["expected"]
    assert found["forecasts"]["torch"]["figures"] == found["forecasts"]["engine"]["figures"]
    assert 0 < found["gaps"]["float_to_fixed"]["moved"] < 0.5 and "same_class" not in found["gaps"]["float_to_fixed"]
    page = (tmp_path / "report.html").read_text()
    assert "Forecasts of these samples" in page and "Accuracy on these samples" not in page
    assert json.loads((tmp_path / "report.json").read_text())["forecasts"] == found["forecasts"]


def test_a_changed_file_is_not_exact_though_its_figures_look_fine(trained, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in trained.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    with h5py.File(folder / "net.net", "r+") as file:
        file["layer/2/weight"][1, 0] ^= 1 << 3
    with pytest.raises(typer.Exit):
        prove_run(folder, "5", None, {"backends": ("engine",)})
    out = capsys.readouterr().out
    assert (
        "NOT EXACT" in out
        and "forecasts without rounding: mean squared error" in out
        and "forecasts of engine, 5 samples: mean squared error" in out
    )


def test_floating_models_are_verified_with_their_norms_folded_or_refused_by_name(trained, tmp_path, capsys):
    recipe = RECIPE.replace(["model=spike-tcn", "neuron=lif", "epochs=2", "input_exp=-6", "batch_size=32"])
    fit(recipe, tmp_path / "tcn")
    capsys.readouterr()

    prove_run(tmp_path / "tcn", "10", None, {"backends": ("engine", "reference")})
    out = capsys.readouterr().out
    assert "EXACT" in out.splitlines() and "engine and reference are exact" in out
    assert "float to fixed: the numbers of 10 samples move by 0." in out
    assert "forecasts of engine, 10 samples" in out and "10 of 10 equal engine's" in out
    cli.export(tmp_path / "tcn", tmp_path / "tcn.net")
    assert netx.load(tmp_path / "tcn.net").layers[-1].name == "readout"

    gru = recipe.replace(["model=spike-gru", "epochs=1"])
    fit(gru, tmp_path / "gru")
    for verb in (
        lambda: prove_run(tmp_path / "gru", "10", None, {"backends": ("engine",)}),
        lambda: cli.export(tmp_path / "gru", tmp_path / "gru.net"),
    ):
        with pytest.raises(UnsupportedError, match=r"GRULayer \(body\.0\): its gates multiply spikes"):
            verb()
    assert not (tmp_path / "gru.net").exists()


def test_numbers_are_those_of_the_read_out_wherever_it_stands():
    """The read-out of the main answer need not be the last layer."""
    read = Layer(name="read", synapse=Dense(weight=[[2]]), neuron=Readout(num_neurons=1), scale=64)
    fires = CUBA(num_neurons=1, u_decay=4096, v_decay=4096, v_th_mant=1)
    last = Layer(name="last", synapse=Dense(weight=[[2]]), neuron=fires, source="input")
    net = Net(inputs=(Input(num_channels=1),), layers=(read, last), outputs=("read",), steps=8)
    assert numbers(net, np.array([[8 * 64 * 3]])) == 3.0

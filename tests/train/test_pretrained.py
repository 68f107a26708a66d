"""The trained networks that come with the repository are small, whole, and what their results say."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeproof.contract.errors import FileFormatError, InputError
from spikeproof.contract.neurons.alif import ALIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.export.slayer import record
from spikeproof.sim import engine
from spikeproof.sim.verify.forecasts import numbers
from spikeproof.train.runs.models import Classifier
from spikeproof.train.runs.restore import restore
from spikeproof.train.runs.run import Run

FOLDERS = sorted((Path(__file__).resolve().parents[2] / "examples" / "pretrained").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_pretrained_network_is_small_and_its_log_agrees_with_its_result(folder):
    run = Run.open(folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300_000
    with open(run.log_path, newline="") as file:
        rows = list(csv.DictReader(file))
    scores = [float(row["validation_score"]) for row in rows]
    result = run.result()
    best = max if result["metric"] in ("accuracy", "recall") else min
    losses = [float(row.get("validation_loss") or 0) for row in rows]  # of equal scores, the smaller loss is kept
    ties = [epoch for epoch, score in enumerate(scores, start=1) if score == best(scores)]
    assert result["epoch"] == min(ties, key=lambda epoch: losses[epoch - 1])
    assert result["validation_score"] == pytest.approx(best(scores), abs=1e-6)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_pretrained_network_answers_as_its_result_says(folder):
    run = Run.open(folder)
    try:
        task = run.recipe().load_task()
    except InputError as error:
        if "not found" in str(error):
            pytest.skip(str(error))
        raise
    net, expected = run.net(), run.result()["test_score"]
    if task.test.y.dtype.kind == "f":  # a small network of few steps: its whole test part takes seconds
        found = numbers(net, engine.run(net, net.input.encode(task.test.x), record="output").output(net))
        assert np.square(found - task.test.y).mean() == pytest.approx(expected, rel=1e-5)
        return
    count = 200
    trace = engine.run(net, net.input.encode(task.test.x[:count]), record="output")
    right = (trace.predictions(net) == task.test.y[:count]).mean()
    # The whole test set takes minutes; of 200 samples the share lies within four standard deviations.
    assert abs(right - expected) < 4 * np.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        (
            ALIF(num_neurons=3, u_decay=1, v_decay=1, th_decay=1, ref_decay=1, v_th_mant=1, v_th_step=1),
            "has ALIF neurons",
        ),
        (CUBA(num_neurons=3, u_decay=1, v_decay=1, v_th_mant=1, bias_mant=0), "has no temporal encoding"),
    ],
    ids=["no bias", "no encoding"],
)
def test_parameters_of_another_network_are_refused(neuron, message):
    module = Classifier(2, (3,), 2, 4)
    net = record(module.blocks, steps=4)
    assert np.array_equal(record(restore(module, net).blocks, steps=4).te, net.te)

    other = replace(net, layers=(replace(net.layers[0], neuron=neuron), net.layers[1]), te=None)
    with pytest.raises(FileFormatError, match=message):
        restore(module, other)

"""Tasks: real data, found where the user keeps them, in the shape that the networks take."""

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError
from spikeproof.sim.verify.verify import verify
from spikeproof.train import tasks
from spikeproof.train.runs.build import build
from spikeproof.train.runs.evaluate import evaluate
from spikeproof.train.runs.recipe import find
from spikeproof.train.tasks import GENERATED, Options, data
from spikeproof.train.tasks.data import DataFile
from spikeproof.train.tasks.objectives import LABEL, REGRESS, REPEAT, UNLABELLED


def load(name, validation=0.0, seed=0, length=100, shrink=1):
    try:
        return tasks.load(Options(name, validation, seed, length, shrink=shrink))
    except InputError as error:
        if "not found" in str(error):
            pytest.skip(str(error))
        raise


def test_the_paper_counts_the_same_parameters():
    for hidden, count in (((64, 88, 88), 83_562), ((64, 152, 152), 153_962)):
        module = find("s-mnist").replace([f"hidden={','.join(map(str, hidden))}"])
        task = tasks.Task("s-mnist", 10, tasks.Split(np.zeros((1, 1, 784), np.float32), np.zeros(1)), None, None)
        assert sum(parameter.numel() for parameter in build(module, task).parameters()) == count


def test_mnist_is_read_pixel_by_pixel():
    plain, permuted = load("s-mnist", 0.1), load("ps-mnist", 0.1)
    assert plain.train.x.shape == (54_000, 1, 784) and plain.test.x.shape == (10_000, 1, 784)
    assert plain.validation.x.shape == (6_000, 1, 784) and plain.train.x.dtype == np.float32
    assert (plain.train.x.min(), plain.train.x.max()) == (0, 1)
    assert np.bincount(plain.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    order = permuted.stored["permutation"]
    assert sorted(order) == list(range(784)) and order.tolist() != list(range(784))
    assert np.array_equal(permuted.test.x, plain.test.x[..., order])


@pytest.mark.parametrize("by", [2, 7])
def test_shrunk_mnist_is_averages_of_squares(by):
    plain, small, permuted = load("s-mnist"), load("s-mnist", shrink=by), load("ps-mnist", shrink=by)
    side = 28 // by
    image, found = plain.test.x[5, 0].reshape(28, 28), small.test.x[5, 0]
    for row, column in ((0, 0), (side // 2, side // 2), (side - 1, 1)):
        square = image[row * by : (row + 1) * by, column * by : (column + 1) * by]
        assert found[row * side + column] == pytest.approx(square.mean(), abs=1e-6)
    assert small.train.x.shape == (60_000, 1, side**2) and small.train.x.dtype == np.float32
    assert found.max() > 0 and small.images.of(found).shape == (side, side)
    assert np.array_equal(permuted.test.x, small.test.x[..., permuted.stored["permutation"]])


def test_adding_asks_for_the_sum_of_two_marked_numbers():
    task = load("adding", 0.05, length=30)
    assert task.train.x.shape == (19_000, 2, 30) and task.test.x.shape == (1_000, 2, 30)
    numbers, marks = task.test.x[:, 0], task.test.x[:, 1]
    assert set(np.unique(marks)) == {0, 1} and (marks.sum(1) == 2).all()
    assert np.allclose(task.test.y, (numbers * marks).sum(1))
    assert task.baseline == pytest.approx(1 / 6) == pytest.approx(np.square(task.train.y - 1).mean(), rel=0.03)
    assert not np.array_equal(load("adding", length=30, seed=1).test.x, task.test.x)
    assert np.array_equal(load("adding", 0.05, length=30).train.x, task.train.x)


def test_copy_asks_for_the_symbols_after_the_gap():
    task = load("copy", length=30)
    x, y = task.test.x, task.test.y
    assert x.shape == (1_000, 9, 50) and y.shape == (1_000, 50) and set(np.unique(x)) == {0, 1}
    shown = np.where(x.any(1), x.argmax(1) + 1, 0)
    assert (shown[:, 10:39] == 0).all() and (shown[:, 39:] == 9).all()
    assert np.array_equal(y[:, -10:], shown[:, :10]) and (y[:, :-10] == 0).all()
    assert set(np.unique(y[:, -10:])) == set(range(1, 9))
    assert task.baseline == pytest.approx(10 * np.log(8) / 50)


@pytest.mark.parametrize(
    ("name", "shapes", "classes"),
    [
        ("fsdd", ((2700, 40, 64), (300, 40, 64)), 10),
        ("n-mnist", ((1000, 2312, 100), (100, 2312, 100)), 10),
        ("qtdb", ((618, 5, 1301), (141, 5, 1301)), 6),
    ],
)
def test_recorded_tasks_have_their_shapes_and_something_in_every_sample(name, shapes, classes):
    task = load(name)
    assert (task.train.x.shape, task.test.x.shape) == shapes
    for split in (task.train, task.test):
        assert split.x.any((1, 2)).all() and 0 <= split.x.min() and split.x.max() <= 1
        assert set(np.unique(split.y)) - {UNLABELLED} == set(range(classes))
        assert len(split.y) == len(split.x)
    if task.unary:
        assert set(np.unique(task.test.x)) == {0, 1}
    if name == "fsdd":
        assert np.bincount(task.test.y).tolist() == [30] * 10
        assert 0.2 < task.test.x[task.test.x > 0].mean() < 0.8  # neither dark nor clipped
    if name == "qtdb":
        assert 0.05 < (task.train.y == UNLABELLED).mean() < 0.12


@pytest.mark.parametrize("name", ["adding", "copy", "fsdd", "n-mnist", "qtdb"])
def test_every_task_trains_and_its_network_is_exact(name):
    """A few optimiser steps on a few samples: what counts is that labels, outputs and files fit together."""
    task = load(name, length=20)
    length = ["length=20"] if name in GENERATED else []
    recipe = find("digits").replace([f"task={name}", "hidden=12,12", "cpg=0", *length])
    torch.manual_seed(0)
    module = build(recipe, task)
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    x, y = (torch.as_tensor(part[:32]) for part in task.train)
    losses = []
    for _ in range(8):
        losses.append(task.objective.loss(module(x), y))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    loss, score, rates, _ = evaluate(module, task.test.take(np.arange(20)), task.objective)
    assert np.isfinite([loss, score]).all() and len(rates) == 2 and 0 <= min(rates) <= max(rates) < 1
    verdict = verify(module, task.test.x[:3], backends=("engine",), registers=False)
    assert verdict.exact, str(verdict)


def test_scores_count_what_they_should():
    outputs = torch.tensor([[[0.0, 9, 0], [1, 1, 1]]])  # classes 1, 0, 1
    assert LABEL.score(outputs, torch.tensor([[1, 0, 0]])) == pytest.approx(2 / 3)
    assert LABEL.score(outputs, torch.tensor([[1, UNLABELLED, 0]])) == pytest.approx(1 / 2)
    assert LABEL.loss(outputs, torch.tensor([[1, UNLABELLED, UNLABELLED]])) == pytest.approx(np.log(1 + np.exp(-1)))
    assert REPEAT.score(outputs, torch.tensor([[1, 0, 2]])) == pytest.approx(1 / 2)
    assert REGRESS.loss(torch.tensor([[1.0], [3.0]]), torch.tensor([2.0, 3.0])) == pytest.approx(0.5)
    assert (
        REGRESS.better(0.1, 0.2) and not REGRESS.better(0.3, 0.2) and LABEL.better(0.3, 0.2) and LABEL.better(0, None)
    )


def test_held_out_samples_are_the_same_in_every_run_and_not_trained_on():
    first, again = load("digits", 0.2), load("digits", 0.2, seed=9)
    assert np.array_equal(first.validation.x, again.validation.x)
    assert len(first.validation.y) == 269 and len(first.train.y) == 1347 - 269
    whole = load("digits")
    both = np.concatenate([first.train.x, first.validation.x])
    assert whole.validation is None
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole.train.x))


def test_a_file_is_found_where_the_variable_says(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    assert DataFile("a.bin", sha256).find() == tmp_path / "a.bin"
    (tmp_path / "a.bin").write_bytes(b"abd")
    with pytest.raises(InputError, match="the checksum is wrong; the file is damaged"):
        DataFile("a.bin", sha256).find()


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/none.bin"])
def test_a_file_that_is_nowhere_names_the_three_places(tmp_path, monkeypatch, url):
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    with pytest.raises(InputError) as caught:
        DataFile("none.bin", "0" * 64, url).find()
    words = str(caught.value)
    assert f"SPIKEPROOF_DATA is {tmp_path}" in words and "../shared/data has no such file" in words
    assert ("127.0.0.1:9" in words) if url else ("no official source" in words)
    assert words.endswith("Set SPIKEPROOF_DATA to the folder that holds it.")

"""Tasks: real data, found where the user keeps them, in the shape that the networks take."""

import numpy as np
import pytest

from spikeproof.contract.errors import InputError
from spikeproof.train import data, tasks
from spikeproof.train.data import DataFile
from spikeproof.train.recipe import find
from spikeproof.train.tasks import Options


def load(name, validation=0.0, seed=0):
    try:
        return tasks.load(Options(name, validation, seed))
    except InputError as error:
        if "not found" in str(error):
            pytest.skip(str(error))
        raise


def test_the_paper_counts_the_same_parameters():
    for hidden, count in (((64, 88, 88), 83_562), ((64, 152, 152), 153_962)):
        module = find("s-mnist").replace([f"hidden={','.join(map(str, hidden))}"])
        task = tasks.Task("s-mnist", 10, tasks.Split(np.zeros((1, 1, 784), np.float32), np.zeros(1)), None, None, {})
        assert sum(parameter.numel() for parameter in module.module(task).parameters()) == count


def test_mnist_is_read_pixel_by_pixel():
    plain, permuted = load("s-mnist", 0.1), load("ps-mnist", 0.1)
    assert plain.train.x.shape == (54_000, 1, 784) and plain.test.x.shape == (10_000, 1, 784)
    assert plain.validation.x.shape == (6_000, 1, 784) and plain.train.x.dtype == np.float32
    assert (plain.train.x.min(), plain.train.x.max()) == (0, 1)
    assert np.bincount(plain.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    order = permuted.stored["permutation"]
    assert sorted(order) == list(range(784)) and order.tolist() != list(range(784))
    assert np.array_equal(permuted.test.x, plain.test.x[..., order])


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

"""Sentences as words, and images as patches."""

import numpy as np
import pytest

from spikeproof.contract.errors import InputError
from spikeproof.train import tasks
from spikeproof.train.runs.build import build
from spikeproof.train.runs.recipe import find
from spikeproof.train.tasks import Options, cifar10, data, text


@pytest.fixture(scope="module")
def load():
    """Load a task once."""
    loaded = {}

    def loader(name, validation=0.0):
        if (name, validation) not in loaded:
            try:
                loaded[name, validation] = tasks.load(Options(name, validation))
            except InputError as error:
                pytest.skip(str(error))
        return loaded[name, validation]

    return loader


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("It isn't Bob's half-hearted best .", "it is n't bob 's half - hearted best ."),
        ("they ca n't , can't they'd we're i'll i've I'm", "they ca n't , ca n't they 'd we 're i 'll i 've i 'm"),
        ("Amélie 's 21st   century's\tcafé!?", "amélie 's 21st century 's café ! ?"),
        ("rock 'n' roll o'clock n't", "rock ' n ' roll o ' clock n't"),
        ("", ""),
    ],
)
def test_a_sentence_becomes_words(sentence, found):
    assert text.words(sentence) == found.split()
    assert text.words(" ".join(found.split())) == found.split()  # what is divided stays so


def test_a_vocabulary_has_what_stands_there_often_enough_in_a_fixed_order():
    texts = [line.split() for line in ("b b c c a", "a c d", "e")]
    assert text.vocabulary(texts) == ["c", "a", "b"] == text.vocabulary(texts[::-1])


def test_words_become_indices():
    found = text.indices([["c", "d", "a"], [], ["b"] * 100], ["c", "a", "b"])
    assert found.shape == (3, 1, text.LENGTH) and found.dtype == np.int64
    assert found[0, 0].tolist() == [2, 1, 3] + [0] * (text.LENGTH - 3)
    assert not found[1].any() and (found[2] == 4).all()


@pytest.mark.parametrize(
    ("name", "counts", "classes"),
    [
        ("mr", (9596, 0, 1066), 2),
        ("subj", (9000, 0, 1000), 2),
        ("sst-2", (6920, 872, 1821), 2),
        ("sst-5", (8544, 1101, 2210), 5),
    ],
)
def test_sentences_that_are_at_hand(load, name, counts, classes):
    task = load(name)
    parts = [split for split in (task.train, task.validation, task.test) if split]
    assert [len(split.y) for split in parts] == [count for count in counts if count]
    assert task.outputs == classes and set(np.unique(task.train.y)) == set(range(classes))
    words = task.stored["words"]
    assert task.vocabulary == len(words) + 2 and list(words[:2]) in (["the", ","], [",", "the"], [".", "the"])
    for split in parts:
        assert split.x.shape == (len(split.y), 1, text.LENGTH) and split.x.dtype == split.y.dtype == np.int64
        assert split.x.min() == 0 and split.x.max() < task.vocabulary and split.x.any((1, 2)).all()
        assert (split.x[..., -1] > 0).mean() < 0.04  # those that are cut
        padded = split.x[:, 0] == 0
        assert (padded[:, 1:] >= padded[:, :-1]).all()  # only at the end
    assert task.train.x.max() == task.vocabulary - 1
    counted = np.bincount(task.train.x.ravel(), minlength=task.vocabulary)[2:]
    assert (counted > 0).mean() > 0.995 and counted[:5].min() > counted[-5:].max()  # some are only where it is cut
    assert 0.03 < (task.test.x == 1).sum() / (task.test.x > 0).sum() < 0.1  # words that only the test part has


def test_every_tenth_line_of_a_class_is_tested_with(load):
    task = load("mr")
    assert np.bincount(task.test.y).tolist() == [533, 533] and np.bincount(task.train.y).tolist() == [4798, 4798]


def test_the_vocabulary_knows_nothing_of_what_is_held_out(load):
    whole, part = load("subj"), load("subj", 0.5)
    assert len(part.validation.y) == 4500 and part.vocabulary < 0.8 * whole.vocabulary
    counted = np.bincount(part.train.x.ravel(), minlength=part.vocabulary)
    assert (counted[2:] > 0).mean() > 0.995
    assert (part.validation.x == 1).sum() > (whole.train.x == 1).sum()


def test_sst_has_a_validation_part_of_its_own_and_words_want_a_network_that_takes_them(load):
    with pytest.raises(InputError, match="validation is for tasks without a validation part of their own, and 'sst-2'"):
        find("digits").replace(["task=sst-2", "validation=0.1"])
    recipe = find("digits").replace(["task=sst-2", "validation=0"])
    with pytest.raises(InputError, match="sst-2: inputs are words, and a network of neuron = 'ce-lif' wants numbers"):
        build(recipe, load("sst-2"))


def test_images_become_patches():
    image = np.arange(2 * 3 * 8 * 12, dtype=np.uint8).reshape(2, 3, 8, 12)
    found = cifar10.patches(image)
    assert found.shape == (2, 48, 6) and found.dtype == np.float32
    assert np.array_equal(found[1, :, 4] * 255, image[1, :, 4:8, 4:8].ravel().astype(np.float32))


def test_cifar10_is_at_hand(load):
    task = load("cifar10", 0.1)
    assert [split.x.shape for split in (task.train, task.validation, task.test)] == [
        (n, 48, 64) for n in (4500, 500, 1000)
    ]
    assert np.bincount(task.test.y).tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
    for split in (task.train, task.test):
        means = split.x.reshape(-1, 3, 16, 64).mean((0, 2, 3)) * 255
        assert np.allclose(means, (125.3, 123.0, 113.9), atol=2)  # of all 50,000 training images
        neighbours = np.diff(split.x.reshape(-1, 3, 4, 4, 64), axis=3)
        assert np.abs(neighbours).mean() < 0.08  # an image, not noise


def test_all_of_cifar10_is_read_from_its_binary_files(tmp_path, monkeypatch):
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    random, written = np.random.default_rng(0), {}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        records = random.integers(0, 256, (4, 3073), np.uint8)
        records[:, 0] %= 10
        written[name] = records
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    task = tasks.load(Options("cifar10-full"))
    assert task.train.x.shape == (20, 48, 64) and task.test.x.shape == (4, 48, 64)
    assert np.array_equal(task.test.y, written["test_batch"][:, 0])
    assert np.array_equal(
        task.train.x[13, :, 0], cifar10.patches(written["data_batch_4"][1, 1:].reshape(1, 3, 32, 32))[0, :, 0]
    )
    (folder / "test_batch.bin").write_bytes(b"\x03" * 3000)
    with pytest.raises(InputError, match=r"test_batch\.bin: not images of CIFAR-10 in its binary version"):
        tasks.load(Options("cifar10-full"))

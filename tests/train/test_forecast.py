"""Forecasts: windows, parts, normalisation and the two conventions of R² and RSE."""

import gzip

import h5py
import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError
from spikeproof.train import tasks
from spikeproof.train.runs.build import build
from spikeproof.train.runs.evaluate import evaluate
from spikeproof.train.runs.recipe import find
from spikeproof.train.tasks import Options, data
from spikeproof.train.tasks.objectives import FORECAST, forecast, relative_errors


def rows_of(count, variables, seed=0):
    """A series whose every value is different."""
    random = np.random.default_rng(seed)
    return (random.permutation(count * variables).reshape(count, variables) + 1).astype(np.float32)


def write_text(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "\n".join(",".join(map(str, row)) for row in rows)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())


def linked(path):
    """Lead the block of a table to another file."""
    with h5py.File(path, "r+") as file:
        del file["df/block0_values"]
        file["df/block0_values"] = h5py.ExternalLink("other.h5", "/x")
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["x"] = np.ones((90, 2))


def elsewhere(path):
    """Keep the numbers of a table in another file."""
    with h5py.File(path, "r+") as file:
        del file["df/block0_values"]
        file["df"].create_dataset("block0_values", (90, 2), "f8", external=[(str(path) + ".raw", 0, 1440)])
        file["df/block0_values"][:] = 1


def write_frame(path, rows):
    """The layout that pandas gives a table of one dtype."""
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        frame["axis0"] = np.arange(rows.shape[1])
        frame["axis1"] = np.arange(len(rows))
        frame["block0_items"] = frame["axis0"][:]
        frame["block0_values"] = rows.astype(np.float64)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    return tmp_path


WRITTEN = {
    "metr-la": ("metr-la.h5", write_frame, (0.7, 0.1), lambda seen: (0, seen.max(0))),
    "pems-bay": ("pems-bay.h5", write_frame, (0.7, 0.1), lambda seen: (0, seen.max(0))),
    "solar": ("solar-energy/solar_AL.txt", write_text, (0.6, 0.2), lambda seen: (0, seen.max())),
    "electricity": ("electricity/electricity.txt", write_text, (0.6, 0.2), lambda seen: (seen.mean(), seen.std())),
}
"""Task -> its file, how it is written, shares of training and test, and the statistics of the rows."""


@pytest.mark.parametrize("name", WRITTEN)
def test_official_files_are_divided_and_scaled_as_the_authors_do(folder, name):
    file, write, ratios, statistics = WRITTEN[name]
    rows, window, horizon = rows_of(103, 3), 7, 4
    write(folder / file, rows)
    total = 103 - 7 - 4 + 1
    train, test = (int(share * total) for share in ratios)
    starts = {"train": 0, "validation": train, "test": total - test}
    counts = {"train": train, "validation": total - train - test, "test": test}
    for normalise, seen in (("train", rows[: train + 7 + 4 - 1]), ("leaking", rows)):
        task = tasks.load(Options(name, window=window, horizon=horizon, normalise=normalise))
        assert task.outputs == 12 and task.objective.best == "min"
        middle, width = statistics(seen.astype(np.float64))
        scaled = ((rows - middle) / width).astype(np.float32)
        for part, start in starts.items():
            split = getattr(task, part)
            assert split.x.shape == (counts[part], 3, window) and split.y.shape == (counts[part], 12)
            assert split.x.dtype == split.y.dtype == np.float32
            for i in (0, counts[part] - 1):
                first = start + i
                assert np.array_equal(split.x[i], scaled[first : first + 7].T)
                assert np.array_equal(split.y[i], scaled[first + 7 : first + 11].reshape(-1))  # a row after the other


@pytest.mark.parametrize(
    ("name", "place"), [("solar", "solar_AL.txt.gz"), ("electricity", "electricity/electricity.txt.gz")]
)
def test_text_may_be_gzipped_and_lie_in_the_folder_itself(folder, name, place):
    rows = rows_of(80, 2)
    write_text(folder / place, rows)
    task = tasks.load(Options(name, window=5, horizon=2))
    assert task.train.x.shape[1:] == (2, 5)


def test_nothing_of_the_training_part_depends_on_later_rows(folder):
    rows = rows_of(120, 2)
    last = int(0.7 * (120 - 6 - 3 + 1)) + 6 + 3 - 1  # rows that training windows and their labels cover
    loaded = {}
    for normalise in ("train", "leaking"):
        for changed in (False, True):
            written = rows.copy()
            written[last:] *= 1000 if changed else 1
            write_frame(folder / "metr-la.h5", written)
            loaded[normalise, changed] = tasks.load(Options("metr-la", window=6, horizon=3, normalise=normalise))
    for plain, other, equal in (("train", "train", True), ("leaking", "leaking", False)):
        before, after = loaded[plain, False].train, loaded[other, True].train
        assert np.array_equal(before.x, after.x) is equal and np.array_equal(before.y, after.y) is equal
    assert not np.array_equal(loaded["train", False].test.x, loaded["train", True].test.x)


def test_a_stride_thins_out_all_but_the_test_part(folder):
    write_frame(folder / "metr-la.h5", rows_of(150, 2))
    whole, some = (tasks.load(Options("metr-la", stride=stride)) for stride in (1, 4))
    for part in ("train", "validation"):
        for before, after in zip(getattr(whole, part), getattr(some, part), strict=True):
            assert np.array_equal(before[::4], after)
    assert all(np.array_equal(before, after) for before, after in zip(whole.test, some.test, strict=True))
    digits = tasks.load(Options("digits", stride=3))
    assert len(digits.train.y) == 449 and len(digits.test.y) == 450 and digits.validation is None


def test_a_variable_that_never_changes_is_not_divided_by_nothing(folder):
    rows = rows_of(60, 2)
    rows[:, 1] = 0
    write_frame(folder / "pems-bay.h5", rows)
    task = tasks.load(Options("pems-bay", window=4, horizon=2))
    assert (task.test.x[:, 1] == 0).all() and np.isfinite(task.train.x).all()
    figures = task.objective.measures(torch.as_tensor(task.test.y), torch.as_tensor(task.test.y))
    assert figures == {"r2_code": 1, "rse_code": 0, "r2_mean": 1, "rse_mean": 0}


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        ("etth1", (7, 24), (8640 - 24 - 12 + 1, 2880 - 12 + 1, 2880 - 12 + 1)),
        ("etth2", (7, 24), (8640 - 24 - 12 + 1, 2880 - 12 + 1, 2880 - 12 + 1)),
        ("exchange", (8, 24), (4531, 1512, 1510)),
        ("los", (207, 24), (1386, 397, 198)),
    ],
)
def test_series_that_are_at_hand(name, shape, counts):
    try:
        task = tasks.load(Options(name, window=24, horizon=12))
    except InputError as error:
        pytest.skip(str(error))
    parts = (task.train, task.validation, task.test)
    assert tuple(len(split.y) for split in parts) == counts
    assert all(split.x.shape[1:] == shape and split.y.shape[1] == 12 * shape[0] for split in parts)
    if name.startswith("ett"):
        # The first label of a part follows the last one of the part before it, and windows reach back.
        for before, after in ((task.train, task.validation), (task.validation, task.test)):
            assert np.array_equal(after.x[12, :, 23 - 12 - 11 : 24 - 12], before.y[-1].reshape(12, 7).T)
    if name != "los":
        rows = np.concatenate([task.train.x[..., 0], task.train.x[-1, :, 1:].T, task.train.y[-1].reshape(12, -1)])
        assert np.allclose(rows.mean(0), 0, atol=1e-4) and np.allclose(rows.std(0), 1, atol=1e-4)
    else:
        assert max(task.train.x.max(), task.train.y.max()) == 1 < task.test.x.max()


def test_relative_errors_by_hand():
    # Two samples, two steps of two variables; the second variable lies about 10.
    labels = torch.tensor([[0.0, 10, 1, 10], [2, 12, 3, 14]])
    found = labels + torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]])
    # Means of the outputs 1, 11, 2, 12: distances 2, 2, 2, 8. Squared errors 1, 1, 0, 1. Mean of all labels 6.5.
    scattered = sum((value - 6.5) ** 2 for value in (0, 10, 1, 10, 2, 12, 3, 14))
    figures = relative_errors(found, labels, variables=2)
    assert figures["r2_code"] == pytest.approx(1 - 3 / scattered)
    assert figures["rse_code"] == pytest.approx((3 / 14) ** 0.5)
    assert figures["r2_mean"] == pytest.approx(1 - (1 / 4 + 2 / 10) / 2)
    assert figures["rse_mean"] == pytest.approx(((1 / 4) ** 0.5 + (2 / 10) ** 0.5) / 2)


def test_the_two_conventions_differ_where_variables_do():
    random = torch.Generator().manual_seed(0)
    labels = torch.randn(5000, 6, generator=random)
    alike = relative_errors(labels * 0.5, labels, variables=3)
    assert alike["r2_code"] == pytest.approx(alike["r2_mean"], abs=1e-3) == pytest.approx(0.75, abs=1e-2)
    assert alike["rse_code"] == pytest.approx((1 - alike["r2_code"]) ** 0.5, abs=1e-3)
    # Far apart, and the answer is each variable's mean: all but nothing to the code's R², nothing to the others.
    apart = labels + 100 * torch.arange(3).repeat(2)
    figures = relative_errors(apart.mean(0).expand_as(apart), apart, variables=3)
    assert figures["r2_code"] > 0.999 and figures["rse_code"] == pytest.approx(1, abs=1e-3)
    assert figures["r2_mean"] == pytest.approx(0, abs=1e-3) and figures["rse_mean"] == pytest.approx(1, abs=1e-3)


def test_a_network_forecasts_and_its_figures_are_those_of_the_whole_part(folder):
    """Evaluated in two batches: R² and RSE are no means over batches."""
    write_frame(folder / "metr-la.h5", rows_of(3200, 2))
    recipe = find("digits-plain").replace(["task=metr-la", "window=5", "horizon=3", "hidden=6,5", "validation=0"])
    task = recipe.load_task()
    torch.manual_seed(0)
    module = build(recipe, task).eval()
    assert len(task.test.y) > 256
    found = evaluate(module, task.test, task.objective)
    with torch.no_grad():
        outputs = module(torch.tensor(task.test.x))
    labels = torch.tensor(task.test.y)
    assert outputs.shape == (len(labels), 6)
    assert found.measures == pytest.approx(relative_errors(outputs, labels, variables=2), rel=1e-5)
    assert found.loss == found.score == pytest.approx((outputs - labels).square().mean().item(), rel=1e-5)
    assert FORECAST.measures is None and forecast(2).read == "mean"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["task=digits", "window=24"], "window is for forecasts of time series, and task is 'digits'"),
        (["task=digits", "horizon=24"], "horizon is for forecasts of time series"),
        (["task=digits", "normalise=leaking"], "normalise is for forecasts of time series"),
        (["task=etth1", "window=0"], "window: Input should be greater than 0"),
        (["task=etth1", "normalise=all"], "normalise: Input should be 'train' or 'leaking'"),
        (
            ["task=etth1", "validation=0.1"],
            "validation is for tasks without a validation part of their own, and 'etth1'",
        ),
    ],
)
def test_settings_that_have_no_use_are_named(settings, words):
    with pytest.raises(InputError, match=words):
        find("digits").replace(["validation=0", *settings])


def test_a_recipe_for_a_series_may_be_patient():
    assert find("digits").replace(["task=etth1", "patience=3", "horizon=24", "window=96"]).horizon == 24


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (
            lambda path: write_frame(path, rows_of(20, 2)),
            "metr-la: 20 rows are too few for window = 12 and horizon = 6",
        ),
        (lambda path: write_frame(path, rows_of(90, 2) * np.nan), "metr-la: its file does not hold a table of finite"),
        (lambda path: path.write_bytes(b"no HDF5"), r"metr-la\.h5: not a readable HDF5 .*Fetch it again"),
        (
            lambda path: write_frame(path, rows_of(90, 2)) or linked(path),
            r"metr-la\.h5: .*block0_values.* is a link to",
        ),
        (
            lambda path: write_frame(path, rows_of(90, 2)) or elsewhere(path),
            r"metr-la\.h5: .*keeps its data in another",
        ),
        (lambda path: h5py.File(path, "w").close(), r"metr-la\.h5: not a pandas table of one block of numbers"),
    ],
)
def test_damaged_files_are_named(folder, write, words):
    write(folder / "metr-la.h5")
    with pytest.raises(InputError, match=words):
        tasks.load(Options("metr-la"))


@pytest.mark.parametrize(
    "content", [b"1,2\n3,x\n", gzip.compress(b"1,2\n3,4\n", mtime=0)[:-9]], ids=["no number", "cut short"]
)
def test_damaged_text_is_named(folder, content):
    name = "solar_AL.txt" if content.startswith(b"1") else "solar_AL.txt.gz"
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: not a table of comma-separated numbers"):
        tasks.load(Options("solar"))


def test_a_series_that_only_a_user_has_names_its_place(folder):
    with pytest.raises(
        InputError, match=r"electricity/electricity\.txt: not found\. SPIKEPROOF_DATA is .*no official source"
    ):
        tasks.load(Options("electricity"))

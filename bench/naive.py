"""What answers are worth that need no network: a line of JSON each.

Forecasts: the last value, the value of a season before, and one linear map of a variable's window, which all variables
share. Classes: the most frequent one; naive Bayes of the words of a text, in whatever order they stand; and a linear
map of an image's pixels, by ridge regression. Everything is fitted in closed form to the training part, of the same
windows that the networks are trained on.

    python bench/naive.py bench/results/naive.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from grids import converged

from spikeproof.train.runs.recipe import find
from spikeproof.train.tasks import Task
from spikeproof.train.tasks.text import PADDING

SEASONS = {"etth1": 24, "etth2": 24, "exchange": 7, "los": 288}
"""Dataset -> rows from one season to the next: a day of hours, a week of days, a day of five minutes."""

RIDGE = (1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
"""Penalties, of which the one with the best validation accuracy is taken."""

Rows = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]


def last_value(task: Task, horizon: int) -> Rows:
    """Return the last row that is seen as the forecast of all rows after it, shape (samples, horizon * variables)."""
    return np.tile(task.test.x[:, :, -1], (1, horizon))


def seasonal(task: Task, horizon: int, season: int) -> Rows:
    """Return for each row the latest one before the forecast that is whole seasons before it.

    It may lie before the window that a network sees: the test part's rows and those of the parts before it are known.
    """
    series, start = rows_until_the_end(task)
    samples, _, window = task.test.x.shape
    origin = start + window + np.arange(samples)  # the first row that is forecast
    found = [series[origin + step - season * math.ceil((step + 1) / season)] for step in range(horizon)]
    return np.concatenate(found, axis=1)


def rows_until_the_end(task: Task) -> tuple[Rows, int]:
    """Return the rows of the validation and the test part, one after another, and where the test windows begin.

    Parts overlap: windows of one may begin in the rows of the other. By how much is found by comparing them.
    """
    assert task.validation is not None
    before, after = (_rows(part.x, part.y) for part in (task.validation, task.test))
    window, variables = task.test.x.shape[2], task.test.x.shape[1]
    horizon = task.test.y.shape[1] // variables
    for overlap in (window + horizon - 1, window):
        if np.array_equal(before[-overlap:], after[:overlap]):
            return np.concatenate([before[:-overlap], after]), len(before) - overlap
    raise ValueError(f"{task.name}: the test part does not follow the validation part.")


def _rows(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Rows:
    """Return the rows that windows one row apart, and the labels behind the last, are made of."""
    return np.concatenate([x[:, :, 0], x[-1, :, 1:].T, y[-1].reshape(-1, x.shape[1])])


def linear(task: Task, horizon: int) -> Rows:
    """Return the forecast of one linear map, with a bias, from a variable's window to what follows it."""
    y = task.train.y.reshape(len(task.train.y), horizon, -1)
    squares, products = 0, 0
    for variable in range(y.shape[2]):  # all at once take a gigabyte
        x = _window(task.train.x, variable)
        squares, products = squares + x.T @ x, products + x.T @ y[:, :, variable]
    weights = np.linalg.lstsq(squares, products)[0]  # of a series that repeats itself there are many
    found = [_window(task.test.x, variable) @ weights for variable in range(y.shape[2])]
    return np.stack(found, axis=2).reshape(len(task.test.x), -1).astype(np.float32)


def _window(x: npt.NDArray[Any], variable: int) -> npt.NDArray[np.float64]:
    """Return the windows of one variable, a row each, with a one behind it."""
    return np.pad(x[:, variable].astype(np.float64), ((0, 0), (0, 1)), constant_values=1)


def most_frequent(task: Task) -> Classes:
    """Return the class that the training part has most of, for every sample."""
    return np.full(len(task.test.y), np.bincount(task.train.y).argmax())


def of_words(task: Task) -> Classes:
    """Return the classes by multinomial naive Bayes of words, each counted once more than it was seen."""
    x, y = task.train.x.reshape(len(task.train.x), -1), task.train.y
    words = 1 + max(int(part.x.max()) for part in (task.train, task.test))
    counts = np.ones((y.max() + 1, words))
    np.add.at(counts, (np.repeat(y, x.shape[1]), x.reshape(-1)), 1)
    counts[:, PADDING] = 0  # what fills a sentence up is no word
    logs = np.log(np.where(counts, counts / counts.sum(1, keepdims=True), 1))
    prior = np.log(np.bincount(y) / len(y))
    return np.asarray((prior + logs.T[task.test.x.reshape(len(task.test.x), -1)].sum(1)).argmax(1))


def of_pixels(task: Task) -> Classes:
    """Return the classes by ridge regression of all pixels on the classes, with a bias that is not penalised."""
    assert task.validation is not None
    mean = task.train.x.reshape(len(task.train.x), -1).mean(0, dtype=np.float64)
    x, validation, test = (
        part.x.reshape(len(part.x), -1).astype(np.float64) - mean for part in (task.train, task.validation, task.test)
    )
    targets = np.eye(task.train.y.max() + 1)[task.train.y]
    bias = targets.mean(0)
    best, found = -1.0, np.zeros(0, np.int64)
    for penalty in RIDGE:
        weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (targets - bias))
        score = float(np.mean((validation @ weights + bias).argmax(1) == task.validation.y))
        if score > best:
            best, found = score, np.asarray((test @ weights + bias).argmax(1))
    return found


LAST, SEASON, LINEAR = "last value", "a season before", "a linear map"
FREQUENT, WORDS, PIXELS = "the most frequent class", "naive Bayes of words", "ridge regression of pixels"


def line(dataset: str, horizon: int, name: str) -> dict[str, Any]:
    """Return what one of these is worth on a dataset's test part; `horizon` is 0 where nothing is forecast."""
    recipe, settings = converged.point(dataset, "spike-rnn", "none", horizon, "1e-3", 0)
    task = find(recipe).replace(settings).load_task()
    labels, told = torch.as_tensor(task.test.y), {"dataset": dataset, "horizon": horizon, "name": name}
    if not horizon:
        found = {FREQUENT: most_frequent, WORDS: of_words, PIXELS: of_pixels}[name](task)
        return told | {"test_score": float(np.mean(found == task.test.y)), "measures": {}}
    if name == SEASON:  # which wants the rows before the test part, all of them
        forecast = seasonal(find(recipe).replace([*settings, "stride=1"]).load_task(), horizon, SEASONS[dataset])
    else:
        forecast = {LAST: last_value, LINEAR: linear}[name](task, horizon)
    outputs = torch.from_numpy(forecast)
    assert task.objective.measures is not None
    score = float(task.objective.loss(outputs, labels))
    return told | {"test_score": score, "measures": task.objective.measures(outputs, labels)}


def names(dataset: str) -> tuple[str, ...]:
    """Return what there is for a dataset."""
    if dataset in converged.FORECASTS:
        return LAST, SEASON, LINEAR
    return FREQUENT, (PIXELS if dataset == "cifar10" else WORDS)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="file of JSON lines; written anew")
    path = parser.parse_args().lines
    each = [
        (dataset, horizon, name)
        for dataset in converged.DATASETS
        for horizon in (converged.HORIZONS if dataset in converged.FORECASTS else (0,))
        for name in names(dataset)
    ]
    found = [line(*one) for one in each]
    path.write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What forecasts are worth that nobody trained: the last value, and the value of a season before; a line of JSON each.

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

SEASONS = {"etth1": 24, "etth2": 24, "exchange": 7, "los": 288}
"""Dataset -> rows from one season to the next: a day of hours, a week of days, a day of five minutes."""

Rows = npt.NDArray[np.float32]


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


def line(dataset: str, horizon: int, name: str) -> dict[str, Any]:
    """Return the figures of a naive forecast of a dataset's test part, as `grid.py` writes those of a run."""
    recipe, settings = converged.point(dataset, "spike-rnn", "none", horizon, "1e-3", 0)
    task = find(recipe).replace([*settings, "stride=1"]).load_task()
    found = last_value(task, horizon) if name == "last value" else seasonal(task, horizon, SEASONS[dataset])
    outputs, labels = torch.from_numpy(found), torch.as_tensor(task.test.y)
    assert task.objective.measures is not None
    measures = task.objective.measures(outputs, labels)
    score = float(task.objective.loss(outputs, labels))
    return {"dataset": dataset, "horizon": horizon, "name": name, "test_score": score, "measures": measures}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="file of JSON lines; written anew")
    path = parser.parse_args().lines
    each = [(dataset, horizon) for dataset in converged.FORECASTS for horizon in converged.HORIZONS]
    found = [line(*one, name) for one in each for name in ("last value", "a season before")]
    path.write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")


if __name__ == "__main__":
    main()

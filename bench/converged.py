"""The grid that compares positional encodings in networks trained until they stop getting better; `grid.py` trains it.

Every run may take 100 epochs and ends when 10 of them in a row have brought no better validation score; the epoch with
the best one is kept. The learning rate is constant. It is chosen once for a model on a dataset, without an encoding, by
the validation score of one run a candidate, whose seed is none of those reported; all encodings and horizons share it.

What was made smaller, so that a run takes minutes on one core of a CPU:

- ETTh1 and ETTh2 keep every third window of the training and the validation part, exchange every second, of 24 hours or
  days; the test part is whole. Windows of Los are 12 steps long, as in the paper.
- Text and images have two spike steps instead of four. Sentences are cut at 48 words, and words are learned from
  nothing. CIFAR-10 is its first 6,000 images, of patches of 4 x 4.
- Spikformer has 2 blocks of 128 channels (the paper: 256 on time series, 768 and 12 blocks on text, 384 and 4 on
  images), Spike-TCN 3 levels of 64, Spike-RNN and Spike-GRU 2 layers of 128.
- Batches are of 64 samples everywhere, and gradients are clipped to a norm of 1.

`blocks` has the order. A run takes about 1 (Spike-RNN), 2 (Spike-TCN), 3 (Spike-GRU) and 6 minutes (Spikformer) on
ETTh1, a third of that on Los, and up to three times as much on text and images, where the machine is idle; the
whole plan is `python bench/grid.py plan converged`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Point = tuple[str, tuple[str, ...]]
Line = dict[str, Any]

FORECASTS = ("etth1", "los", "etth2", "exchange")
MODELS = {
    "spike-rnn": ("hidden=128", "depth=2"),
    "spikformer": ("hidden=128", "depth=2"),
    "spike-tcn": ("hidden=64", "depth=3"),
    "spike-gru": ("hidden=128", "depth=2"),
}
"""Model -> its size."""
DATASETS = {
    "etth1": ("window=24", "stride=3"),
    "etth2": ("window=24", "stride=3"),
    "exchange": ("window=24", "stride=2"),
    "los": ("window=12",),
    "subj": ("spike_steps=2",),
    "mr": ("spike_steps=2",),
    "sst-2": ("spike_steps=2",),
    "sst-5": ("spike_steps=2",),
    "cifar10": ("spike_steps=2",),
}
"""Dataset -> what makes it small."""
RECIPES = {"etth2": ("etth1", "task=etth2"), "exchange": ("etth1", "task=exchange")}
"""Dataset -> the recipe that it changes, and how; others have a recipe of their name."""
TRAINING = ("batch_size=64", "gradient_clip=1.0", "schedule=constant", "patience=10", "epochs=100")
RATES = ("1e-3", "3e-3", "1e-2")
RATE_SEED, RATE_HORIZON = 9, 24
SEEDS = (0, 1, 2)
HORIZONS = (6, 24, 48, 96)
FIRST, REST = ("none", "cpg", "sinusoid"), ("cpg-designed", "learned", "relative", "random")


class Block(NamedTuple):
    """Runs that belong together: all models and seeds of a dataset."""

    dataset: str
    horizons: tuple[int, ...]
    """Of a forecast; (0,) where nothing is forecast."""
    positions: tuple[str, ...]


def blocks() -> Iterator[Block]:
    """Return the plan, what tells most first."""
    yield Block("etth1", (24,), FIRST)
    yield Block("los", (24,), FIRST)
    yield Block("subj", (0,), FIRST)
    yield Block("etth1", (6, 96), FIRST)
    yield Block("cifar10", (0,), FIRST)
    yield Block("etth1", (24,), REST)
    yield Block("los", (6, 96), FIRST)
    yield Block("mr", (0,), FIRST)
    yield Block("los", (24,), REST)
    yield Block("subj", (0,), REST)
    for dataset in ("exchange", "etth2"):
        yield Block(dataset, (24,), FIRST)
    for dataset in ("etth1", "los"):
        yield Block(dataset, (48,), FIRST)
        yield Block(dataset, (6, 96, 48), REST)
    yield Block("cifar10", (0,), REST)
    for dataset in ("sst-2", "sst-5"):
        yield Block(dataset, (0,), FIRST + REST)
    yield Block("mr", (0,), REST)
    for dataset in ("exchange", "etth2"):
        yield Block(dataset, (6, 96, 48), FIRST)
        yield Block(dataset, (24, 6, 96, 48), REST)


def point(dataset: str, model: str, position: str, horizon: int, rate: str, seed: int) -> Point:
    """Return a run."""
    recipe, *changes = RECIPES.get(dataset, (dataset,))
    forecast = (f"horizon={horizon}",) if horizon else ()
    what = (f"model={model}", f"position={position}", *MODELS[model], *changes, *DATASETS[dataset], *forecast)
    return recipe, (*what, *TRAINING, f"learning_rate={rate}", f"seed={seed}")


def candidates(dataset: str, model: str) -> list[Point]:
    """Return the runs that choose a learning rate."""
    horizon = RATE_HORIZON if dataset in FORECASTS else 0
    return [point(dataset, model, "none", horizon, rate, RATE_SEED) for rate in RATES]


def chosen(dataset: str, model: str, lines: Sequence[Line]) -> str | None:
    """Return the learning rate of the best validation score; None if a candidate is missing."""
    found = {(line["recipe"], tuple(line["settings"])): line["result"]["validation_score"] for line in lines}
    scores = [found.get(one) for one in candidates(dataset, model)]
    if any(score is None for score in scores):
        return None
    best = min if dataset in FORECASTS else max
    return RATES[scores.index(best(scores))]


def stages(lines: Sequence[Line]) -> Iterator[list[Point]]:
    """Return the runs of each stage in their order; what a rate is missing for is left out."""
    for block in blocks():
        for model in MODELS:
            yield candidates(block.dataset, model)
            rate = chosen(block.dataset, model, lines)
            each = itertools.product(block.horizons, SEEDS, block.positions)
            yield [
                point(block.dataset, model, position, horizon, rate, seed) for horizon, seed, position in each if rate
            ]


def points(lines: Sequence[Line]) -> list[Point]:
    """Return the runs that come next: those of the first stage that is not finished."""
    done = {(line["recipe"], tuple(line["settings"])) for line in lines}
    return next((left for stage in stages(lines) if (left := [one for one in stage if one not in done])), [])


def plan() -> str:
    """Return how many runs there are, block by block."""
    rows, rates = ["| | dataset | horizons | encodings | runs |", "|---|---|---|---|---|"], set()
    for i, block in enumerate(blocks(), start=1):
        runs = len(MODELS) * len(SEEDS) * len(block.horizons) * len(block.positions)
        runs += 0 if block.dataset in rates else len(MODELS) * len(RATES)
        rates.add(block.dataset)
        horizons = ", ".join(map(str, block.horizons)) if any(block.horizons) else "-"
        rows.append(f"| {i} | {block.dataset} | {horizons} | {', '.join(block.positions)} | {runs} |")
    return "\n".join(rows)

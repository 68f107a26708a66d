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

Spikformer is trained with its own attention and, for Gray-PE and Log-PE, with one that counts agreeing bits; networks
of real numbers of the same size are torch's own parts. CPG-PE's sensitivity to N, w_max, its threshold and T_s is that
of Spike-RNN.

`blocks` has the order, and `python bench/grid.py plan converged` prints it: 2,402 runs. On one thread of a virtual Xeon
core, a run on ETTh1 or Los takes half a minute (Spike-RNN), a minute (Spike-TCN), 2 to 4 minutes (Spike-GRU) and 5 to
10 (Spikformer); text and images take up to three times as much. So the first ten blocks, the quick networks in all
three domains and what varies CPG-PE, are about four hours, networks of real numbers three more, and the whole plan is
weeks of one such core.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .point import Line, Point

FORECASTS = ("etth1", "los", "etth2", "exchange")
MODELS = {
    "spike-rnn": ("hidden=128", "depth=2"),
    "spike-tcn": ("hidden=64", "depth=3"),
    "spike-gru": ("hidden=128", "depth=2"),
    "spikformer": ("hidden=128", "depth=2"),
    "spikformer-xnor": ("hidden=128", "depth=2", "attention=xnor"),
    "transformer": ("neuron=real", "hidden=128", "depth=2"),
    "gru": ("neuron=real", "hidden=128", "depth=2"),
    "tcn": ("neuron=real", "hidden=64", "depth=3"),
}
"""Network -> its size, and how it is made."""
QUICK, COSTLY = ("spike-rnn", "spike-tcn"), ("spike-gru", "spikformer")
SPIKING = (*QUICK, *COSTLY)
REAL = ("transformer", "gru", "tcn")
"""Counterparts of the same size, of torch's own parts."""
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
RATES = ("1e-3", "3e-3", "1e-2", "3e-2")
RATE_SEED = 9
SEEDS = (0, 1, 2)
MORE_SEEDS = (3, 4)
"""For what three seeds leave open."""
HORIZONS = (6, 24, 48, 96)
FIRST, REST = ("none", "cpg", "sinusoid"), ("cpg-designed", "learned", "relative", "random")
IN_ATTENTION = ("gray", "log")
OF_CODE = tuple(
    (f"position_{key}={value}",)
    for key, values in (("channels", (10, 20, 80)), ("w_max", (100, 1000)), ("threshold", (0.5, 0.95)))
    for value in values
)
"""What CPG-PE's sensitivity is measured to, one by one."""
OF_STEPS = tuple((f"spike_steps={steps}",) for steps in (1, 2, 8))


class Block(NamedTuple):
    """Runs that belong together: some networks on a dataset, with all of its seeds."""

    dataset: str
    horizons: tuple[int, ...]
    """Of a forecast; (0,) where nothing is forecast."""
    positions: tuple[str, ...]
    networks: tuple[str, ...] = SPIKING
    extras: tuple[tuple[str, ...], ...] = ((),)
    """Further settings, each of which every run has once."""
    seeds: tuple[int, ...] = SEEDS


def blocks() -> Iterator[Block]:
    """Return the plan: what tells most an hour comes first, so that the costly networks follow the quick ones."""
    real = ("none", "sinusoid")
    yield Block("etth1", (24,), FIRST, QUICK)
    yield from _sensitivity("etth1")
    yield Block("los", (24,), FIRST, QUICK)
    for dataset in ("subj", "cifar10"):
        yield Block(dataset, (0,), FIRST, ("spike-rnn",))
    yield Block("cifar10", (0,), FIRST, ("spike-rnn",), seeds=MORE_SEEDS)
    yield from _sensitivity("los")
    for dataset in ("subj", "cifar10"):
        yield Block(dataset, (0,), FIRST, ("spike-tcn",))
    for dataset in ("etth1", "los", "subj", "cifar10"):
        yield Block(dataset, (rate_horizon(dataset),), real, REAL)
    for dataset in ("etth1", "los"):
        yield Block(dataset, (24,), FIRST, COSTLY)
    for dataset in ("etth1", "los"):
        yield Block(dataset, (24,), REST, QUICK)
        yield Block(dataset, (6, 96), FIRST, QUICK)
        yield Block(dataset, (6, 96), real, REAL)
    for dataset in ("etth1", "los"):
        yield Block(dataset, (24,), ("none", "cpg", *IN_ATTENTION), ("spikformer-xnor",))
    for dataset in ("exchange", "etth2"):
        yield Block(dataset, (24,), FIRST, QUICK)
        yield Block(dataset, (24,), real, REAL)
    for dataset in ("mr", "sst-2", "sst-5"):
        yield Block(dataset, (0,), FIRST, QUICK)
        yield Block(dataset, (0,), real, REAL)
    for dataset in ("subj", "cifar10", "mr", "sst-2", "sst-5"):
        yield Block(dataset, (0,), FIRST, COSTLY)
        yield Block(dataset, (0,), REST)
    for dataset in ("etth1", "los"):
        yield Block(dataset, (24,), REST, COSTLY)
        yield Block(dataset, (6, 96), FIRST, COSTLY)
        yield Block(dataset, (48,), FIRST)
        yield Block(dataset, (48,), real, REAL)
        yield Block(dataset, (6, 96, 48), REST)
    for dataset in ("exchange", "etth2"):
        yield Block(dataset, (24,), FIRST, COSTLY)
        yield Block(dataset, (6, 96, 48), FIRST)
        yield Block(dataset, (24, 6, 96, 48), REST)


def _sensitivity(dataset: str) -> Iterator[Block]:
    yield Block(dataset, (24,), ("cpg",), ("spike-rnn",), OF_CODE)
    yield Block(dataset, (24,), ("none", "cpg"), ("spike-rnn",), OF_STEPS)


def point(
    dataset: str, network: str, position: str, horizon: int, rate: str, seed: int, extra: tuple[str, ...] = ()
) -> Point:
    """Return a run."""
    recipe, *changes = RECIPES.get(dataset, (dataset,))
    forecast = (f"horizon={horizon}",) if horizon else ()
    small = [one for one in DATASETS[dataset] if network not in REAL or not one.startswith("spike_steps")]
    what = (f"model={network.removesuffix('-xnor')}", f"position={position}", *MODELS[network], *changes, *small)
    return recipe, (*what, *forecast, *extra, *TRAINING, f"learning_rate={rate}", f"seed={seed}")


def extra(dataset: str, settings: Sequence[str]) -> tuple[str, ...]:
    """Return the settings of a run that sensitivity is measured to."""
    known = {one for group in (*OF_CODE, *OF_STEPS) for one in group} - set(DATASETS[dataset])
    return tuple(one for one in settings if one in known)


def candidates(dataset: str, network: str) -> list[Point]:
    """Return the runs that choose a learning rate."""
    return [point(dataset, network, "none", rate_horizon(dataset), rate, RATE_SEED) for rate in RATES]


def rate_horizon(dataset: str) -> int:
    """Return how far ahead the runs forecast that choose a learning rate; 0 where nothing is forecast."""
    return 24 if dataset in FORECASTS else 0


def chosen(dataset: str, network: str, lines: Sequence[Line]) -> str | None:
    """Return the learning rate of the best validation score; None if a candidate is missing."""
    found = {(line["recipe"], tuple(line["settings"])): line["result"]["validation_score"] for line in lines}
    scores = [found.get(one) for one in candidates(dataset, network)]
    if any(score is None for score in scores):
        return None
    best = min if dataset in FORECASTS else max
    return RATES[scores.index(best(scores))]


def stages(lines: Sequence[Line]) -> Iterator[list[Point]]:
    """Return the runs of each stage in their order; what a rate is missing for is left out."""
    for block in blocks():
        for network in block.networks:
            yield candidates(block.dataset, network)
            rate = chosen(block.dataset, network, lines)
            each = itertools.product(block.horizons, block.seeds, block.positions, block.extras)
            yield [
                point(block.dataset, network, position, horizon, rate, seed, extra)
                for horizon, seed, position, extra in each
                if rate
            ]


def points(lines: Sequence[Line]) -> list[Point]:
    """Return the runs that come next: those of the first stage that is not finished."""
    done = {(line["recipe"], tuple(line["settings"])) for line in lines}
    return next((left for stage in stages(lines) if (left := [one for one in stage if one not in done])), [])


def plan() -> str:
    """Return how many runs there are, block by block."""
    rows, rates = ["| | dataset | horizons | networks | encodings | further | runs |", "|---" * 7 + "|"], set()
    for i, block in enumerate(blocks(), start=1):
        new = {(block.dataset, network) for network in block.networks} - rates
        rates |= new
        each = len(block.horizons) * len(block.positions) * len(block.extras)
        runs = len(block.networks) * len(block.seeds) * each + len(new) * len(RATES)
        horizons = ", ".join(map(str, block.horizons)) if any(block.horizons) else ""
        further = ", ".join(one for extra in block.extras for one in extra)
        cells = (block.dataset, horizons, ", ".join(block.networks), ", ".join(block.positions), further)
        rows.append(f"| {i} | " + " | ".join(cells) + f" | {runs} |")
    return "\n".join(rows)

"""Short runs of PS-MNIST with changed keys, to choose a recipe: a line of JSON a run. The test part is not looked at.

`long` trains at 784 steps on all but the 5,000 held-out images, for a few epochs, and judges on those 5,000: it tells
which start learns. `heart` averages 6,000 images to 14x14, 196 steps, trains until the network knows them by heart,
and judges on 20,000 other training images after the last epoch: it tells what generalises. `start` trains nothing: it
takes the norm of the gradient for the first 64 images and the seeds 0 to 3.

    python bench/trials.py long bench/results/trials.jsonl base= inward=ends=inward
    python bench/trials.py start bench/results/starts.jsonl ps=te_mean=0.006 "s=task=s-mnist te_mean=0.006"
    python bench/trials.py heart bench/results/trials.jsonl "smooth=ends=inward label_smoothing=0.1"

A variant is a name and the settings that change the recipe `ps-mnist`, with spaces between them.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from spikeproof.contract.errors import DivergedError
from spikeproof.train import tasks
from spikeproof.train.runs.build import build
from spikeproof.train.runs.evaluate import evaluate
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import Recipe, find
from spikeproof.train.runs.run import Run
from spikeproof.train.tasks.task import Split, Task

REGIMES = {"start": [], "long": ["epochs=2"], "heart": ["validation=0", "epochs=30", "batch_size=64"]}
_SMALL, _JUDGED = 6_000, 20_000


def by_heart() -> tuple[Task, Split]:
    """Return few images at 14x14 in a fixed random order of pixels, and those that a network is judged on."""
    task = tasks.load(tasks.Options("s-mnist"))
    order = np.random.default_rng(0).permutation(196)
    x = task.train.x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 1, 196)[..., order].astype(np.float32)
    drawn = np.random.default_rng(1).permutation(len(x))
    few, judged = (np.sort(part) for part in (drawn[:_SMALL], drawn[_SMALL : _SMALL + _JUDGED]))
    images = Split(np.ascontiguousarray(x), task.train.y)
    # A run ends with a look at the test part, so it gets images that it has been trained on.
    return task._replace(train=images.take(few), validation=None, test=images.take(few[:100])), images.take(judged)


def trained(recipe: Recipe, folder: Path, judged: tuple[Task, Split] | None) -> dict[str, Any]:
    """Return what came of a recipe: its log, and the score and loss on the images to judge on."""
    run = Run(folder)
    found: dict[str, Any] = {}
    try:
        if judged is None:
            fit(recipe, folder)
        else:
            task, others = judged
            with mock.patch.object(tasks, "load", lambda _: task):
                run = fit(recipe, folder)
            worth = evaluate(run.load_into(build(recipe, task)), others, task.objective)
            found = {"judged_score": worth.score, "judged_loss": worth.loss}
    except DivergedError as error:
        found = {"ended": str(error)}
    with open(run.log_path, newline="") as file:
        return {**found, "log": list(csv.DictReader(file))}


def norms(recipe: Recipe, seeds: int = 4, images: int = 64) -> list[float]:
    """Return the norm of the gradient of all parameters before training, for some seeds."""
    task = recipe.load_task()
    x, y = torch.as_tensor(task.train.x[:images]), torch.as_tensor(task.train.y[:images])
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        module = build(recipe, task)
        task.objective.loss(module(x), y).backward()
        found.append(
            torch.cat([one.grad.flatten() for one in module.parameters() if one.grad is not None]).norm().item()
        )
    return found


def before(recipe: Recipe, images: int = 64) -> dict[str, Any]:
    """Return how often neurons fire before training, and how much a gradient grows through their resets at most.

    Growth is the largest product, over any steps in a row of any neuron and sample, of ``|alpha (1 - s - v g)|``.
    """
    task = recipe.load_task()
    torch.manual_seed(0)
    module, spikes = build(recipe, task), torch.as_tensor(task.train.x[:images])
    alpha, rates, growth = 1 - recipe.voltage_decay, [], []
    with torch.no_grad():
        for block in module.blocks[:-1]:
            found = block.registers(spikes)
            near = ((found.v - found.theta).abs() < recipe.half_width).double()
            factors = (alpha * (1 - found.s - found.v * near)).abs().clamp(min=1e-30).log10()
            now = most = torch.zeros_like(factors[..., 0])
            for factor in factors.unbind(-1):
                now = (now + factor).clamp(min=0)
                most = torch.maximum(most, now)
            rates.append(round(found.s.mean().item(), 3))
            growth.append(float(f"{10 ** most.max().item():.2g}"))
            spikes = found.s
    return {"rates": rates, "growth": growth}


def _told(number: float) -> float | str:
    """Return a number that JSON has, or the name of one that it has not."""
    return float(f"{number:.4g}") if math.isfinite(number) else str(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("regime", choices=REGIMES)
    parser.add_argument("results", type=Path)
    parser.add_argument("variants", nargs="+", metavar="NAME=SETTINGS")
    asked = parser.parse_args()
    judged = by_heart() if asked.regime == "heart" else None
    for variant in asked.variants:
        name, _, settings = variant.partition("=")
        changes = [*REGIMES[asked.regime], *settings.split()]
        began = time.process_time()
        recipe = find("ps-mnist").replace(changes)
        if asked.regime == "start":
            found: dict[str, Any] = {"norms": [_told(one) for one in norms(recipe)], **before(recipe)}
        else:
            with tempfile.TemporaryDirectory() as folder:
                found = trained(recipe, Path(folder), judged)
        line = {
            "regime": asked.regime,
            "trial": name,
            "settings": changes,
            **found,
            "cpu_seconds": round(time.process_time() - began),
            "machine": platform.processor() or platform.machine(),
        }
        with open(asked.results, "a") as file:
            file.write(json.dumps(line) + "\n")
        print(name, {key: found[key] for key in found if key != "log"}, found.get("log", [])[-1:], flush=True)


if __name__ == "__main__":
    main()

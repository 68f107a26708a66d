"""Trains a recipe."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from .. import __version__
from .models import Classifier
from .recipe import Recipe
from .run import Run
from .tasks import Split, Task

_EVALUATION_BATCH = 256


class Epoch(NamedTuple):
    """What one pass over the training part gave."""

    epoch: int
    loss: float
    """Mean cross-entropy over the pass."""
    accuracy: float
    """Share of training samples classified right, while training."""


def fit(recipe: Recipe, folder: str | os.PathLike[str], *, on_epoch: Callable[[Epoch], None] | None = None) -> Run:
    """Train a network by a recipe and write the run's folder.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    folder : path-like
        The run's folder; made if missing, an earlier run in it is replaced.
    on_epoch : callable, optional
        Called after each epoch.

    Returns
    -------
    Run
        The finished run. Its test accuracy is that of the last epoch: the test part chooses nothing.
    """
    run = Run(Path(folder))
    run.folder.mkdir(parents=True, exist_ok=True)
    run.result_path.unlink(missing_ok=True)
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    task = recipe.load_task()
    module = recipe.module(task)
    with _threads(recipe.threads), open(run.log_path, "w") as log:
        log.write("epoch,loss,train_accuracy\n")
        for epoch in _epochs(recipe, module, task):
            log.write(f"{epoch.epoch},{epoch.loss:.6f},{epoch.accuracy:.6f}\n")
            log.flush()
            if on_epoch is not None:
                on_epoch(epoch)
    result = {
        "test_accuracy": accuracy(module, task.test),
        "test_samples": len(task.test.y),
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "seconds": round(time.monotonic() - started, 1),
        "versions": {
            "spikeproof": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
    run.save(recipe, module, task.train.x.shape[-1], result)
    return run


def predict(module: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    """Return the class of each sample, int64 of shape (samples,)."""
    module.eval()
    with torch.no_grad():
        scores = [module(batch) for batch in torch.as_tensor(x).split(_EVALUATION_BATCH)]
    return torch.cat(scores).argmax(-1).numpy()


def accuracy(module: torch.nn.Module, split: Split) -> float:
    """Return the share of samples that are classified right."""
    return float((predict(module, split.x) == split.y).mean())


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _epochs(recipe: Recipe, module: Classifier, task: Task) -> Iterator[Epoch]:
    x, y = torch.as_tensor(task.train.x), torch.as_tensor(task.train.y)
    encoding = module.encoding.weight
    groups = [
        {"params": [p for p in module.parameters() if p is not encoding], "lr": recipe.learning_rate},
        {"params": [encoding], "lr": recipe.learning_rate * recipe.te_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in groups],
        total_steps=-(-len(x) // recipe.batch_size) * recipe.epochs,
        pct_start=0.1,
    )
    for epoch in range(1, recipe.epochs + 1):
        module.train()
        loss_sum, right = 0.0, 0
        for batch in torch.randperm(len(x)).split(recipe.batch_size):
            scores = module(x[batch])
            loss = functional.cross_entropy(scores, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(batch)
            right += int((scores.argmax(-1) == y[batch]).sum())
        yield Epoch(epoch, loss_sum / len(x), right / len(x))

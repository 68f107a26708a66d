"""Tasks that recipes train on: sequences, most of them real data.

A module of this package has a function ``load(options)``; `TASKS` lists them.
"""

from __future__ import annotations

import importlib

from .images import MNIST_SIDE, PIXELWISE
from .task import Normalise, Options, Split, Task

__all__ = [
    "DIVIDED",
    "FORECASTS",
    "GENERATED",
    "MNIST_SIDE",
    "PIXELWISE",
    "TASKS",
    "Normalise",
    "Options",
    "Split",
    "Task",
    "load",
]

TASKS = {
    "digits": "digits",
    "s-mnist": "mnist",
    "ps-mnist": "mnist",
    "adding": "adding",
    "copy": "copy",
    "fsdd": "fsdd",
    "n-mnist": "nmnist",
    "qtdb": "qtdb",
    "etth1": "forecast",
    "etth2": "forecast",
    "exchange": "forecast",
    "los": "forecast",
    "metr-la": "forecast",
    "pems-bay": "forecast",
    "solar": "forecast",
    "electricity": "forecast",
    "mr": "text",
    "subj": "text",
    "sst-2": "text",
    "sst-5": "text",
    "cifar10": "cifar10",
    "cifar10-full": "cifar10",
}
"""Task name -> the module that loads it."""

FORECASTS = frozenset(name for name, module in TASKS.items() if module == "forecast")
"""Tasks that forecast a time series: `Options.window`, `horizon` and `normalise` are for them."""

GENERATED = frozenset({"adding", "copy"})
"""Tasks whose sequences are drawn: `Options.length` is for them."""

DIVIDED = FORECASTS | {"sst-2", "sst-5"}
"""Tasks that come with a validation part, so that none is held out of their training part."""


def load(options: Options) -> Task:
    """Return a task's data.

    Raises
    ------
    InputError
        Its files cannot be found, or they are damaged.
    """
    task: Task = importlib.import_module(f".{TASKS[options.name]}", __package__).load(options)
    return task._replace(
        train=_thinned(task.train, options.stride),
        validation=task.validation and _thinned(task.validation, options.stride),
    )


def _thinned(part: Split, stride: int) -> Split:
    return Split(part.x[::stride], part.y[::stride])

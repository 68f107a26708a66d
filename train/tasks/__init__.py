"""Tasks that recipes train on: sequences, most of them real data.

A module of this package has a function ``load(options)``; `TASKS` lists them.
"""

from __future__ import annotations

import importlib

from .task import Options, Split, Task

__all__ = ["TASKS", "Options", "Split", "Task", "load"]

TASKS = {
    "digits": "digits",
    "s-mnist": "mnist",
    "ps-mnist": "mnist",
    "adding": "adding",
    "copy": "copy",
    "fsdd": "fsdd",
    "n-mnist": "nmnist",
    "qtdb": "qtdb",
}
"""Task name -> the module that loads it."""


def load(options: Options) -> Task:
    """Return a task's data.

    Raises
    ------
    InputError
        Its files are not to be had, or damaged.
    """
    task: Task = importlib.import_module(f".{TASKS[options.name]}", __package__).load(options)
    return task

"""A training run's folder.

``recipe.json`` what was asked for, ``log.csv`` a line an epoch, ``last.safetensors`` the state after the last epoch
while the run is under way, ``model.safetensors`` the parameters of the best epoch, ``task.npz`` what the task drew,
``net.net`` the exported network and, written last, ``result.json`` accuracy, time and versions.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
from torch import nn

from ...contract.errors import FileFormatError, InputError
from ...contract.net import Net
from ...export import netx, slayer
from ...export.files import replacing
from ...export.members import regular
from ...export.quoted import message
from .models import Classifier
from .recipe import Recipe
from .restore import restore
from ..tasks import Task

_RESULT = {
    "metric": str,
    "test_score": int | float,
    "test_samples": int,
    "parameters": int,
    "seconds": int | float,
    "versions": dict,
}
"""What a result holds at least, and of what types."""
_LONGEST = 2**22
"""Bytes of a recipe or a result; real ones have some thousands."""


@dataclass(frozen=True)
class Run:
    """The folder of a training run; see the head of this module for its files."""

    folder: Path

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Return the finished run in a folder.

        Raises
        ------
        InputError
            The folder holds no finished run.
        """
        run = cls(Path(folder))
        if not run.finished:
            raise InputError(
                f"{folder}: no finished training run here (a run has a recipe.json and a result.json). Train one with "
                "spikeproof train, or name an exported .net file."
            )
        return run

    @property
    def recipe_path(self) -> Path:
        """The recipe."""
        return self.folder / "recipe.json"

    @property
    def log_path(self) -> Path:
        """The log."""
        return self.folder / "log.csv"

    @property
    def model_path(self) -> Path:
        """The trained parameters."""
        return self.folder / "model.safetensors"

    @property
    def last_path(self) -> Path:
        """The state of a run under way."""
        return self.folder / "last.safetensors"

    @property
    def task_path(self) -> Path:
        """What the task drew and later use depends on: a permutation, say."""
        return self.folder / "task.npz"

    @property
    def net_path(self) -> Path:
        """The exported network."""
        return self.folder / "net.net"

    @property
    def result_path(self) -> Path:
        """The result."""
        return self.folder / "result.json"

    @property
    def finished(self) -> bool:
        """Whether training ended and everything was written."""
        return self.recipe_path.is_file() and self.result_path.is_file()

    @property
    def started(self) -> bool:
        """Whether there is an unfinished run to go on with."""
        return self.recipe_path.is_file() and self.last_path.is_file()

    def recipe(self) -> Recipe:
        """Return the recipe."""
        text = _text(self.recipe_path)
        try:
            return Recipe.from_json(text)
        except (InputError, RecursionError) as error:
            raise FileFormatError(f"{self.recipe_path}: {message(error)}") from None

    def result(self) -> dict[str, Any]:
        """Return the result."""
        text = _text(self.result_path)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{self.result_path}: not JSON ({message(error)}). Train the run again.") from None
        fits = isinstance(found, dict) and all(isinstance(found.get(key), kind) for key, kind in _RESULT.items())
        if not fits:
            raise FileFormatError(f"{self.result_path}: not a result of this version. Train the run again.")
        return found

    def net(self) -> Net:
        """Return the exported network."""
        return netx.load(self.net_path)

    def load_into(self, module: nn.Module) -> nn.Module:
        """Load the trained parameters into a network of the recipe's shape and return it.

        A run that is kept without its parameters gives those of its exported network.

        Raises
        ------
        FileFormatError
            A file cannot be read, or is not of the recipe's network.
        """
        if not self.model_path.exists() and self.net_path.exists() and isinstance(module, Classifier):
            try:
                return restore(module, self.net())
            except FileFormatError as error:
                raise FileFormatError(f"{self.net_path}: {error}") from None
        regular(self.model_path)
        try:
            safetensors.torch.load_model(module, self.model_path)
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            raise FileFormatError(
                f"{self.model_path}: cannot be read ({message(error)}). Train the run again."
            ) from None
        return module.eval()

    def write_recipe(self, recipe: Recipe) -> None:
        """Write what is trained."""
        with replacing(self.recipe_path) as path:
            path.write_text(recipe.to_json())

    def write_model(self, module: nn.Module) -> None:
        """Write the parameters."""
        with replacing(self.model_path) as path:
            safetensors.torch.save_model(module, str(path))

    def finish(self, module: nn.Module, task: Task, result: dict[str, Any]) -> None:
        """Write what the task drew, the exported network if it can be one and, last, the result."""
        if task.stored:
            with replacing(self.task_path) as path, open(path, "wb") as file:
                np.savez(file, **task.stored)  # type: ignore[arg-type]  # numpy types the names too narrowly
        if self.recipe().deployable:
            slayer.export_netx(module, self.net_path, sample=task.test.x[:2])
        with replacing(self.result_path) as path:
            path.write_text(json.dumps(result, indent=2))


def _text(path: Path) -> str:
    """Return the text of a file of a run."""
    size = regular(path)
    if size > _LONGEST:
        raise FileFormatError(f"{path}: {size} bytes; at most {_LONGEST} are read. Train the run again.")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = f"it is not UTF-8 text ({message(error)})" if isinstance(error, ValueError) else error.strerror
        raise FileFormatError(f"{path}: cannot be read: {words}. Train the run again.") from None

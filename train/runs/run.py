"""A training run's folder.

``recipe.json`` what was asked for, ``log.csv`` a line an epoch, ``last.safetensors`` the state after the last epoch
while the run is under way, ``model.safetensors`` the parameters of the best epoch, ``task.npz`` what the task drew,
``net.net`` the exported network and, written last, ``result.json`` accuracy, time and versions.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import nn

from ...contract.errors import FileFormatError, InputError, UnsupportedError
from ...contract.net import Net
from ...export import netx, slayer, texts
from ...export.files import replacing
from ...export.members import regular
from ...export.quoted import message
from ..tasks import Task
from ..to_prove import ToProve
from .build import build
from .models import Classifier
from .recipe import Recipe
from .restore import restore

_RESULT = {
    "metric": str,
    "test_score": int | float,
    "test_samples": int,
    "parameters": int,
    "seconds": int | float,
    "versions": dict,
}
"""What a result holds at least, and of what types."""
_AGAIN = "Train the run again."
"""What to do where a run's own files are damaged."""
_USUAL = 20
"""Samples that are proved where nobody asks for a number."""

Judge = Callable[[npt.NDArray[np.float64], npt.NDArray[np.int64]], dict[str, float]]
"""Figures of numbers that a network answered with, given which samples of the test part they are of."""


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
        if not isinstance(folder, str | os.PathLike):
            raise InputError(f"{folder!r} is no folder of a run.")
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

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {self._state()})"

    def _state(self) -> str:
        """Return in words how far it is; a folder that cannot be read is told of, and not an error here."""
        if not self.finished:
            return "unfinished" if self.started else "no training run"
        try:
            recipe, result = self.recipe(), self.result()
        except (FileFormatError, OSError) as error:
            return f"damaged, {message(error)}"
        score = f"{result['metric']} {result['test_score']:.4f} of {result['test_samples']:,} test samples"
        return f"{recipe.task}, {score}, {result['parameters']:,} parameters"

    def _repr_html_(self) -> str:
        words = [f"<b>Run in {html.escape(str(self.folder))}</b>", html.escape(self._state())]
        if self.finished:
            words += ["<code>spikeproof.verify(run)</code> proves it"]
        return "<br>".join(words)

    def recipe(self) -> Recipe:
        """Return the recipe."""
        text = texts.read(self.recipe_path, _AGAIN)
        try:
            return Recipe.from_json(text)
        except (InputError, RecursionError) as error:
            raise FileFormatError(f"{self.recipe_path}: {message(error)}") from None

    def result(self) -> dict[str, Any]:
        """Return the result."""
        text = texts.read(self.result_path, _AGAIN)
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

    def load(self, *, to_export: bool = False) -> Trained:
        """Return the run with its network, trained, and its task.

        Parameters
        ----------
        to_export : bool
            Whether the network is to be exported or proved; one to compare with is then refused before its data are
            loaded.

        Raises
        ------
        UnsupportedError
            The network cannot be exported, and is to be.
        FileFormatError
            A file of the run cannot be read.
        InputError
            The task's data cannot be found.
        """
        recipe = self.recipe()
        # What floating-point sequence models are made of is looked at later.
        if to_export and not recipe.deployable and not recipe.floating:
            stack = recipe.model == "stack"
            what = f"{recipe.neuron} is a floating-point neuron" if stack else f"{recipe.model} is a model"
            change = "" if stack else "--set model=spike-rnn "
            raise UnsupportedError(
                f"{self.folder}: {what} to compare with, so there is nothing to export or verify. Train with "
                f"{change}--set neuron=ce-lif."
            )
        self.result()  # refuses a damaged one before anything long is done
        task = recipe.load_task()
        return Trained(self, self.load_into(build(recipe, task)), task)

    def to_prove(self, x: npt.ArrayLike | None) -> ToProve:
        """Return the trained network on the test part of its task; see `spikeproof.verify`."""
        return self.load(to_export=True).to_prove(x)

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


class Trained(NamedTuple):
    """A run, its trained network and its task."""

    run: Run
    module: nn.Module
    task: Task

    def to_prove(self, x: npt.ArrayLike | None) -> ToProve:
        """Return the network on the test part of its task; see `spikeproof.verify`.

        Raises
        ------
        InputError
            An input is given: a run has its own.
        """
        if x is not None:
            raise InputError(
                "A training run is verified on its own test part: leave out x. To give an input, verify the network "
                f"file, {self.run.net_path}."
            )
        test, numbers = self.task.test, self.task.test.y.dtype.kind == "f"
        one_class = not numbers and self.task.objective.read == "mean"
        return ToProve(
            self.module,
            test.x,
            samples=_USUAL,
            file=None if self.run.recipe().floating else self.run.net_path,
            classes=test.y if one_class else None,
            judge=judge_of(self.task) if numbers else None,
        )


def judge_of(task: Task) -> Judge:
    """Return what makes figures of numbers that a network answered with to samples of the test part."""

    def judge(outputs: npt.NDArray[np.float64], samples: npt.NDArray[np.int64]) -> dict[str, float]:
        found, truth = torch.as_tensor(outputs), torch.as_tensor(task.test.y[samples])
        more: dict[str, Any] = {} if task.objective.measures is None else task.objective.measures(found, truth)
        return {task.objective.metric: float(task.objective.score(found, truth.to(found.dtype))), **more}

    return judge

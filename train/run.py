"""A training run's folder.

``recipe.json`` what was asked for, ``log.csv`` a line an epoch, ``model.safetensors`` the trained parameters,
``net.net`` the exported network and, written last, ``result.json`` accuracy, time and versions.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from ..contract.errors import FileFormatError, InputError
from ..export import slayer
from ..export.files import replacing
from .models import Classifier
from .recipe import Recipe


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

    def recipe(self) -> Recipe:
        """Return the recipe."""
        try:
            return Recipe.from_json(self.recipe_path.read_text())
        except InputError as error:
            raise FileFormatError(f"{self.recipe_path}: {error}") from None

    def result(self) -> dict[str, Any]:
        """Return the result."""
        try:
            found = json.loads(self.result_path.read_text())
        except ValueError as error:
            raise FileFormatError(f"{self.result_path}: not JSON ({error}).") from None
        if not isinstance(found, dict):
            raise FileFormatError(f"{self.result_path}: not a JSON object.")
        return found

    def load_into(self, module: Classifier) -> Classifier:
        """Load the trained parameters into a network of the recipe's shape and return it."""
        try:
            safetensors.torch.load_model(module, self.model_path)
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            raise FileFormatError(f"{self.model_path}: cannot be read ({error}). Train the run again.") from None
        return module.eval()

    def save(self, recipe: Recipe, module: Classifier, steps: int, result: dict[str, Any]) -> None:
        """Write recipe, parameters, network for samples of `steps` steps and, last, the result."""
        with replacing(self.recipe_path) as path:
            path.write_text(recipe.to_json())
        with replacing(self.model_path) as path:
            safetensors.torch.save_model(module, str(path))
        slayer.export_netx(module, self.net_path, steps=steps)
        with replacing(self.result_path) as path:
            path.write_text(json.dumps(result, indent=2))

"""Recipes: everything that a training run depends on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..contract.errors import InputError
from .models import Classifier
from .tasks import TASKS, Task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training recipe.

    Parameters
    ----------
    task : str
        One of `spikeproof.train.tasks.TASKS`.
    hidden : tuple of int
        Widths of the CE-LIF layers.
    scale : int
        Weight units in 1.0, a power of two.
    threshold_decay : float
        Fraction of the threshold adaptation lost a step.
    te_exp, input_exp : int
        Exponents of the temporal encoding and of the graded input.
    cpg : int
        Number of CPG oscillators beside the input; 0 for none.
    cpg_te : int
        Number of CPG oscillators that drive the temporal encoding; 0 for a table.
    epochs, batch_size : int
        Passes over the training part, samples a step.
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up over a tenth of the run and is annealed to zero.
    te_rate : float
        Factor on the learning rate of the temporal encoding. One that oscillators drive wants a smaller one: each of
        its weights acts in many steps.
    seed : int
        Of the weights and of the order of samples.
    threads : int
        Threads of torch. They decide in which order floats are summed, so a run repeats bit for bit only with the
        same number; one is also the fastest for a network as small as that of the digits.
    """

    task: str
    hidden: tuple[int, ...] = (64, 88, 88)
    scale: int = 256
    threshold_decay: float = 0.01
    te_exp: int = 9
    input_exp: int = -6
    cpg: int = 0
    cpg_te: int = 0
    epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 1e-2
    weight_decay: float = 0.0
    te_rate: float = 1.0
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InputError(f"task = {self.task!r} is unknown; known are {', '.join(TASKS)}.")
        for name in ("epochs", "batch_size", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)} must be at least 1.")
        if not self.hidden or min(self.hidden) < 1:
            raise InputError(f"hidden = {self.hidden}: name at least one width, each at least 1.")

    def load_task(self) -> Task:
        """Return the task's data."""
        return TASKS[self.task]()

    def module(self, task: Task) -> Classifier:
        """Return an untrained network for the task."""
        _, channels, steps = task.train.x.shape
        return Classifier(
            channels,
            self.hidden,
            task.num_classes,
            steps,
            scale=self.scale,
            threshold_decay=self.threshold_decay,
            te_exp=self.te_exp,
            input_exp=self.input_exp,
            cpg=self.cpg,
            cpg_te=self.cpg_te,
        )

    def replace(self, settings: Iterable[str]) -> Recipe:
        """Return the recipe with changes such as ``"epochs=20"`` or ``"hidden=64,64"``.

        Raises
        ------
        InputError
            A key is unknown, or a value is not of its field's type.
        """
        defaults = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        changes = {}
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals or key not in defaults:
                raise InputError(f"--set {setting}: write key=value with a key of {', '.join(defaults)}.")
            changes[key] = _parse(key, text, defaults[key])
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Return the recipe that `to_json` wrote; unknown keys are an InputError."""
        try:
            values = json.loads(text)
            return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"not a recipe: {error}.") from None


RECIPES = {
    "digits": Recipe(task="digits", cpg=20),
    "digits-driven": Recipe(task="digits", cpg=20, cpg_te=32, te_rate=0.2),
    "digits-plain": Recipe(task="digits"),
}
"""Recipe name -> recipe: the digits with CPG codes beside the pixels, the same with an encoding that CPG oscillators
drive in place of the table, and without oscillators."""


def find(name: str) -> Recipe:
    """Return a recipe by its name."""
    if name not in RECIPES:
        raise InputError(f"No recipe is called {name!r}; known are {', '.join(RECIPES)}.")
    return RECIPES[name]


def _parse(key: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, tuple):
            return tuple(int(part) for part in text.split(","))
        return type(default)(text)
    except ValueError:
        kind = "whole numbers separated by commas" if isinstance(default, tuple) else type(default).__name__
        raise InputError(f"--set {key}={text}: {key} takes {kind}.") from None

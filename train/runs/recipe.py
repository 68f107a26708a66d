"""Recipes: everything that a training run depends on, as TOML files."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from ...contract.errors import InputError
from ...export.memory import refuse_more
from .. import tasks
from .build import build
from ..sequence import BODIES
from ..sequence.position import TABLES
from ..tasks import Normalise, Task

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = resources.files(__package__) / "recipes"


Count = Annotated[int, Field(gt=0, le=10**6)]
Layers = Annotated[int, Field(gt=0, le=64)]
Width = Annotated[int, Field(gt=0, le=2**16)]
Channels = Annotated[int, Field(gt=0, le=4096)]
"""Bounds that no network worth training reaches: a slip of the pen is told of, and does not run for days."""
_LARGEST = 1e30
"""A rate beyond leaves float32 in the first step, whatever is trained."""

_SEQUENCE_NAMES = "model = spike-rnn, spike-gru, spike-tcn or spikformer"

_MEANT: dict[str, tuple[Callable[[Recipe], bool], str]] = {
    **dict.fromkeys(("depth", "position"), (lambda recipe: recipe.model != "stack", _SEQUENCE_NAMES)),
    **dict.fromkeys(("encoder", "spike_steps"), (lambda recipe: recipe.floating, f"{_SEQUENCE_NAMES} of neuron = lif")),
    "heads": (lambda recipe: recipe.model == "spikformer", "model = spikformer"),
    "kernel": (lambda recipe: recipe.model == "spike-tcn", "model = spike-tcn"),
    "position_channels": (lambda recipe: recipe.position in TABLES, "a position of " + ", ".join(TABLES)),
    "position_w_max": (lambda recipe: recipe.position in ("cpg", "sinusoid"), "position = cpg or sinusoid"),
    **dict.fromkeys(
        ("scale", "te_exp", "input_exp", "threshold_decay", "cpg_te"),
        (lambda recipe: not recipe.floating, "model = stack, or spike-rnn of neuron = ce-lif"),
    ),
    "cpg": (lambda recipe: recipe.model == "stack", "model = stack; others have a position"),
}
"""Key -> whether a recipe has a use for it, and in words where one has."""


def _widths(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


class Recipe(BaseModel):
    """A training recipe.

    Parameters
    ----------
    task : str
        One of `spikeproof.train.tasks.TASKS`.
    model : str
        "stack" is hidden layers and a read-out, with any `neuron`. "spike-rnn", "spike-gru", "spike-tcn" and
        "spikformer" are floating-point networks of LIF neurons, see `spikeproof.train.sequence`. "spike-rnn" with
        neuron = "ce-lif" is the integer one that is exported: a position of the sequence is a time step, and
        oscillators beside the input are its positional encoding.
    neuron : str
        "ce-lif" trains the integer network that is exported. The others are floating-point networks to compare with:
        "ce-lif-float", "lif", "plif", "alif", "glif", "ltmd" and "lstm", see `spikeproof.train.neurons`.
    hidden : tuple of int
        Widths of the hidden layers; one width with the models that have a `depth`.
    depth : int
        Layers of "spike-rnn" and "spike-gru", levels of "spike-tcn", blocks of "spikformer".
    heads : int
        Attention heads of "spikformer".
    kernel : int
        Taps of a convolution of "spike-tcn".
    encoder : {"repeat", "delta", "conv"}
        How values become spikes, see `spikeproof.train.sequence.encoders`.
    spike_steps : int
        Spike steps T_s for every position of a sequence.
    position : str
        Positional encoding, one of `spikeproof.train.sequence.position.POSITIONS`.
    position_channels : int
        Channels of an encoding that is a table: CPG neurons, say.
    position_w_max : float
        Longest wavelength of "cpg" and "sinusoid" over 2 pi.
    recurrent : bool
        Whether the first two hidden layers of floating-point neurons hear their own last spikes.
    embedding : str
        What "ce-lif-float" adds to its threshold, see `spikeproof.train.neurons.EMBEDDINGS`.
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
    length : int
        Of the sequences of a generated task.
    window, horizon : int
        Steps that a forecast sees, and those after them that it is of.
    normalise : {"train", "leaking"}
        Rows that the normalisation of a time series looks at: those that the training part sees, or all, test part
        included, which is what the authors of CPG-PE do and never a fair result.
    stride : int
        Every how many-th sample of the training and the validation part is kept, for small budgets; the test part is
        whole.
    validation : float
        Share of the training part that is held out to choose the epoch that is kept; 0 keeps the last. Tasks that
        come with a validation part have no use for it.
    epochs, batch_size : int
        Passes over the training part, samples a step (of all devices together).
    learning_rate, weight_decay : float
        Of AdamW.
    schedule : {"one-cycle", "step", "constant"}
        The rate over a run: up for `warmup` of it and down to zero along cosines; times `step_factor` every
        `step_epochs` epochs; or what it is.
    warmup : float
        Share of a "one-cycle" run in which the rate rises.
    step_epochs, step_factor : int, float
        Of "step".
    gradient_clip : float
        Largest norm of the gradient, all parameters together; 0 does not clip.
    rate_penalty : float
        What is added to the loss for each spike that a hidden neuron sends a step, averaged over layers: fewer spikes
        cost less on a chip.
    patience : int
        Epochs without a better validation score after which training ends; 0 for never.
    te_rate : float
        Factor on the learning rate of the temporal encoding. One that oscillators drive wants a smaller one: each of
        its weights acts in many steps.
    seed : int
        Of the weights, of the order of samples and of what a task draws.
    threads : int
        Threads of torch. They decide in which order floats are summed, so a run repeats bit for bit only with the
        same number; one is also the fastest for networks of some hundred neurons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: str
    model: Literal["stack", "spike-rnn", "spike-gru", "spike-tcn", "spikformer"] = "stack"
    neuron: Literal["ce-lif", "ce-lif-float", "lif", "plif", "alif", "glif", "ltmd", "lstm"] = "ce-lif"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=64), pydantic.BeforeValidator(_widths)] = (
        64,
        88,
        88,
    )
    depth: Layers = 2
    heads: Channels = 8
    kernel: int = Field(3, ge=2, le=4096)
    encoder: Literal["repeat", "delta", "conv"] = "conv"
    spike_steps: Channels = 4
    position: Literal["none", "random", "sinusoid", "relative", "learned", "cpg", "cpg-designed"] = "none"
    position_channels: Channels = 40
    position_w_max: float = Field(10000.0, gt=1, le=1e12)
    recurrent: bool = False
    embedding: Literal["s", "u", "te", "s+te", "u+te", "s*te", "u*te"] = "u*te"
    scale: Width = 256
    threshold_decay: float = Field(0.01, ge=0, le=1)
    te_exp: int = 9
    input_exp: int = -6
    cpg: int = Field(0, ge=0, le=4096)
    cpg_te: int = Field(0, ge=0, le=4096)
    length: Count = 100
    window: Count = 12
    horizon: Count = 6
    normalise: Normalise = "train"
    stride: Count = 1
    validation: float = Field(0.0, ge=0, lt=1)
    epochs: Count = 50
    batch_size: Count = 128
    learning_rate: float = Field(1e-2, gt=0, le=_LARGEST)
    weight_decay: float = Field(0.0, ge=0, le=1000)
    schedule: Literal["one-cycle", "step", "constant"] = "one-cycle"
    warmup: float = Field(0.1, gt=0, lt=1)
    step_epochs: Count = 10
    step_factor: float = Field(0.8, gt=0, le=1)
    gradient_clip: float = Field(0.0, ge=0, le=_LARGEST)
    rate_penalty: float = Field(0.0, ge=0, le=_LARGEST)
    patience: int = Field(0, ge=0, le=10**6)
    te_rate: float = Field(1.0, ge=0, le=1000)
    seed: int = Field(0, ge=0, lt=2**32)
    threads: int = Field(1, gt=0, le=256)

    @pydantic.field_validator("task")
    @classmethod
    def _known(cls, task: str) -> str:
        if task not in tasks.TASKS:
            raise ValueError(f"{task!r} is unknown; known are {', '.join(tasks.TASKS)}")
        return task

    @pydantic.model_validator(mode="before")
    @classmethod
    def _sequence_defaults(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("model", "stack") != "stack":
            return {"neuron": "lif", "hidden": (64,)} | values
        return values

    @pydantic.model_validator(mode="after")
    def _agree(self) -> Recipe:
        self._agree_on_the_model()
        divided = self.task in tasks.DIVIDED
        if self.validation and divided:
            raise ValueError(
                f"validation is for tasks without a validation part of their own, and {self.task!r} has one"
            )
        if self.patience and not (self.validation or divided):
            raise ValueError("patience needs a validation part to look at: set validation, 0.1 say")
        for key, default in (("window", 12), ("horizon", 6), ("normalise", "train")):
            if self.task not in tasks.FORECASTS and getattr(self, key) != default:
                raise ValueError(f"{key} is for forecasts of time series, and task is {self.task!r}")
        if self.rate_penalty and self.neuron == "lstm":
            raise ValueError("rate_penalty is for spiking neurons, and neuron is 'lstm'")
        if self.recurrent and self.neuron in ("ce-lif", "lstm"):
            raise ValueError(f"recurrent is for the floating-point spiking neurons, and neuron is {self.neuron!r}")
        if self.embedding != "u*te" and self.neuron != "ce-lif-float":
            raise ValueError(f"embedding = {self.embedding!r} is for neuron = 'ce-lif-float', not {self.neuron!r}")
        if (self.cpg or self.cpg_te) and not self.deployable:
            raise ValueError(f"oscillators go with neuron = 'ce-lif', not {self.neuron!r}")
        return self

    def _agree_on_the_model(self) -> None:
        for key, (meant, where) in _MEANT.items():
            if getattr(self, key) != Recipe.model_fields[key].default and not meant(self):
                raise ValueError(f"{key} is for {where}, and model is {self.model!r} of neuron {self.neuron!r}")
        if self.model == "stack":
            return
        integer = self.model == "spike-rnn" and self.neuron == "ce-lif"
        if self.neuron != "lif" and not integer:
            also = " or 'ce-lif'" if self.model == "spike-rnn" else ""
            raise ValueError(f"model = {self.model!r} is of LIF neurons: set neuron = 'lif'{also}, not {self.neuron!r}")
        if integer and self.position not in (deployed := ("none", "cpg", "cpg-designed")):
            raise ValueError(
                f"position = {self.position!r} cannot be exported, which neuron = 'ce-lif' is for: oscillators make it "
                f"on a chip. Use {', '.join(deployed)}, or neuron = 'lif'"
            )
        if len(self.hidden) > 1:
            raise ValueError(
                f"model = {self.model!r} has one width for all its layers: set hidden = {self.hidden[0]}, and depth"
            )
        if self.model == "spikformer" and self.hidden[0] % self.heads:
            raise ValueError(f"hidden = {self.hidden[0]} does not divide by heads = {self.heads}")

    @property
    def deployable(self) -> bool:
        """Whether the trained network can be exported: it is the integer one, and no floating-point baseline."""
        return self.neuron == "ce-lif"

    @property
    def floating(self) -> bool:
        """Whether the network is a floating-point sequence model, see `spikeproof.train.sequence`."""
        return self.model in BODIES and self.neuron == "lif"

    def load_task(self) -> Task:
        """Return the task's data."""
        shared = tasks.Options._fields[1:]
        return tasks.load(tasks.Options(self.task, **{name: getattr(self, name) for name in shared}))

    def module(self, task: Task) -> nn.Module:
        """Return an untrained network for the task; an InputError if the model cannot answer it."""
        return build(self, task)

    def check_memory(self, task: Task, has: int | None, devices: int = 1) -> None:
        """Refuse to train what cannot fit, before a network is made.

        The estimate is low: a weight with its gradient and AdamW's two moments, and of each neuron in each step of a
        batch its current and its output, which the backward pass looks at. So what is refused would not have fitted.

        Parameters
        ----------
        task : Task
            The task.
        has : int or None
            Bytes of memory where the network is trained; None if that is not known, and nothing is refused.
        devices : int
            How many share a batch.

        Raises
        ------
        InputError
            It would take more memory than there is.
        """
        steps = task.train.x.shape[2]
        kept = min(self.batch_size // devices, len(task.train.y)) * steps * self._neurons()
        weights = self._weights(task)
        larger = (
            ["hidden", "depth", "kernel"] if 2 * weights > kept else ["batch_size", "hidden", "depth", "spike_steps"]
        )
        larger += ["length"] * (self.task in ("adding", "copy")) + ["window"] * (self.task in tasks.FORECASTS)
        what = f"Training {weights:,} weights on {self.task} in batches of {self.batch_size:,}"
        refuse_more(16 * weights + 8 * kept, has, what, f"{', '.join(larger[:-1])} or {larger[-1]}")

    def _layers(self) -> tuple[int, ...]:
        return self.hidden if self.model == "stack" else self.hidden * (1 + self.depth)

    def _neurons(self) -> int:
        return sum(self._layers()) * (self.spike_steps if self.floating else 1)

    def _weights(self, task: Task) -> int:
        """Return the number of the weights between layers, and those of tables along a sample."""
        _, channels, steps = task.train.x.shape
        layers, factor = self._layers(), {"spike-gru": 6, "spike-tcn": 2 * self.kernel, "spikformer": 4}
        beside = self.position_channels if self.position in TABLES else self.cpg
        first = ((layers[0] if task.vocabulary else channels) + beside) * layers[0] + task.vocabulary * layers[0]
        between = sum(a * b for a, b in itertools.pairwise(layers)) * factor.get(self.model, 1)
        table = max(layers) * (self.cpg_te or steps) if self.neuron in ("ce-lif", "ce-lif-float") else 0
        return first + between + layers[-1] * task.outputs + table

    def replace(self, settings: Iterable[str]) -> Recipe:
        """Return the recipe with changes such as ``"epochs=20"`` or ``"hidden=64,64"``.

        Raises
        ------
        InputError
            A key is unknown, or a value is not of its field's type or range.
        """
        changes = {}
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise InputError(f"--set {setting}: write key=value with a key of {', '.join(Recipe.model_fields)}.")
            changes[key] = text
        return _validate({**self.model_dump(), **changes}, "--set")

    def steps(self, task: Task) -> int:
        """Return the number of optimiser steps of the whole run."""
        return math.ceil(len(task.train.y) / self.batch_size) * self.epochs

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Return the recipe that `to_json` wrote; anything else is an InputError."""
        try:
            values = pydantic.TypeAdapter(dict[str, Any]).validate_json(text)
        except pydantic.ValidationError as error:
            raise InputError(f"not a recipe: {error.errors()[0]['msg']}.") from None
        return _validate(values, "recipe")


def names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))


def find(name: str) -> Recipe:
    """Return a recipe by its name, or from a TOML file.

    Raises
    ------
    InputError
        There is none, or it cannot be read.
    """
    if name.endswith(".toml"):
        try:
            return _parse(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{name}: cannot be read ({error}).") from None
    if name not in names():
        raise InputError(f"No recipe is called {name!r}; known are {', '.join(names())}, or name a .toml file.")
    return _parse((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"), name)


def _parse(text: str, where: str) -> Recipe:
    try:
        return _validate(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not TOML ({error}).") from None


def _validate(values: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "recipe"
        if first["type"] == "extra_forbidden":
            raise InputError(f"{where}: {key} is unknown; known are {', '.join(Recipe.model_fields)}.") from None
        raise InputError(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}.") from None

"""Recipes: everything that a training run depends on, as TOML files.

A recipe's `model` says which of the classes here it is, and so which keys it has beside those that all recipes have,
which are in `settings`. `find` and `make` give one.
"""

from __future__ import annotations

import abc
import json
import math
import os
import sys
from collections.abc import Iterable
from importlib import resources
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from ...contract.errors import FileFormatError, InputError
from ...export import texts
from ...export.quoted import did_you_mean, message
from .. import tasks
from ..tasks import Task
from . import rules
from .settings import Attending, Channels, Convolving, Data, Delayed, Integer, Layers, Training, Widths
from .wording import told

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = resources.files(__package__) / "recipes"

Position = Literal["none", "random", "sinusoid", "relative", "learned", "cpg", "cpg-designed", "cpg-learned"]


class Recipe(Training, Data):
    """What all recipes have beside their data and their training.

    Parameters
    ----------
    model : str
        Which network it is.
    neuron : str
        Its neurons.
    hidden : tuple of int
        Widths of its hidden layers.
    """

    model: str
    neuron: str
    hidden: Widths

    @property
    def deployable(self) -> bool:
        """Whether the trained network can be exported: it is the integer one, and no floating-point one."""
        return False

    @property
    def floating(self) -> bool:
        """Whether the network is a floating-point sequence model, see `spikeproof.train.sequence`."""
        return False

    @property
    @abc.abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Widths of all layers in front of the read-out."""

    @pydantic.model_validator(mode="after")
    def _keys_have_a_use(self) -> Recipe:
        rules.fit_together(self, type(self).model_fields)
        return self

    @classmethod
    def keys(cls) -> list[str]:
        """Return the keys of such a recipe, those first that say what is trained."""
        own = [key for key in cls.model_fields if key not in Recipe.model_fields]
        first = ["task", "model", "neuron", "hidden", *own]
        return [*first, *(key for key in Recipe.model_fields if key not in first)]

    def __repr_args__(self) -> Any:
        return [(key, getattr(self, key)) for key in self.keys()]

    def load_task(self) -> Task:
        """Return the task's data."""
        shared = tasks.Options._fields[1:]
        return tasks.load(tasks.Options(self.task, **{name: getattr(self, name) for name in shared}))

    def replace(self, settings: Iterable[str]) -> Recipe:
        """Return the recipe with changes such as ``"epochs=20"`` or ``"hidden=64,64"``.

        Raises
        ------
        InputError
            The model has no such key, or a value is not of its field's type or range.
        """
        changes = {}
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise InputError(f"--set {setting}: write key=value with a key of {', '.join(self.keys())}.")
            changes[key] = text
        return _read({**self.model_dump(), **changes}, "--set", stored=True)

    def steps(self, task: Task) -> int:
        """Return the number of optimiser steps of the whole run."""
        return math.ceil(len(task.train.y) / self.batch_size) * self.epochs

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        values = self.model_dump(mode="json")
        return json.dumps({key: values[key] for key in self.keys()}, indent=2)

    @staticmethod
    def from_json(text: str) -> Recipe:
        """Return the recipe that `to_json` wrote, this version's or an older one's; anything else is an InputError."""
        try:
            values = pydantic.TypeAdapter(dict[str, Any]).validate_json(text)
        except pydantic.ValidationError as error:
            raise InputError(f"not a recipe: {error.errors()[0]['msg']}.") from None
        return _read(rules.with_a_use(values), "recipe", stored=True)


class Stack(Delayed, Integer, Recipe):
    """Hidden layers and a read-out.

    Parameters
    ----------
    neuron : str
        "ce-lif" and "cuba", plain LIF neurons, train the integer network that is exported. The others are
        floating-point networks to compare with:
        "ce-lif-float", "lif", "plif", "alif", "glif", "ltmd" and "lstm", see `spikeproof.train.neurons`.
    recurrent : bool
        Whether the first two hidden layers hear their own last spikes; for "ce-lif" and the
        floating-point spiking neurons.
    embedding : str
        What "ce-lif-float" adds to its threshold, see `spikeproof.train.neurons.EMBEDDINGS`.
    cpg : int
        Number of CPG oscillators beside the input; 0 for none.
    """

    model: Literal["stack"] = "stack"
    neuron: Literal["ce-lif", "cuba", "ce-lif-float", "lif", "plif", "alif", "glif", "ltmd", "lstm"] = "ce-lif"
    hidden: Widths = (64, 88, 88)
    recurrent: bool = False
    embedding: Literal["s", "u", "te", "s+te", "u+te", "s*te", "u*te"] = "u*te"
    cpg: int = Field(0, ge=0, le=4096)

    @property
    def deployable(self) -> bool:
        """Whether its neurons are those of the integer network."""
        return self.neuron in rules.INTEGER

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.hidden

    @pydantic.model_validator(mode="after")
    def _fit_the_neuron(self) -> Stack:
        rules.fit_the_neuron(self)
        rules.fit_the_layers(self.scales, self.widths)
        return self


class Sequence(Recipe):
    """A first layer and a body of layers as wide, with a positional encoding.

    Parameters
    ----------
    hidden : tuple of int
        One width, that of all layers.
    depth : int
        Layers of "spike-rnn" and "spike-gru", levels of "spike-tcn", blocks of "spikformer".
    position : str
        Positional encoding, one of `spikeproof.train.sequence.position.POSITIONS`.
    position_channels : int
        Channels of an encoding that is a table: CPG neurons, say.
    position_w_max : float
        Longest wavelength of "cpg" and "sinusoid", and of what "cpg-learned" begins with, over 2 pi.
    position_rate : float
        Factor on the learning rate of the oscillators of "cpg-learned", whose parameters are turns.
    """

    hidden: Widths = (64,)
    depth: Layers = 2
    position: Position = "none"
    position_channels: Channels = 40
    position_w_max: float = Field(10000.0, gt=1, le=1e12)
    position_rate: float = Field(1.0, ge=0, le=1000)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the first layer and of those of the body."""
        return self.hidden * (1 + self.depth)

    @pydantic.model_validator(mode="after")
    def _fit_the_position(self) -> Sequence:
        rules.fit_the_position(self, type(self).model_fields)
        return self


class Floating(Sequence):
    """A floating-point network of LIF neurons, see `spikeproof.train.sequence`.

    Parameters
    ----------
    encoder : {"repeat", "delta", "conv"}
        How values become spikes, see `spikeproof.train.sequence.encoders`.
    spike_steps : int
        Spike steps T_s for every position of a sequence.
    position_full : bool
        Whether the encoding stands beside what every layer hears, behind attention in a "spikformer".
    position_threshold : float
        Threshold above which a wave of "cpg" sends spikes.
    """

    neuron: Literal["lif"] = "lif"
    encoder: Literal["repeat", "delta", "conv"] = "conv"
    spike_steps: Channels = 4
    position_full: bool = False
    position_threshold: float = Field(0.8, gt=-1, lt=1)

    @property
    def floating(self) -> bool:
        """It is one."""
        return True


class SpikeRNN(Floating):
    """Spike-RNN of floating-point neurons."""

    model: Literal["spike-rnn"] = "spike-rnn"


class IntegerRNN(Integer, Sequence):
    """Spike-RNN of integers, which is exported: a position is a time step, and oscillators are its encoding."""

    model: Literal["spike-rnn"] = "spike-rnn"
    neuron: Literal["ce-lif"] = "ce-lif"

    @pydantic.field_validator("position", mode="before")
    @classmethod
    def _on_chip(cls, position: Any) -> Any:
        rules.fit_the_chip(position)
        return position

    @pydantic.model_validator(mode="after")
    def _fit_the_layers(self) -> IntegerRNN:
        rules.fit_the_layers(self.scales, self.widths)
        return self

    @property
    def deployable(self) -> bool:
        """It is."""
        return True


class SpikeGRU(Floating):
    """Spike-GRU."""

    model: Literal["spike-gru"] = "spike-gru"


class SpikeTCN(Convolving, Floating):
    """Spike-TCN."""

    model: Literal["spike-tcn"] = "spike-tcn"


class Spikformer(Attending, Floating):
    """Spikformer.

    Parameters
    ----------
    attention : {"product", "xnor"}
        What compares queries with keys: their product, or in how many bits they agree, to which a position of "gray"
        or "log" adds.
    """

    model: Literal["spikformer"] = "spikformer"
    position: Literal[Position, "gray", "log"] = "none"  # type: ignore[assignment]  # frozen, so wider is safe
    attention: Literal["product", "xnor"] = "product"

    @pydantic.model_validator(mode="after")
    def _fit_the_attention(self) -> Spikformer:
        rules.fit_the_attention(self)
        return self


class _Counterpart(Sequence):
    """A network of real numbers to compare with, of torch's own parts, see `spikeproof.train.sequence.counterparts`."""

    neuron: Literal["real"] = "real"

    @pydantic.model_validator(mode="after")
    def _fit_the_parts(self) -> _Counterpart:
        rules.fit_the_attention(self)
        return self


class Transformer(Attending, _Counterpart):
    """Torch's Transformer encoder."""

    model: Literal["transformer"] = "transformer"


class GRU(_Counterpart):
    """Torch's GRU."""

    model: Literal["gru"] = "gru"


class TCN(Convolving, _Counterpart):
    """Causal convolutions of torch."""

    model: Literal["tcn"] = "tcn"


_SPIKING = (Stack, SpikeRNN, IntegerRNN, SpikeGRU, SpikeTCN, Spikformer)
KINDS: tuple[type[Recipe], ...] = (*_SPIKING, Transformer, GRU, TCN)
"""All recipes; of those of one model, the first has the neuron that is taken if none is named."""
_NO_TRUTHS = {key for kind in KINDS for key, field in kind.model_fields.items() if field.annotation is not bool}

_RNN = Annotated[SpikeRNN | IntegerRNN, Field(discriminator="neuron")]
_ANY: pydantic.TypeAdapter[Recipe] = pydantic.TypeAdapter(
    Annotated[Stack | _RNN | SpikeGRU | SpikeTCN | Spikformer | Transformer | GRU | TCN, Field(discriminator="model")]
)


def make(**keys: Any) -> Recipe:
    """Return the recipe with these keys.

    Raises
    ------
    InputError
        The model has no such key, or a value is not of its field's type or range.
    """
    return _read(keys, "recipe")


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
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if not isinstance(name, str):
        raise InputError(f"{name!r} is no name of a recipe. Known are {', '.join(names())}; or name a .toml file.")
    if name.endswith(".toml"):
        if not os.path.lexists(name):
            raise InputError(f"{name}: no such file. Write one with: spikeproof new recipe {name}")
        try:
            return _parse(texts.read(name), name)
        except FileFormatError as error:
            raise InputError(str(error)) from None
    if name not in names():
        near = did_you_mean(name, names())
        raise InputError(f"No recipe is called {name!r}.{near} Known are {', '.join(names())}; or name a .toml file.")
    return _parse((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"), name)


def _parse(text: str, where: str) -> Recipe:
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of more digits than Python reads
        raise InputError(f"{where}: not TOML ({message(error)}).") from None
    return _read(values, where)


def _read(values: dict[str, Any], where: str, *, stored: bool = False) -> Recipe:
    """Return the recipe of some keys; `stored` ones may be of other models if they have their default."""
    for key, value in values.items():  # for numbers, true and false would count as 1 and 0
        each = value if isinstance(value, list | tuple) else [value]
        if key in _NO_TRUTHS and any(isinstance(one, bool) for one in each):
            raise InputError(f"{where}: {key} takes no true and no false. spikeproof recipes says what it is.")
    kind = rules.kind_of(values, KINDS)
    if stored:
        values = {key: value for key, value in values.items() if not rules.of_another(key, value, kind, KINDS)}
    values = {"model": kind.model_fields["model"].default, "neuron": kind.model_fields["neuron"].default, **values}
    try:
        return _ANY.validate_python(values)
    except pydantic.ValidationError as error:
        neuron = values["neuron"]
        raise InputError(f"{where}: {told(error.errors()[0], kind, neuron, KINDS, stored=stored)}") from None

"""The networks of recipes, and the memory that training them takes at least."""

from __future__ import annotations

import itertools
from typing import Any

from torch import nn

from ...contract.errors import InputError
from ...export.memory import refuse_more
from .. import tasks
from ..blocks.dropout import Dropout
from ..cpg import Encoding, Learned
from ..sequence import SequenceModel
from ..sequence.counterparts import Counterpart
from ..sequence.position import TABLES, PositionOptions, designed
from ..tasks import Task
from .baselines import LSTM, Baseline
from .models import W_MAX, Classifier
from .recipe import (
    GRU,
    TCN,
    Floating,
    IntegerRNN,
    Recipe,
    Sequence,
    SpikeGRU,
    SpikeTCN,
    Spikformer,
    Stack,
    Transformer,
)


def build(recipe: Recipe, task: Task) -> nn.Module:
    """Return an untrained network for a task.

    Raises
    ------
    InputError
        The recipe's model cannot answer the task.
    """
    if isinstance(recipe, Floating):
        return _sequence_model(recipe, task)
    if isinstance(recipe, Transformer | GRU | TCN):
        return _counterpart(recipe, task)
    if task.vocabulary:
        raise InputError(
            f"{task.name}: inputs are words, and a network of neuron = {recipe.neuron!r} wants numbers. Set model = "
            "spike-rnn, spike-gru, spike-tcn or spikformer, and neuron = lif."
        )
    assert isinstance(recipe, Stack | IntegerRNN)
    if isinstance(recipe, Stack) and not recipe.deployable:
        return _baseline(recipe, task)
    _, channels, steps = task.train.x.shape
    if isinstance(recipe, Stack):
        oscillators = Encoding(recipe.cpg, W_MAX) if recipe.cpg else None
    else:
        oscillators = _oscillators(recipe, steps)
    return Classifier(
        channels,
        recipe.widths,
        task.outputs,
        steps,
        read=task.objective.read,
        scale=recipe.scale,
        voltage_decay=recipe.voltage_decay,
        threshold_decay=recipe.threshold_decay,
        te_exp=recipe.te_exp,
        input_exp=None if task.unary else recipe.input_exp,
        cpg=oscillators,
        cpg_te=recipe.cpg_te,
        neuron="cuba" if recipe.neuron == "cuba" else "ce-lif",
        scales=recipe.scales,
        half_width=recipe.half_width,
        te_mean=recipe.te_mean,
        te_std=recipe.te_std,
        ends=recipe.ends,
        dropout=_dropout(recipe),
        recurrent=isinstance(recipe, Stack) and recipe.recurrent,
        **_delays(recipe),
    )


def _delays(recipe: Stack | IntegerRNN) -> dict[str, Any]:
    """Return what makes the delays of a network's layers."""
    if isinstance(recipe, IntegerRNN) or recipe.delay == "none":
        return {}
    return {"delay": recipe.delay, "max_delay": recipe.max_delay}


def _dropout(recipe: Stack | IntegerRNN, time: int = -1) -> Dropout | None:
    return Dropout(recipe.dropout, recipe.dropout_mask, time=time) if recipe.dropout else None


def _baseline(recipe: Stack, task: Task) -> nn.Module:
    """Return a network to compare with."""
    _, channels, steps = task.train.x.shape
    read, dropout = task.objective.read, _dropout(recipe, time=1)
    if recipe.neuron == "lstm":
        return LSTM(channels, recipe.hidden, task.outputs, read=read, dropout=dropout)
    return Baseline(
        channels,
        recipe.hidden,
        task.outputs,
        steps,
        neuron=recipe.neuron,
        recurrent=recipe.recurrent,
        embedding=recipe.embedding,
        threshold_decay=recipe.threshold_decay,
        half_width=recipe.half_width,
        te_mean=recipe.te_mean,
        te_std=recipe.te_std,
        read=read,
        dropout=dropout,
    )


def _oscillators(recipe: IntegerRNN, steps: int) -> Encoding | None:
    """Return what makes the positional encoding on a chip, where a position is a time step."""
    if recipe.position == "none":
        return None
    if recipe.position == "cpg-designed":
        return Encoding(params=designed(steps, recipe.position_channels))
    if recipe.position == "cpg-learned":
        return Learned(recipe.position_channels, steps, recipe.position_w_max)
    return Encoding(recipe.position_channels, recipe.position_w_max)


def _position(recipe: Sequence) -> PositionOptions:
    return PositionOptions(recipe.position, recipe.position_channels, recipe.position_w_max, recipe.seed)


def _sizes(recipe: Sequence, task: Task) -> dict[str, Any]:
    """Return what a sequence model of either kind is made with, but for its position."""
    _refuse_other_reads(recipe, task)
    _, channels, length = task.train.x.shape
    known = type(recipe).model_fields
    own: dict[str, Any] = {key: getattr(recipe, key) for key in ("kernel", "heads", "attention") if key in known}
    found = {"body": recipe.model, "channels": channels, "outputs": task.outputs, "length": length}
    return {**found, "width": recipe.hidden[0], "depth": recipe.depth, "vocabulary": task.vocabulary, **own}


def _counterpart(recipe: Sequence, task: Task) -> nn.Module:
    return Counterpart(**_sizes(recipe, task), position=_position(recipe))


def _refuse_other_reads(recipe: Sequence, task: Task) -> None:
    if task.objective.read != "mean":
        raise InputError(
            f"task = {task.name} is not answered from the average over its steps, as model = {recipe.model} does. Set "
            "model = stack."
        )


def _sequence_model(recipe: Floating, task: Task) -> SequenceModel:
    position = _position(recipe)._replace(full=recipe.position_full, threshold=recipe.position_threshold)
    return SequenceModel(
        **_sizes(recipe, task), encoder=recipe.encoder, spike_steps=recipe.spike_steps, position=position
    )


def check_memory(recipe: Recipe, task: Task, has: int | None, devices: int = 1) -> None:
    """Refuse to train what cannot fit, before a network is made.

    The estimate is low: a weight with its gradient and AdamW's two moments, and of each neuron in each step of a batch
    its current and its output, which the backward pass looks at. So what is refused would not have fitted.

    Parameters
    ----------
    recipe : Recipe
        What is trained.
    task : Task
        Its task.
    has : int or None
        Bytes of memory where the network is trained; None if that is not known, and nothing is refused.
    devices : int
        How many share a batch.

    Raises
    ------
    InputError
        It would take more memory than there is.
    """
    steps = task.train.x.shape[2] * (recipe.spike_steps if isinstance(recipe, Floating) else 1)
    kept = min(recipe.batch_size // devices, len(task.train.y)) * steps * sum(recipe.widths)
    numbers = weights(recipe, task)
    larger = ["hidden", "depth", "kernel"] if 2 * numbers > kept else ["batch_size", "hidden", "depth", "spike_steps"]
    larger += ["length"] * (recipe.task in tasks.GENERATED) + ["window"] * (recipe.task in tasks.FORECASTS)
    larger = [key for key in larger if key in type(recipe).model_fields]
    what = f"Training {numbers:,} weights on {recipe.task} in batches of {recipe.batch_size:,}"
    fix = " or ".join(filter(None, [", ".join(larger[:-1]), larger[-1]]))
    refuse_more(16 * numbers + 8 * kept, has, what, fix)


def weights(recipe: Recipe, task: Task) -> int:
    """Return the number of the weights between layers, and those of tables along a sample."""
    _, channels, steps = task.train.x.shape
    layers = recipe.widths
    first = ((layers[0] if task.vocabulary else channels) + _beside(recipe)) * layers[0] + task.vocabulary * layers[0]
    between = sum(a * b for a, b in itertools.pairwise(layers)) * _maps(recipe)
    table = 0
    if isinstance(recipe, Stack | IntegerRNN) and recipe.neuron in ("ce-lif", "ce-lif-float"):
        table = max(layers) * (recipe.cpg_te or steps)
    delayed = first + between if isinstance(recipe, Stack) and recipe.delay == "synapse" else 0
    return first + between + layers[-1] * task.outputs + table + delayed


def _beside(recipe: Recipe) -> int:
    """Return the number of channels beside the input."""
    if isinstance(recipe, Sequence):
        return recipe.position_channels if recipe.position in TABLES else 0
    return recipe.cpg if isinstance(recipe, Stack) else 0


def _maps(recipe: Recipe) -> int:
    """Return how many matrices there are between two layers of a body."""
    if isinstance(recipe, SpikeTCN | TCN):
        return 2 * recipe.kernel
    if isinstance(recipe, Transformer):
        return 12
    return 6 if isinstance(recipe, SpikeGRU | GRU) else 4 if isinstance(recipe, Spikformer) else 1

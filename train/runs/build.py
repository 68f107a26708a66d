"""The networks of recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ...contract.errors import InputError
from .baselines import LSTM, Baseline
from ..cpg import Encoding
from .models import W_MAX, Classifier
from ..sequence import SequenceModel
from ..sequence.position import PositionOptions, designed

if TYPE_CHECKING:
    from .recipe import Recipe
    from ..tasks import Task


def build(recipe: Recipe, task: Task) -> nn.Module:
    """Return an untrained network for a task.

    Raises
    ------
    InputError
        The recipe's model cannot answer the task.
    """
    if recipe.floating:
        return _sequence_model(recipe, task)
    if task.vocabulary:
        raise InputError(
            f"{task.name}: inputs are words, and a network of neuron = {recipe.neuron!r} wants numbers. Set model = "
            "spike-rnn, spike-gru, spike-tcn or spikformer, and neuron = lif."
        )
    _, channels, steps = task.train.x.shape
    read = task.objective.read
    if recipe.neuron == "lstm":
        return LSTM(channels, recipe.hidden, task.outputs, read=read)
    if not recipe.deployable:
        return Baseline(
            channels,
            recipe.hidden,
            task.outputs,
            steps,
            neuron=recipe.neuron,
            recurrent=recipe.recurrent,
            embedding=recipe.embedding,
            threshold_decay=recipe.threshold_decay,
            read=read,
        )
    stack = recipe.model == "stack"
    return Classifier(
        channels,
        recipe.hidden if stack else recipe.hidden * (1 + recipe.depth),
        task.outputs,
        steps,
        read=read,
        scale=recipe.scale,
        threshold_decay=recipe.threshold_decay,
        te_exp=recipe.te_exp,
        input_exp=None if task.unary else recipe.input_exp,
        cpg=Encoding(recipe.cpg, W_MAX) if stack and recipe.cpg else _oscillators(recipe, steps),
        cpg_te=recipe.cpg_te,
    )


def _oscillators(recipe: Recipe, steps: int) -> Encoding | None:
    """Return what makes the positional encoding on a chip, where a position is a time step."""
    if recipe.position == "none":
        return None
    if recipe.position == "cpg-designed":
        return Encoding(params=designed(steps, recipe.position_channels))
    return Encoding(recipe.position_channels, recipe.position_w_max)


def _sequence_model(recipe: Recipe, task: Task) -> SequenceModel:
    _, channels, length = task.train.x.shape
    if task.objective.read != "mean":
        raise InputError(
            f"task = {task.name} is not answered from the average over its steps, as model = {recipe.model} does. Set "
            "model = stack."
        )
    return SequenceModel(
        recipe.model,
        channels,
        task.outputs,
        length,
        width=recipe.hidden[0],
        depth=recipe.depth,
        encoder=recipe.encoder,
        spike_steps=recipe.spike_steps,
        position=PositionOptions(recipe.position, recipe.position_channels, recipe.position_w_max, recipe.seed),
        vocabulary=task.vocabulary,
        kernel=recipe.kernel,
        heads=recipe.heads,
    )

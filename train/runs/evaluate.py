"""What a trained network is worth, and the firing rates of its hidden layers, watched while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from ..tasks import Split
from ..tasks.objectives import Objective

_BATCH = 256


@contextlib.contextmanager
def watched(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Give a list that gets, layer by layer as they run, the spikes a neuron sends in a step, averaged over all.

    Hidden layers are the modules that have a ``neuron``; means carry gradients.
    """
    means: list[torch.Tensor] = []

    def note(_: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        means.append(output.mean())

    hooks = [layer.register_forward_hook(note) for layer in module.modules() if hasattr(layer, "neuron")]
    try:
        yield means
    finally:
        for hook in hooks:
            hook.remove()


class Evaluation(NamedTuple):
    """What a network is worth on samples."""

    loss: float
    score: float
    rates: list[float]
    """Firing rate of each hidden layer."""
    measures: dict[str, float]
    """The objective's further figures; empty if it has none."""


def evaluate(module: nn.Module, split: Split, objective: Objective) -> Evaluation:
    """Return what a network is worth in evaluation mode."""
    module.eval()
    outputs, rates, count = [], torch.zeros(()), len(split.y)
    with torch.no_grad():
        for batch in torch.as_tensor(split.x).split(_BATCH):
            with watched(module) as means:
                outputs.append(module(batch))
            rates = rates + torch.tensor([float(mean) for mean in means]) * (len(batch) / count)
    found, labels = torch.cat(outputs), torch.as_tensor(split.y)
    measures = {} if objective.measures is None else objective.measures(found, labels)
    return Evaluation(
        float(objective.loss(found, labels)), float(objective.score(found, labels)), rates.tolist(), measures
    )

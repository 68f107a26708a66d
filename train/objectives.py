"""What a task asks of a network: what is read from it, the loss that trains it and the score that judges it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch.nn import functional

from .readout import Read

UNLABELLED = -1
"""Label of a step that has none."""


class Objective(NamedTuple):
    """How the outputs of a network are judged."""

    read: Read
    """What the read-out answers with."""
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """Mean loss of outputs and labels."""
    score: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """Mean score of outputs and labels."""
    metric: str
    """What the score is called."""
    best: Literal["max", "min"]
    """Which score is the best."""

    def better(self, score: float, than: float | None) -> bool:
        """Whether a score beats another one, or None."""
        return than is None or (score > than if self.best == "max" else score < than)


def _accuracy(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Share of labels, those of unlabelled steps aside, that are right: classes are axis 1 of the outputs."""
    counted = labels != UNLABELLED
    return (outputs.argmax(1) == labels)[counted].float().mean()


def _recall(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Share of the symbols, not the blanks, that are right."""
    return (outputs.argmax(1) == labels)[labels != 0].float().mean()


def _cross_entropy(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(outputs, labels, ignore_index=UNLABELLED)


def _squared_error(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(outputs[:, 0], labels)


CLASSIFY = Objective("mean", _cross_entropy, _accuracy, "accuracy", "max")
"""One class a sample, read from the time average."""
REGRESS = Objective("last", _squared_error, _squared_error, "mean squared error", "min")
"""One number a sample, read after the last step."""
LABEL = Objective("every", _cross_entropy, _accuracy, "accuracy", "max")
"""One class a step."""
REPEAT = Objective("every", _cross_entropy, _recall, "recall", "max")
"""One symbol a step, most of them blank (0): the loss counts all steps, the score those with a symbol."""

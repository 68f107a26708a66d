"""What a task asks of a network: what is read from it, the loss that trains it and the score that judges it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch.nn import functional

from ...contract.errors import InputError
from ..blocks.readout import Read

UNLABELLED = -1
"""Label of a step that has none."""

_ROWS = 4096


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mean loss of outputs and labels."""


class Objective(NamedTuple):
    """How the outputs of a network are judged."""

    read: Read
    """What the read-out answers with."""
    loss: Loss
    """Mean loss of outputs and labels."""
    score: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """Mean score of outputs and labels."""
    metric: str
    """What the score is called."""
    best: Literal["max", "min"]
    """Which score is the best."""
    measures: Callable[[torch.Tensor, torch.Tensor], dict[str, float]] | None = None
    """Further figures of outputs and labels, by name. They are no means over samples, so they want a whole part."""

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


def _cross_entropy(outputs: torch.Tensor, labels: torch.Tensor, label_smoothing: float = 0.0) -> torch.Tensor:
    return functional.cross_entropy(outputs, labels, ignore_index=UNLABELLED, label_smoothing=label_smoothing)


def smoothed(objective: Objective, share: float) -> Loss:
    """Return an objective's loss for labels of which a share is spread evenly over all classes.

    Parameters
    ----------
    objective : Objective
        What is asked of a network.
    share : float
        0..1; 0 gives the objective's own loss.

    Raises
    ------
    InputError
        The labels are numbers and no classes.

    References
    ----------
    C. Szegedy et al., "Rethinking the inception architecture for computer vision", arXiv 1512.00567, section 7.
    """
    if not share:
        return objective.loss
    if objective.loss is not _cross_entropy:
        raise InputError(
            f"label_smoothing = {share:g} is for tasks that ask for a class, and this one is judged by the "
            f"{objective.metric}. Set label_smoothing = 0."
        )
    return partial(_cross_entropy, label_smoothing=share)


def _squared_error(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(outputs[:, 0], labels)


def relative_errors(outputs: torch.Tensor, labels: torch.Tensor, *, variables: int) -> dict[str, float]:
    """Return how much of a time series' variation forecasts explain, by two conventions that do not agree.

    Let ``e`` be the squared errors and ``d`` the squared distances of an output's labels from their mean over samples.

    - ``r2_code`` is 1 - e/s of the sums, ``s`` being squared distances from the mean of *all* labels, so that what
      tells variables apart counts as explained; ``rse_code`` is sqrt(e/d) of the sums. These are what the code of
      arXiv 2402.01533 and 2405.14362 computes, and r2_code is not 1 - rse_code^2.
    - ``r2_mean`` and ``rse_mean`` are 1 - e/d and sqrt(e/d) of the sums over each variable, averaged over variables, as
      the formulae of arXiv 2402.01533 have it. A variable whose labels never change is left out.

    Parameters
    ----------
    outputs, labels : Tensor, shape (samples, horizon * variables)
        Forecasts and truth, a step's variables side by side.
    variables : int
        Number of variables.

    Returns
    -------
    dict of str to float
        The four figures; NaN where nothing in the labels changes.

    References
    ----------
    microsoft/SeqSNN, SeqSNN/common/function.py, r2 and rrse.
    """
    mean = labels.mean(0, dtype=torch.float64)
    error, distance = torch.zeros_like(mean), torch.zeros_like(mean)
    scattered = torch.zeros((), dtype=torch.float64)
    for found, truth in zip(outputs.split(_ROWS), labels.split(_ROWS), strict=True):  # doubles of all would be many
        truth = truth.double()
        error += (found.double() - truth).square().sum(0)
        distance += (truth - mean).square().sum(0)
        scattered += (truth - mean.mean()).square().sum()
    by_variable = [part.view(-1, variables).sum(0) for part in (error, distance)]
    ratio = (by_variable[0] / by_variable[1])[by_variable[1] > 0]
    figures = {
        "r2_code": 1 - error.sum() / scattered,
        "rse_code": (error.sum() / distance.sum()).sqrt(),
        "r2_mean": 1 - ratio.mean(),
        "rse_mean": ratio.sqrt().mean(),
    }
    return {name: float(figure) for name, figure in figures.items()}


def forecast(variables: int) -> Objective:
    """Return the objective of forecasts of so many variables: numbers read from the time average, and R² and RSE."""
    return FORECAST._replace(measures=partial(relative_errors, variables=variables))


CLASSIFY = Objective("mean", _cross_entropy, _accuracy, "accuracy", "max")
"""One class a sample, read from the time average."""
REGRESS = Objective("last", _squared_error, _squared_error, "mean squared error", "min")
"""One number a sample, read after the last step."""
LABEL = Objective("every", _cross_entropy, _accuracy, "accuracy", "max")
"""One class a step."""
REPEAT = Objective("every", _cross_entropy, _recall, "recall", "max")
"""One symbol a step, most of them blank (0): the loss counts all steps, the score those with a symbol."""
FORECAST = Objective("mean", functional.mse_loss, functional.mse_loss, "mean squared error", "min")
"""Several numbers a sample, read from the time average."""

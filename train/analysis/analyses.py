"""What a trained network is like: how it learned, what its encoding repeats, where its gradients reach.

Every function returns numbers; `spikeproof.train.analysis.figures` draws them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import FileFormatError, UnsupportedError
from ...contract.fixed import BIAS_MANT_MAX, BIAS_MANT_MIN, TE_MAX, TE_MIN, WEIGHT_MAX, WEIGHT_MIN
from ...contract.net import Net
from ...contract.sources.driven import Driven
from ...export.arithmetic import LSTM, Arithmetic, spiking
from ..blocks.temporal_encoding import TemporalEncoding
from ..runs.baselines import Layer
from ..runs.build import build
from ..runs.models import RECURRENT_LAYERS
from ..runs.recipe import Recipe, Stack
from ..runs.run import Run
from ..tasks import Split, Task
from ..tasks.objectives import Objective

Array = npt.NDArray[np.float64]


_COLUMNS = ("epoch", "loss", "train_score", "validation_score")
"""What every log has."""


def learning_curve(run: Run) -> dict[str, Array]:
    """Return a run's log by columns; what an epoch has not is nan.

    Raises
    ------
    FileFormatError
        There is no log, or it is damaged.
    """
    try:
        with open(run.log_path, newline="") as file:
            rows = list(csv.DictReader(file))
        found = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
        lacking = [name for name in _COLUMNS if name not in found]
        if lacking:
            raise ValueError(f"it has no column {lacking[0]}")
        return found
    except (OSError, IndexError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise FileFormatError(f"{run.log_path}: cannot be read as a log ({error}).") from None


def initial_encoding(recipe: Recipe, task: Task) -> Array | None:
    """Return the temporal encoding before a recipe's first step, shape (steps, neurons).

    None if the network has none, or oscillators make it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # as a run begins
        module = build(recipe, task)
    encoding = getattr(module, "encoding", None)
    values = encoding.weight if isinstance(encoding, TemporalEncoding) else encoding
    return values.detach().double().numpy().T if isinstance(values, torch.Tensor) else None


def encoding_similarity(encoding: npt.ArrayLike) -> Array:
    """Return the cosine similarity of a temporal encoding at every two steps of a sample.

    Parameters
    ----------
    encoding : array_like, shape (steps, neurons)
        What CE-LIF layers share: ``net.encoding(net.steps)`` of a record, or a float network's.

    Returns
    -------
    ndarray, shape (steps, steps)
        -1..1; 0 with a step whose encoding is zero. A task with a rhythm leaves its period here: rows of 28 pixels in
        sequential MNIST (arXiv 2308.15150).
    """
    rows = np.asarray(encoding, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return np.asarray(unit @ unit.T)


def saturated(net: Net) -> dict[str, float]:
    """Return which share of a network's parameters is at an end of its register, where it can go no further.

    Parameters
    ----------
    net : Net
        The record.

    Returns
    -------
    dict of str to float
        "weights of ...", "biases of ..." for each layer that has them, by its name, and "encoding" -> 0..1.
    """
    found = {}
    for layer in net.layers:
        found[f"weights of {layer.name}"] = _at_ends(getattr(layer.synapse, "weight", ()), WEIGHT_MIN, WEIGHT_MAX)
        bias = np.asarray(getattr(layer.neuron, "bias_mant", 0))
        if bias.any():
            found[f"biases of {layer.name}"] = _at_ends(bias, BIAS_MANT_MIN, BIAS_MANT_MAX)
    if net.te is not None:
        encoding = net.te.matrix if isinstance(net.te, Driven) else net.te
        found["encoding"] = _at_ends(encoding, TE_MIN, TE_MAX)
    return found


def _at_ends(values: npt.ArrayLike, low: int, high: int) -> float:
    whole = np.asarray(values)
    return float(((whole <= low) | (whole >= high)).mean()) if whole.size else 0.0


def gradients_over_time(module: nn.Module, split: Split, objective: Objective) -> dict[str, Array]:
    """Return how strongly the loss depends on each hidden layer's spikes, or LSTM's outputs, step by step.

    Parameters
    ----------
    module : Module
        The network; its parameters' gradients are left as they are.
    split : Split
        Samples, evaluated at once.
    objective : Objective
        The loss.

    Returns
    -------
    dict of ndarray, shape (steps,)
        Layer -> norm of the gradient of the loss by the spikes of a step, or of a sequence model's position, over
        samples and neurons, divided by the largest of the layer's. Layers count from 1, as they run.

    Raises
    ------
    UnsupportedError
        The network has no layers of neurons.
    """
    spikes: list[torch.Tensor] = []

    heard: list[nn.Module] = []

    def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
        made = output[0] if isinstance(output, tuple) else output  # an LSTM gives its last state too
        if made.requires_grad:  # an encoder without parameters has no gradient
            spikes.append(made)
            heard.append(layer)

    layers = [layer for layer in module.modules() if hasattr(layer, "neuron") or isinstance(layer, nn.LSTM)]
    if not layers:
        raise UnsupportedError(f"{type(module).__name__} has no layers of neurons whose gradients could be followed.")
    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        module.eval()
        loss = objective.loss(module(torch.as_tensor(split.x)), torch.as_tensor(split.y))
        grads = torch.autograd.grad(loss, spikes)
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for index, (layer, grad) in enumerate(zip(heard, grads, strict=True), start=1):
        # Floating-point networks have time before their neurons, integer ones behind them; sequence models have spike
        # steps and samples, positions, neurons.
        over = (0, 1, 3) if grad.ndim == 4 else (0, 2) if isinstance(layer, Layer | nn.LSTM) else (0, 1)
        norms = grad.double().square().sum(over).sqrt().numpy()
        found[f"layer {index}"] = norms / norms.max() if norms.max() > 0 else norms
    return found


def arithmetic(recipe: Stack, task: Task, rates: Sequence[float]) -> Arithmetic:
    """Return what an average step of a floating-point network costs, as papers count.

    Parameters
    ----------
    recipe : Stack
        What was trained. What a deployable network does is counted exactly, see `spikeproof.sim.cost.energy`.
    task : Task
        Its data, for the shape of the network and how dense a unary input is.
    rates : sequence of float
        Measured firing rates of the hidden layers.
    """
    inputs = task.train.x.shape[1]
    if recipe.neuron == "lstm":
        return LSTM(inputs=inputs, hidden=recipe.hidden, outputs=task.outputs).arithmetic
    return spiking(
        recipe.neuron,
        inputs,
        recipe.hidden,
        task.outputs,
        rates,
        input_rate=float(task.test.x.mean()) if task.unary else None,
        recurrent_layers=RECURRENT_LAYERS if recipe.recurrent else 0,
    )


def loss_landscape(
    module: nn.Module,
    split: Split,
    objective: Objective,
    *,
    span: float = 0.5,
    points: int = 15,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Array, Array]:
    """Return the loss in a plane through a network's parameters.

    The plane is spanned by two random directions, each parameter's part of which is as long as that parameter is (for
    a matrix, row by row), so that layers of small and of large weights are moved alike.

    Parameters
    ----------
    module : Module
        The network; its parameters are put back.
    split : Split
        Samples, evaluated at once.
    objective : Objective
        The loss.
    span : float
        How far to go to each side, in lengths of the parameters.
    points : int
        Evaluations a side, odd to have the network itself among them.
    seed : int
        Of the directions.
    progress : callable, optional
        Called with (evaluations done, in all).

    Returns
    -------
    places : ndarray, shape (points,)
        From -span to span.
    loss : ndarray, shape (points, points)
        ``loss[i, j]`` at ``places[i]`` along the first direction and ``places[j]`` along the second.

    References
    ----------
    H. Li et al., "Visualizing the loss landscape of neural nets", arXiv 1712.09913 (filter normalisation).
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = [parameter.detach() for parameter in module.parameters()]
    start = [parameter.clone() for parameter in parameters]
    directions = [[_as_long(parameter, generator) for parameter in start] for _ in range(2)]
    places = np.linspace(-span, span, points)
    loss = np.empty((points, points))
    x, y = torch.as_tensor(split.x), torch.as_tensor(split.y)
    module.eval()
    try:
        with torch.no_grad():
            for i, j in np.ndindex(points, points):
                for parameter, origin, a, b in zip(parameters, start, *directions, strict=True):
                    parameter.copy_(origin + places[i] * a + places[j] * b)
                loss[i, j] = float(objective.loss(module(x), y))
                if progress is not None:
                    progress(i * points + j + 1, points * points)
    finally:
        for parameter, origin in zip(parameters, start, strict=True):
            parameter.copy_(origin)
    return places, loss


def _as_long(parameter: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    direction = torch.randn(parameter.shape, generator=generator)
    if parameter.ndim < 2:
        return direction * (parameter.norm() / direction.norm().clamp(min=1e-12))
    lengths = [one.flatten(1).norm(dim=1).clamp(min=1e-12) for one in (parameter, direction)]
    return direction * (lengths[0] / lengths[1]).view(-1, *[1] * (parameter.ndim - 1))

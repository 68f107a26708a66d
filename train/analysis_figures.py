"""Figures of `spikeproof.train.analyses`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..export.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


def learning_curve(curve: Mapping[str, Array], metric: str) -> Figure:
    """Draw loss and scores by epoch."""
    figure, (left, right) = _axes(2)
    left.plot(curve["epoch"], curve["loss"], label="training")
    left.set(xlabel="epoch", ylabel="loss", yscale="log")
    for name, label in (("train_score", "training"), ("validation_score", "held out")):
        if not np.isnan(curve[name]).all():
            right.plot(curve["epoch"], curve[name], label=label)
    right.set(xlabel="epoch", ylabel=metric)
    right.legend(frameon=False)
    return figure


def encoding_similarity(similarity: Array) -> Figure:
    """Draw the similarity of every two steps, and its mean by their distance."""
    figure, (left, right) = _axes(2)
    image = left.imshow(similarity, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    left.set(xlabel="step", ylabel="step", title="cosine similarity of TE")
    figure.colorbar(image, ax=left, shrink=0.8)
    distances = np.arange(1, min(len(similarity), 1 + max(64, len(similarity) // 6)))
    right.plot(distances, [similarity.diagonal(d).mean() for d in distances])
    right.set(xlabel="distance (steps)", ylabel="mean similarity")
    return figure


def gradients_over_time(norms: Mapping[str, Array]) -> Figure:
    """Draw the gradient norms of each layer by step."""
    figure, (axis,) = _axes(1)
    for name, values in norms.items():
        shown = np.where(values > 0, values, np.nan)
        axis.plot(shown, label=name, linewidth=1)
    axis.set(xlabel="step", ylabel="gradient by spikes, largest = 1", yscale="log")
    axis.legend(frameon=False)
    return figure


def loss_landscape(places: Array, loss: Array) -> Figure:
    """Draw the loss around the network as contours."""
    figure, (axis,) = _axes(1)
    filled = axis.contourf(places, places, loss.T, levels=20, cmap="viridis")
    axis.plot(0, 0, "w+")
    axis.set(xlabel="along the first direction", ylabel="along the second", title="loss", aspect="equal")
    figure.colorbar(filled, ax=axis, shrink=0.8)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of the path says in which format."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix("."), dpi=110)


def _axes(columns: int) -> tuple[Figure, npt.NDArray[np.object_]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * columns, 3.8), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]

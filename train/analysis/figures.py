"""Figures of `spikeproof.train.analysis.analyses`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...export.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


def learning_curve(curve: Mapping[str, Array], metric: str) -> Figure:
    """Draw loss, scores and, where the log has them, gradient norms by epoch."""
    normed = "gradient_norm" in curve
    figure, axes = _axes(3 if normed else 2)
    left, right = axes[:2]
    left.plot(curve["epoch"], curve["loss"], label="training")
    left.set(xlabel="epoch", ylabel="loss", yscale="log")
    for name, label in (("train_score", "training"), ("validation_score", "held out")):
        if not np.isnan(curve[name]).all():
            right.plot(curve["epoch"], curve[name], label=label)
    right.set(xlabel="epoch", ylabel=metric)
    right.legend(frameon=False)
    if normed:
        for name, label in (("gradient_norm", "median"), ("gradient_largest", "largest")):
            positive = np.where((curve[name] > 0) & np.isfinite(curve[name]), curve[name], np.nan)
            axes[2].plot(curve["epoch"], positive, label=label)
        axes[2].set(xlabel="epoch", ylabel="gradient norm before clipping", yscale="log")
        axes[2].legend(frameon=False)
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
    gradient_lines(axis, norms)
    axis.set_ylabel("gradient by spikes, largest = 1")
    return figure


def gradient_lines(axis: Axes, norms: Mapping[str, Array]) -> None:
    """Draw a line for each layer's gradient norms; a norm of 0 has no place on the logarithmic scale."""
    for name, values in norms.items():
        axis.plot(np.where(values > 0, values, np.nan), label=name, linewidth=1)
    axis.set(xlabel="step", yscale="log")
    axis.legend(frameon=False)


def loss_landscape(places: Array, loss: Array) -> Figure:
    """Draw the loss around the network as contours."""
    figure, (axis,) = _axes(1)
    filled = axis.contourf(places, places, loss.T, levels=20, cmap="viridis")
    axis.plot(0, 0, "w+")
    axis.set(xlabel="along the first direction", ylabel="along the second", title="loss", aspect="equal")
    figure.colorbar(filled, ax=axis, shrink=0.8)
    return figure


def code_uniqueness(sizes: Sequence[int], shares: Mapping[str, Array], gains: Mapping[str, Sequence[float]]) -> Figure:
    """Draw what share of published positional codes differ, and what designed ones, which all do, score more.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of positions.
    shares : mapping of str to ndarray
        For published codes, by name: different codes for each of `sizes`, over the number of positions.
    gains : mapping of str to sequence of float
        For tasks, by name: the score with designed codes minus that with published ones, a seed each.
    """
    figure, (left, right) = _axes(2)
    for name, share in {**shares, "designed": np.ones(len(sizes))}.items():
        (line,) = left.plot(sizes, share, "k--" if name == "designed" else ".-")
        left.text(1.08 * sizes[-1], share[-1], name, color=line.get_color(), fontsize="small", va="center")
    left.set(xlabel="positions", ylabel="different codes a position", xscale="log", ylim=(0, 1.05))
    left.set_xlim(0.9 * sizes[0], 11 * sizes[-1])
    left.set_xticks(sizes, [str(size) for size in sizes], fontsize="small")
    left.minorticks_off()
    for place, of_seeds in enumerate(gains.values()):
        right.plot(of_seeds, [place] * len(of_seeds), "o", color="C0", alpha=0.5)
        right.plot(np.mean(of_seeds), place, "|", color="k", markersize=14)
    right.axvline(0, color="0.6", linewidth=1)
    right.set_yticks(range(len(gains)), list(gains), fontsize="small")
    right.set(xlabel="designed minus published, points; a dot a seed", ylim=(-0.7, len(gains) - 0.3))
    right.invert_yaxis()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of the path says in which format."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix("."), dpi=110)


def _axes(columns: int) -> tuple[Figure, npt.NDArray[np.object_]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * columns, 3.8), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]

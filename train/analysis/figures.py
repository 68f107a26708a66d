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

    from .neurons import Reading

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


def learning_curves(curves: Mapping[str, Mapping[str, Array]], metric: str) -> Figure:
    """Draw how several runs, by their names, came nearer to their best: loss and score of training by epoch."""
    figure, (left, right) = _axes(2)
    for name, curve in curves.items():
        left.plot(curve["epoch"], curve["loss"], label=name)
        held_out = not np.isnan(curve["validation_score"]).all()
        right.plot(curve["epoch"], curve["validation_score" if held_out else "train_score"], label=name)
    left.set(xlabel="epoch", ylabel="loss", yscale="log")
    right.set(xlabel="epoch", ylabel=metric)
    right.set_title("on the held-out part, where there is one", fontsize="small")
    left.legend(frameon=False)
    return figure


def encoding_similarity(before: Array | None, after: Array) -> Figure:
    """Draw the similarity of every two steps before training, if it is known, and after, and its mean by distance."""
    known = {"cosine similarity of TE": after}
    if before is not None:
        known = {"TE before training": before, "TE after training": after}
    figure, axes = _axes(len(known) + 1)
    distances = np.arange(1, min(len(after), 1 + max(64, len(after) // 6)))
    for axis, (title, similarity) in zip(axes, known.items(), strict=False):
        image = axis.imshow(similarity, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
        axis.set(xlabel="step", ylabel="step", title=title)
        axes[-1].plot(distances, [similarity.diagonal(d).mean() for d in distances], label=title)
    figure.colorbar(image, ax=axes[len(known) - 1], shrink=0.8)
    axes[-1].set(xlabel="distance (steps)", ylabel="mean cosine similarity")
    if before is not None:
        axes[-1].legend(frameon=False)
    return figure


def reading(found: Reading, image: npt.ArrayLike | None, label: int | None) -> Figure:
    """Draw what a neuron does while the network reads a sample: its image, if it is one, beside five rows of steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8.5), layout="constrained")
    grid = figure.add_gridspec(5, 2 if image is not None else 1, width_ratios=[1, 5] if image is not None else None)
    if image is not None:
        shown = figure.add_subplot(grid[:2, 0])
        shown.imshow(np.asarray(image), cmap="gray_r")
        shown.set(xticks=[], yticks=[], title="" if label is None else f"class {label}")
    rows = [figure.add_subplot(grid[k, -1]) for k in range(5)]
    steps, spikes = np.arange(len(found.values)), found.spikes[found.neuron]
    rows[0].fill_between(steps, found.values, step="mid", color="0.5")
    rows[0].set_ylabel("input")
    rows[1].plot(steps, found.membrane, linewidth=0.8, label="membrane")
    rows[1].plot(steps, found.threshold, linewidth=0.8, label="threshold")
    rows[1].plot(steps[spikes], np.full(spikes.sum(), rows[1].get_ylim()[1]), "|", color="k", label="spike")
    # Above its axes: a neuron that fires in most steps leaves no room inside.
    rows[1].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, fontsize="small")
    rows[1].set_ylabel(f"neuron {found.neuron} of\n{found.layer}")
    rows[2].plot(steps, found.encoding, linewidth=0.8)
    rows[2].axhline(0, color="0.6", linewidth=0.6)
    rows[2].set_ylabel("its encoding TE")
    rows[3].imshow(found.spikes, aspect="auto", cmap="gray_r", interpolation="nearest")
    rows[3].set_ylabel(f"spikes of\n{found.layer}")
    for k, scores in enumerate(found.scores):
        bold = k == (label if label is not None else int(found.scores[:, -1].argmax()))
        rows[4].plot(steps, scores, color="C3" if bold else "0.75", zorder=2 + bold, label=f"class {k}" if bold else "")
    rows[4].legend(frameon=False, loc="upper left", fontsize="small")
    rows[4].set(xlabel="step", ylabel="read-out,\nmean so far")
    for row in rows:
        row.set_xlim(0, len(steps) - 1)
        row.tick_params(labelbottom=row is rows[-1])
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
    """Draw the loss around the network as contours and as a surface."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axis, surface = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
    filled = axis.contourf(places, places, loss.T, levels=20, cmap="viridis")
    axis.plot(0, 0, "w+")
    axis.set(xlabel="along the first direction", ylabel="along the second", title="loss", aspect="equal")
    figure.colorbar(filled, ax=axis, shrink=0.8)
    surface.plot_surface(*np.meshgrid(places, places), loss.T, cmap="viridis")  # type: ignore[attr-defined]  # 3-D
    surface.set(xlabel="first", ylabel="second", zlabel="loss")
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

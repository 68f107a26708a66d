"""The parity report: one self-contained HTML page for people, made from a verdict."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..contract.celif import CELIF
from ..contract.fixed import ACCUMULATOR_SHIFT
from ..contract.net import Layer, Net
from ..export.describe import describe
from ..export.files import replacing
from .parity import compare
from .trace import SPIKES, Trace
from .verify import Verdict

_FOUND, _EXPECTED, _DIFFERS = "#c2410c", "#1d4ed8", "#dc2626"
_MAX_ROWS = 400
"""Rasters of more neurons show the first ones, and say so."""


class Labels(NamedTuple):
    """What the samples of a verdict are, for the accuracy table."""

    y: npt.NDArray[np.int64]
    """True classes, shape (samples,)."""
    test_accuracy: float | None = None
    """Accuracy of the trained module over its whole test part."""
    test_samples: int | None = None


class Right(NamedTuple):
    """How a backend did on the samples that it ran."""

    right: int
    """Samples classified right."""
    same: int
    """Samples classified as by the first backend."""
    total: int
    """Samples in all."""


def accuracies(verdict: Verdict, labels: Labels) -> dict[str, Right]:
    """Return for each backend how many of its samples it classified right, and how many as the first backend did."""
    first = next(iter(verdict.answers.values()))
    predicted = dict(zip(first.samples.tolist(), first.predictions.tolist(), strict=True))
    found = {}
    for name, answers in verdict.answers.items():
        same = np.array([predicted[sample] for sample in answers.samples.tolist()]) == answers.predictions
        right = labels.y[answers.samples] == answers.predictions
        found[name] = Right(int(right.sum()), int(same.sum()), len(right))
    return found


def write(
    verdict: Verdict,
    path: str | os.PathLike[str],
    *,
    title: str,
    labels: Labels | None = None,
    net_path: str | os.PathLike[str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write the report; the file appears whole or not at all.

    Parameters
    ----------
    verdict : Verdict
        With its traces.
    path : path-like
        Where to.
    title : str
        Heading of the page.
    labels : Labels, optional
        True classes, for the accuracies.
    net_path : path-like, optional
        The network file, for its SHA-256.
    facts : mapping, optional
        Further lines for the table of facts, such as versions.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        title=title,
        version=__version__,
        verdict=verdict,
        lines=str(verdict).splitlines()[1:],
        network=describe(verdict.net),
        labels=labels,
        accuracies=accuracies(verdict, labels) if labels and verdict.answers else {},
        digest=hashlib.sha256(Path(net_path).read_bytes()).hexdigest() if net_path else None,
        facts=dict(facts or {}),
        figures=_figures(verdict) if verdict.traces else [],
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _figures(verdict: Verdict) -> list[dict[str, str]]:
    expected, found = verdict.traces[0], verdict.traces[-1]
    # Traces are numbered as they ran; the mismatch to be shown is looked for among them.
    first = compare(expected, found).first
    sample = first.sample if first else 0
    names = f"{expected.backend} and {found.backend}"
    figures = [
        {
            "title": f"Spike raster of sample {sample}: {names}, one on the other",
            "words": f"A ring is a spike of {expected.backend}, the dot in it the same spike of {found.backend}. A "
            "cross is a spike that only one of them has.",
            "svg": _raster(verdict.net, expected, found, sample),
        }
    ]
    adapting = [layer for layer in verdict.net.layers if isinstance(layer.neuron, CELIF)]
    # Where the traces differ is what the reader came for.
    layer = next(
        (layer for layer in adapting if first and layer.name == first.layer), adapting[0] if adapting else None
    )
    if layer is not None:
        figures.append(
            {
                "title": f"Threshold adaptation in layer {layer.name}, sample {sample}",
                "words": f"Membrane and threshold of four neurons in SLAYER's units. Wide light lines are "
                f"{expected.backend}, narrow dark lines {found.backend}; a spike falls where the membrane passes the "
                "threshold.",
                "svg": _adaptation(
                    layer, expected, found, sample, first.neuron if first and first.layer == layer.name else None
                ),
            }
        )
    return figures


def _raster(net: Net, expected: Trace, found: Trace, sample: int) -> str:
    from matplotlib.figure import Figure

    names = [layer.name for layer in net.layers if SPIKES in expected.layers[layer.name]]
    rows = [min(expected.layers[name][SPIKES].shape[1], _MAX_ROWS) for name in names]
    figure = Figure(figsize=(9.5, 1.0 + sum(rows) / 42), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
    for axis, name, shown in zip(axes, names, rows, strict=True):
        a, b = (trace.layers[name][SPIKES][sample, :shown] != 0 for trace in (expected, found))
        for mask, style in (
            (a, {"s": 15, "facecolors": "none", "edgecolors": _EXPECTED, "linewidths": 0.7}),
            (b, {"s": 4, "color": _FOUND, "linewidths": 0}),
            (a != b, {"s": 40, "color": _DIFFERS, "marker": "x", "linewidths": 1.4}),
        ):
            neurons, steps = np.nonzero(mask)
            axis.scatter(steps, neurons, rasterized=True, **style)
        all_neurons = expected.layers[name][SPIKES].shape[1]
        axis.set_ylabel(f"{name}\nneuron" + ("" if shown == all_neurons else f" (first {shown})"))
        axis.set_ylim(-1.5, shown + 0.5)
        axis.set_xlim(-1, a.shape[1])
    axes[-1].set_xlabel("time step of the sample")
    return _svg(figure)


def _adaptation(layer: Layer, expected: Trace, found: Trace, sample: int, differing: int | None) -> str:
    from matplotlib.figure import Figure

    name = layer.name
    unit = 1 / (layer.scale << ACCUMULATOR_SHIFT)
    counts = expected.layers[name][SPIKES][sample].sum(-1)
    # Four neurons from the most to the least active of those that fire, so that the picture is not of silence.
    firing = np.argsort(-counts, kind="stable")[: max(int((counts > 0).sum()), min(4, len(counts)))]
    chosen = firing[np.linspace(0, len(firing) - 1, min(4, len(firing))).astype(int)]
    if differing is not None:
        chosen = np.unique([differing, *chosen[1:]])
    figure = Figure(figsize=(9.5, 1.7 * len(chosen)), layout="constrained")
    axes = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    for axis, neuron in zip(axes, chosen, strict=True):
        for trace, wide in ((expected, True), (found, False)):
            variables = trace.layers[name]
            for variable, colour in (("theta", "#6d28d9"), ("v", "#0f766e")):
                axis.plot(
                    variables[variable][sample, neuron] * unit,
                    color=colour,
                    linewidth=4 if wide else 1,
                    alpha=0.3 if wide else 1,
                    label=f"{'threshold' if variable == 'theta' else 'membrane'}, {trace.backend}",
                )
        spikes = np.nonzero(found.layers[name][SPIKES][sample, neuron])[0]
        axis.plot(spikes, found.layers[name]["v"][sample, neuron, spikes] * unit, ".", color=_FOUND, label="spike")
        axis.set_ylabel(f"neuron {neuron}")
    axes[0].legend(ncols=5, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes[-1].set_xlabel("time step of the sample")
    return _svg(figure)


def _svg(figure: Any) -> str:
    import matplotlib

    text = io.StringIO()
    # A fixed salt and no date make the same verdict give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "spikeproof", "svg.fonttype": "none", "font.size": 8}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", dpi=200, metadata=nothing)
    svg = text.getvalue()
    return svg[svg.index("<svg") :]

"""What happened in a sample, drawn over its steps: spikes, membranes and oscillators, sharp at any zoom.

A figure is a column of panels that share their time axis. A panel's coordinates are the data's: x is the time step, y
the neuron, or minus the value. The report's script zooms by changing the panels' view boxes; strokes keep their width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.fixed import ACCUMULATOR_SHIFT
from ...contract.net import Net
from ...contract.neurons import SPIKES
from ...contract.sources import raster as fired
from ...contract.sources.driven import Driven

if TYPE_CHECKING:
    from ..trace import Trace

_MAX_ROWS = 400
"""Rasters of more neurons show the first ones, and say so."""
_NEURONS = 5
"""So many neurons get a panel with their membrane."""


class Path(NamedTuple):
    """A line, or dots, of one kind: the style sheet knows it by its class."""

    kind: str
    d: str


class Panel(NamedTuple):
    """A stretch of time of one layer or neuron."""

    label: str
    note: str
    """What the label needs in small letters: how many neurons, or their unit."""
    axis: str
    """What y is."""
    ticks: tuple[str, str]
    """What stands at the top and at the bottom of the y axis."""
    top: float
    height: float
    """The part of the y axis that is shown."""
    pixels: int
    paths: tuple[Path, ...]


class Figure(NamedTuple):
    """Panels that share a time axis."""

    kind: str
    """``spikes``, whose dots grow with the zoom, or ``states``."""
    title: str
    words: str
    legend: tuple[tuple[str, str], ...]
    """(kind of path, what it is)."""
    steps: int
    panels: tuple[Panel, ...]

    @property
    def ticks(self) -> list[int]:
        """Steps that the axis names."""
        rough = max(1, self.steps / 8)
        power = 10 ** int(np.log10(rough))
        gap = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
        return list(range(0, self.steps + 1, gap))


def raster(trace: Trace, sample: int, layers: Iterable[str]) -> Figure | None:
    """Return the spikes of layers in one sample, as one backend saw them; None if none of them has spikes."""
    panels, steps = [], 1
    for name in layers:
        if SPIKES in trace.layers[name]:
            fired = trace.layers[name][SPIKES][sample]
            panels.append(_spikes(name, len(fired), (Path("both", _dots(fired[:_MAX_ROWS] != 0)),)))
            steps = fired.shape[1]
    if not panels:
        return None
    return Figure(
        kind="spikes",
        title=f"Spikes of sample {sample}, {trace.backend}",
        words=_ROWS,
        legend=(("both", "spike"),),
        steps=steps,
        panels=tuple(panels),
    )


def rasters(net: Net, expected: Trace, found: Trace, sample: int, called: int) -> Figure | None:
    """Return the spikes of all layers in one sample: those of two backends, and those of one of them alone."""
    panels = []
    differing = 0
    for layer in net.layers:
        if SPIKES not in expected.layers[layer.name]:
            continue
        a, b = (trace.layers[layer.name][SPIKES][sample] for trace in (expected, found))
        differing += int(np.count_nonzero(a != b))
        of_a, of_b, unequal = (each[:_MAX_ROWS] for each in (a != 0, b != 0, a != b))
        paths = (
            Path("differs", _dots(unequal)),
            Path("both", _dots(of_a & of_b)),
            Path("expected", _dots(of_a & ~of_b)),
            Path("found", _dots(of_b & ~of_a)),
        )
        panels.append(_spikes(layer.name, len(a), paths))
    if not panels:
        return None
    where = f"{differing:,} places differ" if differing else "no place differs"
    return Figure(
        kind="spikes",
        title=f"Spikes of sample {called}: {expected.backend} and {found.backend}",
        words=f"{_ROWS} {where[0].upper()}{where[1:]}.",
        legend=(
            ("both", f"spike of both, {expected.backend} and {found.backend}"),
            ("expected", f"of {expected.backend} alone"),
            ("found", f"of {found.backend} alone"),
            ("differs", "where they differ, in a spike or its payload"),
        ),
        steps=a.shape[1],
        panels=tuple(panels),
    )


_ROWS = "A row a neuron, neuron 0 at the top."


def _spikes(name: str, neurons: int, paths: tuple[Path, ...]) -> Panel:
    """Return the panel of a layer's spikes."""
    shown = min(neurons, _MAX_ROWS)
    return Panel(
        label=name,
        note=f"{neurons:,} neuron{'s' * (neurons != 1)}" + ("" if shown == neurons else f", the first {shown}"),
        axis="neuron",
        ticks=("0", str(shown - 1)) if shown > 1 else ("0", ""),
        top=0,
        height=shown,
        pixels=int(np.clip(6 * shown, 60, 300)),
        paths=paths,
    )


def states(
    net: Net, expected: Trace, found: Trace, sample: int, called: int, differing: tuple[str, int, int] | None
) -> Figure | None:
    """Return membrane and threshold of some neurons of one layer: the one that differs, else the first that adapts.

    `differing` is the (layer, step, neuron) of the first mismatch.
    """
    layers = [layer for layer in net.layers if "v" in expected.layers[layer.name]]
    adapting = [layer for layer in layers if "theta" in expected.layers[layer.name]]
    layer = next((layer for layer in layers if differing and layer.name == differing[0]), None)
    layer = layer or next(iter(adapting or layers), None)
    if layer is None:
        return None
    a, b = (trace.layers[layer.name] for trace in (expected, found))
    unit = 1 / (layer.scale << ACCUMULATOR_SHIFT)
    panels = [
        _membrane(layer, a, b, sample, neuron, unit, differing)
        for neuron in _chosen(a, sample, differing[2] if differing and differing[0] == layer.name else None)
    ]
    kinds = [("membrane", "membrane"), ("threshold", "threshold")]
    return Figure(
        kind="states",
        title=f"Membrane and threshold in layer {layer.name}, sample {called}",
        words=f"In SLAYER's units. Wide light lines are {expected.backend}, narrow dark ones {found.backend}, dots its "
        f"spikes. {_why(layer, adapting, differing, len(panels), a)}",
        legend=(
            *(one for one in kinds if any(path.kind == one[0] for path in panels[0].paths)),
            ("spike", f"spike of {found.backend}"),
        ),
        steps=int(a["v"].shape[2]),
        panels=tuple(panels),
    )


def _membrane(
    layer: Any, a: Any, b: Any, sample: int, neuron: int, unit: float, differing: tuple[str, int, int] | None
) -> Panel:
    """Return the panel of a neuron: membrane and threshold of two backends, and the spikes of the second."""
    paths, values = [], [np.zeros(1)]
    for register, kind in (("theta", "threshold"), ("v", "membrane")):
        if register not in a:
            continue
        lines = [of[register][sample, neuron].astype(np.float64) * unit for of in (a, b)]
        paths += [Path(f"{kind} wide", _line(lines[0])), Path(kind, _line(lines[1]))]
        values += lines
    resting = getattr(layer.neuron, "v_th_mant", None)
    if "theta" not in a and resting is not None:
        level = np.full(2, np.max(resting) / layer.scale)
        paths.append(Path("threshold", f"M0 {-level[0]:.5g}h{a['v'].shape[2]}"))
        values.append(level)
    if SPIKES in b:
        fired = np.flatnonzero(b[SPIKES][sample, neuron])
        paths.append(Path("spike", "".join(f"M{t + 0.5} {-b['v'][sample, neuron, t] * unit:.5g}h0" for t in fired)))
    if differing and (layer.name, neuron) == (differing[0], differing[2]):
        here = b["v"][sample, neuron, differing[1]] * unit
        paths.insert(0, Path("differs", f"M{differing[1] + 0.5} {-here:.5g}h0"))
    low, high = min(map(np.min, values)), max(map(np.max, values))
    margin = 0.06 * (high - low or 1)
    return Panel(
        label=f"neuron {neuron}",
        note="",
        axis="units",
        ticks=(f"{high:.3g}", f"{low:.3g}"),
        top=float(-high - margin),
        height=float(high - low + 2 * margin),
        pixels=96,
        paths=tuple(paths),
    )


def _why(layer: Any, adapting: Sequence[Any], differing: tuple[str, int, int] | None, shown: int, a: Any) -> str:
    """Return in words why this layer is drawn, and these neurons of it."""
    if differing and differing[0] == layer.name:
        chosen = f"{layer.name} is the layer that differs first, and neuron {differing[2]} the one in which it does"
        others = "; the others are" if shown > 1 else ""
    else:
        what = "the first layer whose thresholds adapt" if adapting else "the first layer with a membrane"
        chosen, others = f"{layer.name} is {what}", ", and these neurons are"
    if not others:
        return f"{chosen}."
    if SPIKES not in a:
        return f"{chosen}{others} spread evenly over the layer."
    return f"{chosen}{others} spread evenly over those that fire in this sample, from the most active to the least."


def oscillators(net: Net) -> Figure | None:
    """Return the spikes of the network's CPG oscillators over a sample."""
    sources: list[tuple[str, Any]] = [
        (f"into {layer.name}", layer.cpg) for layer in net.layers if layer.cpg is not None
    ]
    if isinstance(net.te, Driven):
        sources.append(("encoding", net.te.cpg))
    panels = []
    for label, cpg in sources:
        spikes = fired(cpg, net.steps).T[:_MAX_ROWS]
        paths = (Path("cpg", _dots(spikes != 0)),)
        panels.append(
            Panel(
                label=label,
                note=f"{cpg.num_neurons} oscillators",
                axis="oscillator",
                ticks=("0", str(len(spikes) - 1)) if len(spikes) > 1 else ("0", ""),
                top=0,
                height=len(spikes),
                pixels=int(np.clip(5 * len(spikes), 72, 300)),
                paths=paths,
            )
        )
    if not panels:
        return None
    return Figure(
        kind="spikes",
        title="CPG oscillators",
        words="The spikes that tell the network the position in a sample; the same in every sample.",
        legend=(("cpg", "spike of an oscillator"),),
        steps=net.steps,
        panels=tuple(panels),
    )


def _chosen(a: Any, sample: int, differing: int | None) -> Sequence[int]:
    """Return neurons from the most to the least active of those that fire, so that the picture is not of silence."""
    counts = np.abs(a[SPIKES][sample]).sum(-1) if SPIKES in a else np.zeros(a["v"].shape[1])
    firing = np.argsort(-counts, kind="stable")[: max(int((counts > 0).sum()), min(_NEURONS, len(counts)))]
    chosen = [int(firing[i]) for i in np.linspace(0, len(firing) - 1, min(_NEURONS, len(firing))).astype(int)]
    if differing is None:
        return chosen
    return [differing, *(one for one in chosen if one != differing)][:_NEURONS]


def _dots(mask: npt.NDArray[np.bool_]) -> str:
    """Return dots in the middle of the cells of a (neurons, steps) mask: lines without length, whose caps are round."""
    marks = []
    for neuron, row in enumerate(mask):
        steps = np.flatnonzero(row)
        if len(steps):
            marks.append(f"M{steps[0]}.5 {neuron}.5h0")
            marks += [f"m{gap} 0h0" for gap in np.diff(steps).tolist()]
    return "".join(marks)


def _line(values: npt.NDArray[np.float64]) -> str:
    """Return a line through the middle of each step."""
    return "M" + "L".join(f"{t}.5 {-value:.5g}" for t, value in enumerate(values.tolist()))

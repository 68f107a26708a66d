"""The map as a page: cores of a network on Loihi 2 drawn to scale, in one self-contained HTML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ... import __version__
from ...export.files import replacing
from ...export.loihi2 import view
from ...export.loihi2.mapping import Placement
from ...export.loihi2.partition import Use
from ..cost.energy import SOURCES, Cost
from . import places

CORES_A_ROW = 24
CHIPS_SHOWN = 8
"""Larger networks show their first chips, and the page says so."""
TABLES = (
    ("synapses", "synapse_words"),
    ("axons in", "input_axons"),
    ("axons out", "axon_map"),
    ("neuron state", "state_words"),
    ("neuron groups", "neuron_groups"),
)
"""What a core's words are, and the field of `Use`."""


class Core(NamedTuple):
    """One square of the picture."""

    x: int
    y: int
    fill: float
    """Share of the core's words that is taken."""
    layer: int
    words: str


class Chip(NamedTuple):
    """One chip of the picture."""

    number: int
    cores: tuple[Core, ...]
    unused: tuple[tuple[int, int], ...]


class Bar(NamedTuple):
    """The words of a layer's fullest core, table by table, as shares of what a core holds."""

    layer: int
    name: str
    parts: tuple[tuple[str, float, float], ...]
    """(table, where it begins, how wide it is)."""
    words: int


def write(found: Placement, path: str | os.PathLike[str], *, title: str, cost: Cost | None = None) -> None:
    """Write the page; the file appears whole or not at all.

    Parameters
    ----------
    found : Placement
        The map.
    path : path-like
        Where to.
    title : str
        Heading of the page.
    cost : Cost, optional
        What the network costs on given inputs.

    Raises
    ------
    InputError
        The folder cannot be written to, or what stands in the place is no page of spikeproof.
    """
    import jinja2

    places.check(path)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    header, *rows = view.rows(found)
    names = [view.shown(placed.population.name) for placed in found.placed]
    page = environment.get_template("placement.html.j2").render(
        title=title,
        version=__version__,
        found=found,
        summary=str(found).splitlines()[0].partition(", ")[2],
        header=header,
        rows=rows,
        names=names,
        details=view.details(found),
        chips=chips(found),
        rows_of_cores=-(-found.limits.cores_per_chip.value // CORES_A_ROW),
        cores_a_row=CORES_A_ROW,
        bars=bars(found),
        tables=[name for name, _ in TABLES],
        cost=None if cost is None else cost.lines(),
        sources=[*view.sources(found), *(SOURCES if cost is not None else ())],
        basis=view.basis(found),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def chips(found: Placement) -> list[Chip]:
    """Return the first chips and their cores, numbered through as Intel's mapper does."""
    a_chip = found.limits.cores_per_chip.value
    taken: list[list[Core]] = []
    number = 0
    for index, placed in enumerate(found.placed):
        for use in placed.uses:
            chip, core = divmod(number, a_chip)
            number += 1
            if chip >= CHIPS_SHOWN:
                break
            if chip == len(taken):
                taken.append([])
            taken[chip].append(_core(found, index, use, core))
    places = [(core % CORES_A_ROW, core // CORES_A_ROW) for core in range(a_chip)]
    return [Chip(chip, tuple(cores), tuple(places[len(cores) :])) for chip, cores in enumerate(taken)]


def _core(found: Placement, layer: int, use: Use, core: int) -> Core:
    full = use.core_words / found.limits.core_words.value
    name = view.shown(found.placed[layer].population.name)
    words = f"{name}, core {core}: {use.neurons:,} neurons, {use.core_words:,} words, {full:.0%} full"
    return Core(core % CORES_A_ROW, core // CORES_A_ROW, full, layer, words)


def bars(found: Placement) -> list[Bar]:
    """Return a bar for each layer that fits."""
    result = []
    for index, placed in enumerate(found.placed):
        if not placed.uses:
            continue
        begin, parts = 0.0, []
        for name, field in TABLES:
            width = getattr(placed.largest, field) / found.limits.core_words.value
            parts.append((name, begin, width))
            begin += width
        name = view.shown(placed.population.name)
        result.append(Bar(index, name, tuple(parts), placed.largest.core_words))
    return result

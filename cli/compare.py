"""``spikeproof compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .given import inputs
from .given.options import AsJson
from .terminal import console
from .terminal.tables import print_table

if TYPE_CHECKING:
    from ..sim.arrays import Differences


def compare(
    a: Annotated[Path, typer.Argument(help="Trace, .npz, as simulate -o writes it.")],
    b: Annotated[Path, typer.Argument(help="Another trace of the same network and samples.")],
    as_json: AsJson = False,
) -> None:
    """Compare two traces entry by entry; exit 0 if all is equal, 1 if not."""
    from ..sim import arrays

    traces = [arrays.trace_of(inputs.read_arrays(path), str(path)) for path in (a, b)]
    found = arrays.differences(*traces)
    if as_json:
        plain = found._asdict() | {"same": found.same, "unequal": [one._asdict() for one in found.unequal]}
        console.print_json(plain)
    else:
        _print(found, str(a), str(b))
    if not found.same:
        raise typer.Exit(1)


def _print(found: Differences, a: str, b: str) -> None:
    for path, names in ((a, found.only_a), (b, found.only_b)):
        if names:
            console.OUT.print(f"only in {path}: {', '.join(names)}")
    if found.first is None:
        fired = "" if found.fired else ", but nothing fired in them, so this says little"
        console.OUT.print(f"equal: {found.compared:,} entries ({found.fired:,} spikes){fired}")
        return
    first = found.first
    console.OUT.print(
        f"DIFFER, first in layer {first.layer!r}, {first.variable}, sample {first.sample}, step {first.step}, neuron "
        f"{first.neuron}: {first.a} in {a}, {first.b} in {b}"
    )
    rows = [
        (
            f"{one.layer}.{one.variable}",
            f"{one.differ:,}",
            f"{one.compared:,}",
            *(f"{place:,}" for place in (one.sample, one.step, one.neuron)),
            str(one.a),
            str(one.b),
        )
        for one in found.unequal
    ]
    print_table(("variable", "differ", "of", "first: sample", "step", "neuron", "first file", "second file"), rows)

"""``spikeproof prove``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.table import Table

from ..contract.errors import InputError
from . import console, inputs
from .options import AsJson, ClampDelays, DelayShift, InputShape, Steps, network_of, reading

if TYPE_CHECKING:
    from ..sim.bounds import Bounds
    from ..sim.search import Reached


def prove(
    net: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    max_active: Annotated[
        int | None, typer.Option(min=1, help="Assume that at most so many inputs are active in a step.")
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Search inputs that take registers far, beside the bounds.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write inputs that leave a range here, as .npz.")
    ] = None,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Bound every sum and register for every input; exit 0 if none can leave its range, 1 if that is not proven."""
    from ..export import files
    from ..export.formats import load
    from ..sim.bounds import bounds
    from ..sim.search import search as search_inputs

    if output is not None and not search:
        raise InputError("--output is for --search, which finds inputs.")
    if output is not None:
        files.check(output)
    path, reads = network_of(net), reading(steps, input_shape, delay_shift, clamp_delays, None)
    record = load(path, **reads)
    inputs.tell_notes(path, reads)
    with console.progress() as show:
        found = bounds(record, max_active=max_active, progress=lambda done, total: show("steps", done, total))
        reached = {}
        if search:
            made = search_inputs(record, found, seed=seed, progress=lambda done, total: show("search", done, total))
            reached = {(one.layer, one.register): one for one in made}
    if as_json:
        told = [{"layer": one.layer, "register": one.register, "value": one.value} for one in reached.values()]
        console.print_json(found.as_dict() | {"found": told if search else None})
    else:
        _print(found, reached)
    left = [one for one in reached.values() if one.left]
    if left and not as_json:
        names = ", ".join(f"{one.layer}'s {one.register}" for one in left)
        console.OUT.print(f"found: inputs that take {names} out of its range; -o writes them", markup=False)
    if output is not None and left:
        with files.replacing(output) as temporary, open(temporary, "wb") as file:
            np.savez(file, x=np.stack([one.payload * 2.0**record.input.exp for one in left]))
        console.ERR.print(f"{output}: {len(left)} inputs that leave a range", markup=False)
    if not found.proven:
        raise typer.Exit(1)


def _print(found: Bounds, reached: dict[tuple[str, str], Reached]) -> None:
    table = Table("layer", "register", "lowest", "highest", "of its range", *["found"] * bool(reached), "proven")
    for bound in found.found:
        table.add_row(
            bound.layer,
            bound.register,
            f"{bound.low:,}",
            f"{bound.high:,}",
            f"{bound.used:.1%}" if bound.used < 10 else f"{bound.used:,.0f} times",
            *([_of(reached.get((bound.layer, bound.register)))] if reached else []),
            "yes" if bound.proven else "no",
        )
    console.OUT.print(table)
    console.OUT.print(str(found), markup=False, highlight=False)


def _of(one: Reached | None) -> str:
    if one is None:
        return "-"
    return "left it" if one.left else f"{one.used:.1%}"

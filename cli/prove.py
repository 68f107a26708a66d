"""``spikeproof prove``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import console
from .options import AsJson, DelayShift, InputShape, Steps, network_of, reading

if TYPE_CHECKING:
    from ..sim.bounds import Bounds


def prove(
    net: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    max_active: Annotated[
        int | None, typer.Option(min=1, help="Assume that at most so many inputs are active in a step.")
    ] = None,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    as_json: AsJson = False,
) -> None:
    """Bound every sum and register for every input; exit 0 if none can leave its range, 1 if that is not proven."""
    from ..export.formats import load
    from ..sim.bounds import bounds

    record = load(network_of(net), **reading(steps, input_shape, delay_shift, None))
    with console.progress() as show:
        found = bounds(record, max_active=max_active, progress=lambda done, total: show("steps", done, total))
    if as_json:
        console.print_json(found.as_dict())
    else:
        _print(found)
    if not found.proven:
        raise typer.Exit(1)


def _print(found: Bounds) -> None:
    table = Table("layer", "register", "lowest", "highest", "of its range", "proven")
    for bound in found.found:
        table.add_row(
            bound.layer,
            bound.register,
            f"{bound.low:,}",
            f"{bound.high:,}",
            f"{bound.used:.1%}" if bound.used < 10 else f"{bound.used:,.0f} times",
            "yes" if bound.proven else "no",
        )
    console.OUT.print(table)
    console.OUT.print(str(found), markup=False, highlight=False)

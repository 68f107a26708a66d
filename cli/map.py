"""``spikeproof map``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .given import inputs
from .given.options import AsJson, ClampDelays, DelayShift, Dt, InputShape, Steps, network_of, reading
from .terminal import console
from .terminal.tables import print_table


def map_(
    net: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    limits: Annotated[Path | None, typer.Option(help="TOML file of limits, in place of the public ones.")] = None,
    chips: Annotated[int | None, typer.Option(min=1, help="Chips that there are.")] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input", "-i", help="Input to count operations on: .npy, or .npz with an array x.")
    ] = None,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    dt: Dt = None,
    clamp_delays: ClampDelays = False,
    report: Annotated[Path | None, typer.Option(help="Write the map to this HTML file.")] = None,
    sources: Annotated[bool, typer.Option("--sources", help="Say where each figure and limit comes from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Map a network to Loihi 2: cores, memory, cost, and what does not fit; exit 0 if all fits, 1 if not."""
    from ..export.loihi2 import limits as limits_of
    from ..export.loihi2.mapping import place

    if report is not None:
        from ..sim.report import places

        places.check(report, read=[net, input_file, limits])
    allowed = limits_of.load(limits)
    if chips is not None:
        allowed = allowed.replace({"chips": chips}, "--chips")
    x = None if input_file is None else inputs.read_array(input_file)
    record, _ = inputs.read_net(
        network_of(net), x, **reading(steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    )
    found, cost = place(record, allowed), None
    if x is not None:
        from ..sim.cost import energy, operations

        cost = energy.cost(record, operations.count(record, x, allowed), found)
    if report is not None:
        from ..sim.report import placement as map_report

        map_report.write(found, report, title=f"{net.name} on Loihi 2", cost=cost)
    if as_json:
        console.print_json(found.as_dict() | {"cost": None if cost is None else cost.as_dict()})
    else:
        _print_map(found, str(net), cost, with_sources=sources)
        if report is not None:
            console.OUT.print(f"report: {report}", markup=False)
    if not found.fits:
        raise typer.Exit(1)


def _print_map(found: Any, title: str, cost: Any, *, with_sources: bool) -> None:
    from ..export.loihi2 import view
    from ..sim.cost.energy import SOURCES

    header, *lines = view.rows(found)
    print_table(header, lines, title=f"{title} on Loihi 2; words of 64 bits in the fullest core of each layer")
    words = [*view.details(found), str(found), view.basis(found)]
    if cost is not None:
        words += [*cost.lines(), "energy and time are estimates; --sources says from which figures and which hardware"]
    if with_sources:
        words += [*view.sources(found), *(SOURCES if cost is not None else ())]
    for sentence in words:
        console.OUT.print(sentence, markup=False)

"""``spikeproof diff``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .given import inputs
from .given.options import AsJson, ClampDelays, DelayShift, Dt, InputShape, Steps, network_of, reading, refuse_unused
from .terminal import console
from .terminal.tables import print_table

if TYPE_CHECKING:
    from ..export.record_diff import RecordDiff


def diff(
    a: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    dt: Dt = None,
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two networks, by layer and field; exit 0 if nothing does, 1 if something does."""
    from ..export.record_diff import diff as compared

    reads = reading(steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    (net_a, _, unused), (net_b, _, unused_b) = (inputs.open_net(network_of(path), **reads) for path in (a, b))
    refuse_unused({name: of for name, of in unused.items() if name in unused_b}, inputs.told_unused([a, b]))
    found = compared(net_a, net_b)
    if as_json:
        plain = found._asdict() | {"same": found.same, "fields": [field._asdict() for field in found.fields]}
        console.print_json(plain)
    else:
        _print(found, str(a), str(b))
    if not found.same:
        raise typer.Exit(1)


def _print(found: RecordDiff, a: str, b: str) -> None:
    if found.same:
        console.OUT.print("the same network: no field differs")
        return
    for path, names in ((a, found.only_a), (b, found.only_b)):
        if names:
            console.OUT.print(f"only in {path}: {', '.join(names)}")
    rows = [
        (
            f"{field.where}, {field.field}",
            f"{field.differ:,}",
            f"{field.entries:,}",
            field.first,
            str(field.a),
            str(field.b),
        )
        for field in found.fields
    ]
    if rows:
        print_table(("field", "differ", "of", "first at", "first file", "second file"), rows)

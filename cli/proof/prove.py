"""``spikeproof prove``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ...contract.errors import InputError
from ..given import inputs
from ..given.options import (
    AsJson,
    ClampDelays,
    DelayShift,
    Dt,
    Force,
    InputShape,
    Steps,
    network_of,
    reading,
    refuse_unused,
)
from ..terminal import console
from ..terminal.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from ...contract.net import Net
    from ...sim.bounds import Bounds
    from ...sim.search import Reached


def prove(
    net: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    max_active: Annotated[
        int | None, typer.Option(min=1, help="Assume that at most so many inputs are active in a step.")
    ] = None,
    unit_input: Annotated[
        bool, typer.Option("--unit-input", help="Assume that all values of the input are from 0 to 1.")
    ] = False,
    max_spikes: Annotated[
        list[str] | None,
        typer.Option(help="LAYER=N: assume that at most so many neurons of a layer fire in a step. More than once."),
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="Samples, .npy or .npz, on which what is assumed is checked."),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Search inputs that take registers far, beside the bounds.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the search; default 0.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write inputs that leave a range here, as .npz.")
    ] = None,
    force: Force = False,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    dt: Dt = None,
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Bound every sum and register for every input; exit 0 if none can leave its range, 1 if that is not proven."""
    from ...export import files
    from ...sim.bounds import bounds, quick
    from ...sim.ranges.changes import changes
    from ...sim.search import search as search_inputs

    few = _spikes(max_spikes or [])
    if input_file is not None and not (max_active or unit_input or few):
        raise InputError("--input is for samples that assumptions are checked on; a proof alone needs none.")
    if not search:
        refuse_unused({"--output": output, "--seed": seed}, "only with --search, which finds inputs.")
    if output is None:
        refuse_unused({"--force": force}, "only with --output, which it lets replace a file.")
    named, (output, to) = output, console.destination(output)
    if output is not None:
        files.check(output, force=force, read=[network_of(net), *([input_file] if input_file else [])])
    x = None if input_file is None else inputs.read_array(input_file)
    record, _ = inputs.read_net(
        network_of(net), x, **reading(steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    )
    with console.progress() as show:
        assumed: dict[str, Any] = {"max_active": max_active, "unit_input": unit_input, "max_spikes": few, "samples": x}
        found = bounds(record, **assumed, progress=lambda done, total: show("steps", done, total))
        reached = {}
        if search:
            made = search_inputs(
                record, found, seed=seed or 0, progress=lambda done, total: show("search", done, total)
            )
            reached = {(one.layer, one.register): one for one in made}
        nearer = [] if found.proven or not quick(record) else changes(record, found, lambda net: bounds(net, **assumed))
    if as_json:
        told = [{"layer": one.layer, "register": one.register, "value": one.value} for one in reached.values()]
        steps_on = [{"layer": one.layer, "change": one.words} for one in nearer]
        console.print_json(found.as_dict() | {"found": told if search else None, "changes": steps_on}, to)
    else:
        _print(found, reached, to)
        for one in nearer:
            to.print(f"would prove {one.layer}: {one.words}", markup=False, highlight=False)
    left = [one for one in reached.values() if one.left]
    if left and not as_json:
        names = ", ".join(f"{one.layer}'s {one.register}" for one in left)
        to.print(
            f"found: inputs that take {names} out of its range{'; -o writes them' * (output is None)}", markup=False
        )
    if output is not None:
        if left:
            _write(output, record, left)
        _told(named, to is console.ERR, net, len(left))
    if not found.proven:
        raise typer.Exit(1)


def _told(named: Path | None, is_stdout: bool, net: Path, count: int) -> None:
    """Say what became of the file of found inputs."""
    if not count:
        words = f"{'stdout' if is_stdout else named}: nothing is written, for no input was found that leaves a range"
    elif is_stdout:
        words = f"{count} inputs that leave a range written to stdout"
    else:
        words = (
            f"{named}: {count} inputs that leave a range. To see what they do: spikeproof verify {net} --input {named}"
        )
    console.NOTE.print(words, markup=False)


def _spikes(given: list[str]) -> dict[str, int]:
    """Return the layers and numbers that ``--max-spikes`` names."""
    found = {}
    for each in given:
        name, equals, number = each.rpartition("=")
        if not equals or not (number.isascii() and number.isdecimal()):
            raise InputError(f"--max-spikes {each}: write LAYER=N with a whole number of spikes a step, celif1=20 say.")
        found[name] = int(number)
    return found


def _write(output: Path, net: Net, left: list[Reached]) -> None:
    """Write inputs that take a register out of its range, as verify takes them, with what they take there."""
    from ...export import files

    units = np.concatenate([np.full(source.num_channels, 2.0**source.exp) for source in net.inputs])
    with files.replacing(output) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            x=np.stack([one.payload * units[:, None] for one in left]),
            layer=np.array([one.layer for one in left]),
            register=np.array([one.register for one in left]),
            value=np.array([one.value for one in left]),
        )


def _print(found: Bounds, reached: dict[tuple[str, str], Reached], to: Console) -> None:
    rows = [
        (
            f"{bound.layer}, {bound.register}",
            f"{bound.low:,}",
            f"{bound.high:,}",
            f"{bound.used:.1%}" if bound.used < 10 else f"{bound.used:,.0f} times",
            *([_of(reached.get((bound.layer, bound.register)))] if reached else []),
            "yes" if bound.proven else "no",
        )
        for bound in found.found
    ]
    found_too = ("found",) if reached else ()
    print_table(("layer, register", "lowest", "highest", "of its range", *found_too, "proven"), rows, to=to)
    to.print(str(found), markup=False, highlight=False)


def _of(one: Reached | None) -> str:
    if one is None:
        return "-"
    return "left it" if one.left else f"{one.used:.1%}"

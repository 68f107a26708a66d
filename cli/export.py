"""``spikeproof export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import console, inputs
from .options import ClampDelays, DelayShift, Force, InputShape, Steps, reading


def export(
    source: Annotated[Path, typer.Argument(help="Folder of a training run, or a network file to convert.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .nir, else NetX.")] = Path("net.net"),
    force: Force = False,
    dt: Annotated[
        float | None, typer.Option(min=0, help="Time step of another tool's .nir, in s; default 1e-4.")
    ] = None,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    clamp_delays: ClampDelays = False,
) -> None:
    """Write a trained network to a file, or convert one: NetX HDF5 or NIR; another tool's NIR is quantised.

    Warnings of the linter about the file, on what another tool would make of it, go to stderr.
    """
    from ..export import files, formats
    from ..export.lint.check import lint
    from ..export.slayer import record

    named = output
    there, to = console.destination(output)
    assert there is not None
    output = there
    files.check(output, force=force)
    if not source.is_dir():
        what = _convert(source, output, dt, reading(steps, input_shape, delay_shift, clamp_delays))
    else:
        opened, module, task = inputs.open_run(source)
        formats.write(record(module, sample=task.test.x[:2]), output)
        what = opened.recipe().task
    if to is console.ERR or not output.is_file():
        to.print(f"{what} network written to {'stdout' if to is console.ERR else named}")
        return
    to.print(f"{named}: {what} network, {output.stat().st_size:,} bytes")
    console.print_findings([finding for finding in lint(output) if finding.severity == "warning"], console.ERR)


def _convert(source: Path, output: Path, dt: float | None, reads: dict[str, Any]) -> str:
    """Write a network file anew in the format of another; return what it was."""
    from ..export import formats, stock

    if stock.is_stock(source):
        formats.write(stock.load(source, **reads), output)
        inputs.tell_notes(source, reads)
        return "imported"
    if not formats.is_nir(source):
        formats.write(formats.load(source), output)
        return "converted"
    from ..export.nir import file as nir_file
    from ..export.nir.foreign import Imported

    found = nir_file.read(source, dt=dt, steps=reads["steps"])
    if isinstance(found, Imported):
        for note in found.notes:
            console.OUT.print(note, markup=False)
        formats.write(found.net, output)
        return "imported"
    formats.write(found, output)
    return "converted"

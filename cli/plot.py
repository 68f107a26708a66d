"""``spikeproof plot``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..contract.errors import InputError
from .given import inputs
from .given.options import Force
from .terminal import console


def plot(
    trace: Annotated[Path, typer.Argument(help="Trace, .npz, as simulate -o writes it.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture, .svg or .png; default that of the trace, as .svg.")
    ] = None,
    sample: Annotated[int, typer.Option(min=0, help="Which sample.")] = 0,
    layer: Annotated[list[str] | None, typer.Option(help="Draw this layer; default all. More than once.")] = None,
    force: Force = False,
) -> None:
    """Draw the spikes of a trace, a row a neuron."""
    from ..export import files
    from ..sim.arrays import trace_of

    if not trace.name or os.path.isdir(trace):
        raise InputError(f"{trace} is a folder. Name the file of a trace, as spikeproof simulate -o writes one.")
    output = output or trace.with_suffix(".svg")
    files.check(output, force=force, read=[trace])
    picture = trace_of(inputs.read_arrays(trace), trace.name).plot(sample, layers=layer)
    console.OUT.print(str(picture.save(output)))

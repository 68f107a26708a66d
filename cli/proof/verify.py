"""``spikeproof verify``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ...contract.errors import InputError
from ..given import inputs
from ..given.options import (
    AsJson,
    ClampDelays,
    Deadline,
    DelayShift,
    Dt,
    InputShape,
    Samples,
    Steps,
    network_of,
    reading,
)
from ..terminal import console
from .verdict import Reads, prove_file, prove_module, prove_run

_LAVA_SAMPLES = 24


def verify(
    target: Annotated[Path, typer.Argument(help="Folder of a training run, or a network file.")],
    samples: Samples = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="Input, .npy or .npz; default random, or a run's test part."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare a network file with this recording of a chip or another simulator, .npz or .csv."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Names of the columns of a .csv without a first line of names: input,v,s.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report to this HTML file.")] = None,
    lava_samples: Annotated[
        int | None, typer.Option(min=1, help="Samples that Lava runs too; default all up to 24.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of Lava's samples.")] = 0,
    registers: Annotated[
        bool,
        typer.Option(
            "--registers/--spikes-only",
            help="Whether torch and the engine are compared in every register too; Lava always is.",
        ),
    ] = True,
    deadline: Deadline = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", help="Spread Lava's samples over so many processes.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Spread Lava's samples over the Dask cluster at this address.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="File for the results of -j or --scheduler; a run that ended early goes on.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples in one Lava run of -j or --scheduler.", min=1)] = 8,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    dt: Dt = None,
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Compare every spike and register of torch, the batch engine and Lava; exit 0 if exact, 1 if not."""
    reads = partial(reading, steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    if against is not None:
        refused = {"--report": report, "--samples": samples, "-j": workers, "--scheduler": scheduler}
        _prove_recording(network_of(target), against, columns, input_file, reads, refused, as_json=as_json)
        return
    if columns is not None:
        raise InputError("--columns names the columns of a .csv file that --against names.")
    options: dict[str, Any] = {
        "lava_samples": lava_samples or _LAVA_SAMPLES,
        "seed": seed,
        "registers": registers,
        "deadline": deadline,
    }
    if workers is not None or scheduler is not None:
        from ...sim.sweep.sweep import Sweep

        results = results or (target if target.is_dir() else target.parent)
        options["sweep"] = Sweep(workers=workers, scheduler=scheduler, results=results, batch=batch)
    elif results is not None:
        raise InputError("--results is for -j or --scheduler, which write their results as they come.")
    if target.is_dir() and dt is not None:
        raise InputError("--dt is for another tool's .nir; a training run has steps of its own.")
    if target.is_dir():
        if input_file is not None:
            prove_module(target, samples, input_file, report, options, as_json=as_json)
        else:
            prove_run(target, samples, report, options, as_json=as_json)
    else:
        prove_file(target, samples, input_file, report, options, reads, as_json=as_json)


def _prove_recording(
    path: Path,
    against: Path,
    columns: str | None,
    input_file: Path | None,
    reads: Reads,
    refused: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Compare a network file with a recording: exit 0 if all that was recorded is equal, 1 if not."""
    from ...sim.recordings import recordings
    from ...sim.recordings.recorded import verify_recorded
    from ...sim.simulate import encode

    useless = [name for name, value in refused.items() if value is not None]
    if useless:
        raise InputError(
            f"{', '.join(useless)}: not with --against, which compares all that was recorded, on the engine."
        )
    x = None if input_file is None else inputs.read_array(input_file)
    table = against.suffix.lower() == ".csv"
    if table:
        named, rows = inputs.read_table(against)
        if named is None and columns is None:
            raise InputError(f"{against}: its first line has no names. Give them: --columns input,v,s.")
        names = [name.strip() for name in columns.split(",")] if columns is not None else named or []
        if x is None and recordings.INPUT in names and len(names) == rows.shape[1]:
            x = rows[:, names.index(recordings.INPUT)][None, None]
    else:
        if columns is not None:
            raise InputError("--columns is for a .csv file; the arrays of a .npz file have names.")
        arrays = inputs.read_arrays(against)
        x = arrays.get("x") if x is None else x
    if x is None:
        raise InputError(f"{against}: what was the input? Give it with -i x.npz.")
    net, _ = inputs.read_net(path, **reads(x))
    payload = encode(net, x)
    try:
        found = recordings.of_columns(net, names, rows) if table else recordings.of_arrays(net, arrays)
        verdict = verify_recorded(net, payload, found)
    except InputError as error:
        raise InputError(f"{against}: {error}") from None
    if as_json:
        console.print_json(verdict.as_dict())
    else:
        console.OUT.print(str(verdict))
    if not verdict.exact:
        raise typer.Exit(1)

"""``spikeproof verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ...contract.errors import InputError
from ..given import inputs
from ..given.options import (
    OF_RUN,
    AsJson,
    ClampDelays,
    Deadline,
    DelayShift,
    Dt,
    InputShape,
    Samples,
    Steps,
    given,
    network_of,
    of_reading,
    reading,
    refuse_name,
    refuse_unused,
)
from ..terminal import console
from .verdict import prove_file, prove_module, prove_run

_LAVA_SAMPLES, _BATCH = 24, 8


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
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the choice of Lava's samples; default 0.")] = None,
    registers: Annotated[
        bool | None,
        typer.Option(
            "--registers/--spikes-only",
            help="Whether torch and the engine are compared in every register too, the default; Lava always is.",
        ),
    ] = None,
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
    batch: Annotated[
        int | None, typer.Option(help="Samples in one Lava run of -j or --scheduler; default 8.", min=1)
    ] = None,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    dt: Dt = None,
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Compare every spike and register of torch, the batch engine and Lava; exit 0 if exact, 1 if not."""
    reads = reading(steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    spread = {"-j": workers, "--scheduler": scheduler}
    of_spread = {"--results": results, "--batch": batch}
    refuse_name(target)
    if against is not None:
        lava = {"--lava-samples": lava_samples, "--seed": seed, "--deadline": deadline}
        of_torch = {"--registers": registers is True, "--spikes-only": registers is False}
        refuse_unused(
            {"--report": report, "--samples": samples, **spread, **of_spread, **lava, **of_torch},
            "not with --against, which compares all that was recorded, on the engine. Leave it out.",
        )
        _prove_recording(network_of(target), against, columns, input_file, reads, as_json=as_json)
        return
    if columns is not None:
        raise InputError("--columns names the columns of a .csv file that --against names.")
    options: dict[str, Any] = {
        "lava_samples": lava_samples or _LAVA_SAMPLES,
        "seed": seed or 0,
        "registers": registers is not False,
        "deadline": deadline,
    }
    if given(spread):
        from ...sim.sweep.sweep import Sweep

        results = results or (target if target.is_dir() else target.parent)
        options["sweep"] = Sweep(workers=workers, scheduler=scheduler, results=results, batch=batch or _BATCH)
    else:
        refuse_unused(
            of_spread, "for -j or --scheduler, which spread Lava's samples and write their results as they come."
        )
    if not target.is_dir():
        prove_file(target, samples, input_file, report, options, reads, as_json=as_json)
        return
    refuse_unused(of_reading(reads), OF_RUN)
    if input_file is not None:
        prove_module(target, samples, input_file, report, options, as_json=as_json)
    else:
        prove_run(target, samples, report, options, as_json=as_json)


def _prove_recording(
    path: Path,
    against: Path,
    columns: str | None,
    input_file: Path | None,
    reads: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Compare a network file with a recording: exit 0 if all that was recorded is equal, 1 if not."""
    from ...sim.recordings import recordings
    from ...sim.recordings.recorded import verify_recorded
    from ...sim.simulate import encode

    x = None if input_file is None else inputs.read_array(input_file)
    table = against.suffix.lower() == ".csv"
    if table:
        named, rows = inputs.read_table(against)
        if named is None and columns is None:
            raise InputError(f"{against}: its first line has no names. Give them: --columns input,v,s.")
        names = [name.strip() for name in columns.split(",")] if columns is not None else named or []
        if x is None and names.count(recordings.INPUT) > 1:
            raise InputError(f"{against}: it has several columns called input. Give the input with -i x.npz.")
        if x is None and recordings.INPUT in names and len(names) == rows.shape[1]:
            x = rows[:, names.index(recordings.INPUT)][None, None]
    else:
        if columns is not None:
            raise InputError("--columns is for a .csv file; the arrays of a .npz file have names.")
        arrays = inputs.read_arrays(against)
        x = arrays.get("x") if x is None else x
    if x is None:
        raise InputError(f"{against}: what was the input? Give it with -i x.npz.")
    net, _ = inputs.read_net(path, x, **reads)
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

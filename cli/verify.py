"""``spikeproof verify``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..contract.errors import InputError
from .options import AsJson, ClampDelays, Deadline, DelayShift, InputShape, Samples, Steps, reading
from .verdict import prove_file, prove_run

_LAVA_SAMPLES = 24


def verify(
    target: Annotated[Path, typer.Argument(help="Folder of a training run, or a network file.")],
    samples: Samples = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="Input for a network file, .npy or .npz; default random."),
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
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Compare every spike and register of torch, the batch engine and Lava; exit 0 if exact, 1 if not."""
    options: dict[str, Any] = {
        "lava_samples": lava_samples or _LAVA_SAMPLES,
        "seed": seed,
        "registers": registers,
        "deadline": deadline,
    }
    if workers is not None or scheduler is not None:
        from ..sim.sweep.sweep import Sweep

        results = results or (target if target.is_dir() else target.parent)
        options["sweep"] = Sweep(workers=workers, scheduler=scheduler, results=results, batch=batch)
    elif results is not None:
        raise InputError("--results is for -j or --scheduler, which write their results as they come.")
    if target.is_dir():
        if input_file is not None:
            raise InputError("--input is for a network file; a training run is verified on its own test part.")
        prove_run(target, samples, report, options, as_json=as_json)
    else:
        reads = partial(reading, steps, input_shape, delay_shift, clamp_delays)
        prove_file(target, samples, input_file, report, options, reads, as_json=as_json)

"""``spikeproof export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..contract.errors import InputError
from .given import inputs
from .given.options import (
    OF_RUN,
    ClampDelays,
    DelayShift,
    Dt,
    Force,
    InputShape,
    Samples,
    Steps,
    of_reading,
    reading,
    refuse_unused,
    samples_of,
)
from .terminal import console

if TYPE_CHECKING:
    from ..contract.net import Net


def export(
    source: Annotated[Path, typer.Argument(help="Folder of a training run, or a network file to convert.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .nir, else NetX; default net.net.")
    ] = None,
    force: Force = False,
    dt: Dt = None,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    clamp_delays: ClampDelays = False,
    stock_netx: Annotated[
        bool, typer.Option("--stock", help="Refuse what stock lava-dl's NetX cannot load and run exactly.")
    ] = False,
    harness: Annotated[
        Path | None,
        typer.Option(
            help="Write this folder in place of a file: the network, inputs, what they should give, and a script that "
            "records what stock Lava or a Loihi 2 chip gives."
        ),
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="Input of --harness, .npy or .npz; default a run's test part, or random."),
    ] = None,
    samples: Samples = None,
) -> None:
    """Write a trained network to a file, or convert one: NetX HDF5 or NIR; another tool's NIR is quantised.

    Warnings of the linter about the file, on what another tool would make of it, go to stderr.
    """
    from ..export import files, formats
    from ..export.lint.check import lint
    from ..export.netx import stock_forms

    if harness is None:
        refuse_unused({"--input": input_file, "--samples": samples}, "only with --harness, which writes inputs too.")
    reads = reading(steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    if source.is_dir():
        refuse_unused(of_reading(reads), OF_RUN)
    if harness is not None:
        refuse_unused(
            {"--output": output, "--stock": stock_netx, "--force": force},
            "of no use with --harness, which writes a new folder, and into it a network that stock NetX runs exactly.",
        )
        _write_harness(source, harness, input_file, samples, reads)
        return
    named = output or Path("net.net")
    output, to = console.destination(named)
    assert output is not None  # since named is not
    files.check(output, force=force, read=_read_of(source))
    if stock_netx and formats.is_nir(output):
        raise InputError(
            f"--stock: {output} is a NIR file, which stock NetX does not read. Name a file of another suffix."
        )
    net, what, _ = _network(source, reads)
    formats.write(net, output, stock=stock_netx)
    if to is console.ERR or not output.is_file():
        to.print(f"{what} network written to {'stdout' if to is console.ERR else named}")
        return
    to.print(f"{named}: {what} network, {output.stat().st_size:,} bytes")
    if not formats.is_nir(output):
        told = stock_forms.told_of_graph if stock_netx and not net.is_in_a_row else stock_forms.told
        to.print("\n".join(told(net, str(named))), markup=False)
    console.print_findings([finding for finding in lint(output) if finding.severity == "warning"], console.ERR)


def _read_of(source: Path) -> list[Path]:
    """Return the files that an export of a run or of a file reads."""
    if not source.is_dir():
        return [source]
    from ..train.runs.run import Run

    run = Run(source)
    if not run.finished:
        return []  # opening it says so
    parameters = run.model_path if run.model_path.exists() else run.net_path
    return [parameters, run.recipe_path, run.task_path, run.log_path, run.result_path]


def _network(source: Path, reads: dict[str, Any]) -> tuple[Net, str, Any]:
    """Return the record of a run or in a file, what becomes of it, and a run's test samples."""
    if not source.is_dir():
        return *_read(source, reads), None
    from ..export.slayer import record

    opened, module, task = inputs.open_run(source)
    return record(module, sample=task.test.x[:2]), opened.recipe().task, task.test.x


def _read(source: Path, reads: dict[str, Any]) -> tuple[Net, str]:
    """Return the record in a network file, and what becomes of it."""
    from ..export import formats, stock

    net, graph = inputs.read_net(source, **reads)
    foreign = graph is not None or (not formats.is_nir(source) and stock.is_stock(source))
    return net, "imported" if foreign else "converted"


_HARNESS_SAMPLES = 5


def _write_harness(source: Path, folder: Path, input_file: Path | None, samples: str | None, reads: Any) -> None:
    """Write the folder of `spikeproof.sim.harness`."""
    from ..sim.harness import harness
    from ..sim.simulate import encode

    if str(folder) == "-":
        raise InputError("--harness writes a folder, which stdout is not. Name one.")
    net, _, x = _network(source, reads)
    x = x if input_file is None else inputs.read_array(input_file)
    if x is not None and x.ndim < 3:
        encode(net, x)  # which says what shape it wants
    count = samples_of(samples, None if x is None else len(x), _HARNESS_SAMPLES)
    payload = encode(net, inputs.random_input(net, count) if x is None else x[:count])
    harness.write(net, payload, folder)
    console.OUT.print(
        f"{folder}: {count} sample{'s' * (count != 1)}. Whoever has Lava, or a Loihi 2 chip, runs python record.py "
        f"there, with --chip for the chip. Then: spikeproof verify {folder}/network.net --against {folder}/trace.npz",
        markup=False,
    )

"""The comparison of a trained run or a network file with the engine and Lava, and what it says: exit 0 or 1."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from ..given import inputs
from ..given.options import samples_of
from ..recipes import toml
from ..terminal import console

if TYPE_CHECKING:
    from ...sim.verify.verdict import Verdict


def prove_run(
    folder: Path, samples: str | None, report: Path | None, options: dict[str, Any], *, as_json: bool = False
) -> None:
    """Compare a trained run with the engine and Lava on its test part."""
    from ...sim.report import page as reports
    from ...sim.verify.verify import verify

    if report is not None:
        reports.check(report)
    trained = inputs.open_run(folder)
    count = samples_of(samples, len(trained.task.test.y))
    with console.progress() as show:
        verdict = verify(trained, samples=count, progress=show, **options)
    _tell(verdict, as_json=as_json)
    if report is not None:
        run, result = trained.run, trained.run.result()
        stored = run.net_path
        reports.write(
            verdict,
            report,
            title=f"{folder.name}: {trained.task.name} on torch and on Lava",
            whole_test=(result["test_score"], result["test_samples"]),
            net_path=stored if stored.exists() else None,
            facts={
                **_command(),
                "recipe": toml.stated(run.recipe()),
                "trained with": ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
            },
        )
    _finish(verdict, report, as_json=as_json)


def prove_module(
    folder: Path,
    samples: str | None,
    input_file: Path,
    report: Path | None,
    options: dict[str, Any],
    *,
    as_json: bool = False,
) -> None:
    """Compare a trained run's module with the engine and Lava on an input that no task knows the answers to."""
    from ...sim.report import page as reports
    from ...sim.verify.verify import verify

    if report is not None:
        reports.check(report, [input_file])
    trained = inputs.open_run(folder)
    x = inputs.read_array(input_file).astype(np.float32)
    x = x[: samples_of(samples, len(x))] if x.ndim else x
    with console.progress() as show:
        verdict = verify(trained.module, x, file=trained.run.net_path, progress=show, **options)
    _tell(verdict, as_json=as_json)
    if report is not None:
        reports.write(
            verdict,
            report,
            title=f"{folder.name} on {input_file.name}",
            net_path=trained.run.net_path,
            facts=_command(),
        )
    _finish(verdict, report, as_json=as_json)


def prove_file(
    path: Path,
    samples: str | None,
    input_file: Path | None,
    report: Path | None,
    options: dict[str, Any],
    reads: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Compare a network file's record with the engine and Lava, and with the graph that it was imported from."""
    from ...sim.report import page as reports
    from ...sim.verify.verify import verify

    if report is not None:
        reports.check(report, [path, input_file])
    x = None if input_file is None else inputs.read_array(input_file)
    net, imported = inputs.read_net(path, x, **reads)
    if x is None:
        x = inputs.random_input(net, samples_of(samples, None))
        console.NOTE.print("No --input given: random input, seed 0.")
    elif x.ndim:
        x = x[: samples_of(samples, len(x))]
    with console.progress() as show:
        verdict = verify(imported or net, x, progress=show, **options)
    _tell(verdict, as_json=as_json)
    if report is not None:
        reports.write(verdict, report, title=f"{path.name}: the contract and Lava", net_path=path, facts=_command())
    _finish(verdict, report, as_json=as_json)


def _command() -> dict[str, str]:
    """Return what a report says of when it was made, and by what."""
    now = datetime.now(timezone.utc)
    return {"command": shlex.join(["spikeproof", *sys.argv[1:]]), "date": f"{now:%Y-%m-%d %H:%M} UTC"}


def _tell(verdict: Verdict, *, as_json: bool) -> None:
    """Print what was found, with -q in a word; a report that cannot be written after that takes nothing of it."""
    if as_json:
        console.print_json(verdict.as_dict())
    elif console.NOTE.quiet:
        console.OUT.print("EXACT" if verdict.exact else "NOT EXACT")
    else:
        console.OUT.print(str(verdict))


def _finish(verdict: Verdict, report: Path | None, *, as_json: bool) -> None:
    """Say where the report is, and exit with 1 if the verdict is not exact."""
    if report is not None and not as_json and not console.NOTE.quiet:
        console.OUT.print(f"report: {report}")
    if not verdict.exact:
        raise typer.Exit(1)

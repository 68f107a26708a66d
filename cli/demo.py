"""``spikeproof demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..contract.errors import InputError
from ..train.runs.score import told
from .given.options import Deadline, Force, Settings, count_of_samples, refuse_unused
from .given.pretrained import folder_of, names
from .proof.verdict import prove_run
from .terminal import console
from .terminal.tables import print_table
from .train import train_run


def demo(
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the run; default runs/demo, with --pretrained runs/demo-NAME.")
    ] = None,
    samples: Annotated[
        str, typer.Option("--samples", "-n", help="Number of samples, or 'all'.", callback=count_of_samples)
    ] = "24",
    settings: Settings = None,
    deadline: Deadline = None,
    force: Force = False,
    encodings: Annotated[
        bool, typer.Option("--encodings", help="Train a second network whose encoding CPG oscillators drive; compare.")
    ] = False,
    pretrained: Annotated[
        str | None,
        typer.Option(
            help="Prove a trained network instead, and write its report to --folder; spikeproof networks lists them.",
            autocompletion=names,
        ),
    ] = None,
) -> None:
    """Train CE-LIF with CPG codes on the digits, export, run on Lava, prove parity, write report.html."""
    from ..export import files
    from ..export.describe import describe
    from ..export.formats import load
    from ..train.runs.run import Run

    if pretrained is not None:
        refuse_unused(
            {"--set": settings, "--force": force, "--encodings": encodings},
            f"not with --pretrained, for {pretrained} is trained already. Leave it out.",
        )
        kept, place = folder_of(pretrained), files.folder(folder or Path("runs") / f"demo-{pretrained}")
        prove_run(kept, samples, place / "report.html", {"deadline": deadline})
        return
    folder = folder or Path("runs/demo")
    _demo("digits", folder, samples, settings, deadline, force)
    if not encodings:
        return
    driven = folder.with_name(f"{folder.name}-driven")
    _demo("digits-driven", driven, samples, settings, deadline, force)
    rows = []
    for run in (Run(folder), Run(driven)):
        te = describe(load(run.net_path))["te"]
        rows.append((te["kind"], str(te["bytes_a_neuron"]), told(run.result()), str(run.folder)))
    headings = ("temporal encoding", "bytes a neuron", "test accuracy", "run")
    print_table(headings, rows, title="Table and CPG-driven encoding")


def _demo(
    recipe_name: str,
    folder: Path,
    samples: str,
    settings: list[str] | None,
    deadline: float | None,
    force: bool,
) -> None:
    from ..sim.report import page
    from ..train.runs.recipe import find
    from ..train.runs.run import Run

    recipe = find(recipe_name).replace(settings or [])
    run = Run(folder)
    if (run.started or run.finished) and run.recipe() != recipe and not force:
        raise InputError(f"{folder} holds a run of another recipe. Name another --folder, or replace it with --force.")
    if folder.is_dir():
        page.check(folder / "report.html")
    if run.finished and run.recipe() == recipe:
        console.NOTE.print(
            f"{folder} holds this recipe's trained network already; without the folder it is trained again."
        )
    else:
        train_run(recipe, folder)
    prove_run(folder, samples, folder / "report.html", {"deadline": deadline})

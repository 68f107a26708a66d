"""``spikeproof train``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from ..contract.errors import InputError
from ..train.runs.score import told
from .given.options import Device, Force, Precision, Settings
from .recipes import toml
from .terminal import console, epochs
from .terminal.tables import print_table


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe's name, or a TOML file; spikeproof recipes lists them.", autocompletion=toml.names
        ),
    ],
    settings: Settings = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/<recipe>.")] = None,
    force: Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the whole recipe and the network's parameters, and train nothing.")
    ] = False,
    device: Annotated[
        Device, typer.Option("--device", "--accelerator", help="What trains; auto is a GPU if there is one.")
    ] = Device.auto,
    precision: Annotated[
        Precision, typer.Option(help="Bits of floats; bf16 is for floating-point networks alone.")
    ] = Precision.full,
    devices: Annotated[int, typer.Option(min=1, help="Processes on this machine that share each batch.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that share each batch.")] = 1,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard logs too.")] = False,
) -> None:
    """Train a recipe; writes runs/<name>/ and goes on where an interrupted run of the same recipe was."""
    from ..train.runs.loop import memory
    from ..train.runs.recipe import find
    from ..train.runs.run import Run

    chosen = find(recipe).replace(settings or [])
    where: dict[str, Any] = {
        "devices": devices,
        "nodes": nodes,
        "accelerator": device.value,
        "precision": precision.value,
    }
    if dry_run:
        from ..train.runs.fit import checked_where

        checked_where(chosen, **where)
        _show(chosen)
        return
    run = Run(folder or Path("runs") / Path(recipe).stem)
    if run.finished and not force:
        raise InputError(f"{run.folder} holds a finished run. Name another --folder, or replace it with --force.")
    if run.started and not force and run.recipe() != chosen:
        raise InputError(
            f"{run.folder} holds an unfinished run of another recipe. Name another --folder, or replace it with "
            "--force."
        )
    memory.keep()
    train_run(chosen, run.folder, **where, tensorboard=tensorboard)


def train_run(recipe: Any, folder: Path, **options: Any) -> None:
    """Train a recipe, tell of every epoch, and say what came of it."""
    from ..train.runs.fit import fit, leads
    from ..train.runs.loop.divergence import LARGE
    from ..train.runs.loop.epochs import Epoch

    large: list[Epoch] = []
    with epochs.shown() as (tell, step):

        def epoch(found: Epoch) -> None:
            tell(found)
            if not found.gradient_largest <= LARGE:
                large.append(found)

        run = fit(recipe, folder, on_epoch=epoch, on_step=step, **options)
    if not leads():
        return
    result = run.result()
    console.OUT.print(
        f"trained {recipe.task}, {list(recipe.hidden)}: {result['parameters']:,} parameters, test {result['metric']} "
        f"{told(result)} of {result['test_samples']:,} samples (epoch {result['epoch']}), {result['seconds']} s"
    )
    if recipe.deployable:
        console.OUT.print(f"exported {run.net_path}")
    if large:
        skipped = sum(epoch.skipped for epoch in large)
        most = max(large, key=lambda epoch: epoch.gradient_largest)
        console.OUT.print(
            f"note: gradients reached a norm of {most.gradient_largest:.1e} before clipping in epoch {most.epoch}, and "
            f"more than {LARGE:.0e} in {len(large)} of {recipe.epochs} epochs ({run.log_path} has them). A te_mean "
            "nearer to 0 or a smaller half_width starts calmer."
            + f" {skipped} steps with gradients that are not finite were left out."
            * bool(skipped)
        )


def _show(recipe: Any) -> None:
    """Print a recipe with all its keys, and the network that it makes for its task."""
    from ..train.runs.build import build

    console.OUT.print(toml.text(recipe))
    task = recipe.load_task()
    sizes = {name: tuple(each.shape) for name, each in build(recipe, task).named_parameters()}
    counts = {name: math.prod(shape) for name, shape in sizes.items()}
    rows = [(name, " x ".join(map(str, shape)) or "1", f"{counts[name]:,}") for name, shape in sizes.items()]
    print_table(("parameter", "shape", "numbers"), [*rows, ("in all", "", f"{sum(counts.values()):,}")])
    channels, steps = task.train.x.shape[1], task.train.x.shape[-1]
    held_out = 0 if task.validation is None else len(task.validation.y)
    console.OUT.print(
        f"{task.name}: {len(task.train.y):,} samples to train on, {held_out:,} held out, {len(task.test.y):,} to test; "
        f"{channels:,} channel{'s' * (channels != 1)}, {steps:,} steps a sample; "
        f"{recipe.steps(task):,} optimiser step{'s' * (recipe.steps(task) != 1)} in {recipe.epochs:,} "
        f"epoch{'s' * (recipe.epochs != 1)}"
    )

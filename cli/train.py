"""``spikeproof train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..contract.errors import InputError
from . import console
from .options import Force, Settings


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a TOML file; an unknown name lists them.")],
    settings: Settings = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/<recipe>.")] = None,
    force: Force = False,
    devices: Annotated[int, typer.Option(min=1, help="Processes on this machine that share each batch.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that share each batch.")] = 1,
    accelerator: Annotated[str, typer.Option(help="cpu, gpu, or auto: a GPU if there is one.")] = "auto",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard logs too.")] = False,
) -> None:
    """Train a recipe; writes runs/<name>/ and goes on where an interrupted run of the same recipe was."""
    from ..train.runs.recipe import find
    from ..train.runs.run import Run

    chosen = find(recipe).replace(settings or [])
    run = Run(folder or Path("runs") / Path(recipe).stem)
    if run.finished and not force:
        raise InputError(f"{run.folder} holds a finished run. Name another --folder, or replace it with --force.")
    if run.started and run.recipe() != chosen and not force:
        raise InputError(
            f"{run.folder} holds an unfinished run of another recipe. Name another --folder, or replace it with "
            "--force."
        )
    train_run(chosen, run.folder, devices=devices, nodes=nodes, accelerator=accelerator, tensorboard=tensorboard)


def train_run(recipe: Any, folder: Path, **options: Any) -> None:
    """Train a recipe under a progress bar, and say what came of it."""
    from ..train.runs.fit import fit, leads
    from ..train.runs.loop.divergence import LARGE
    from ..train.runs.loop.epochs import Epoch

    large: list[Epoch] = []
    with console.progress_bar() as bar:
        task = bar.add_task("training", total=None)

        def epoch(found: Epoch) -> None:
            held_out = "" if found.validation_score is None else f", held out {found.validation_score:.4f}"
            words = f"epoch {found.epoch}: loss {found.loss:.3f}, score {found.train_score:.4f}{held_out}"
            bar.update(task, description=words)
            if not found.gradient_largest <= LARGE:
                large.append(found)

        run = fit(
            recipe,
            folder,
            on_epoch=epoch,
            on_step=lambda done, total: bar.update(task, completed=done, total=total),
            **options,
        )
    if not leads():
        return
    result = run.result()
    console.OUT.print(
        f"trained {recipe.task}, {list(recipe.hidden)}: {result['parameters']:,} parameters, test {result['metric']} "
        f"{score(result)} of {result['test_samples']:,} samples (epoch {result['epoch']}), {result['seconds']} s"
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


def score(result: dict[str, Any]) -> str:
    """Return the test score of a run's result in words."""
    score: float = result["test_score"]
    return f"{score:.4g}" if "error" in result["metric"] else f"{score:.2%}"

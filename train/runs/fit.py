"""Trains a recipe with Lightning.

A run that was ended, by a signal or by the machine, goes on after its last whole epoch and reaches the weights that
it would have reached: the order of samples depends on the seed and the epoch only, and a checkpoint holds the rest.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from lightning.pytorch.utilities.warnings import PossibleUserWarning

from ... import __version__
from ...contract.errors import FileFormatError, InputError, InterruptedRunError, MissingDependencyError
from ...export import files, memory
from ..tasks import Task
from .build import build, check_memory
from .evaluate import evaluate
from .lock import locked
from .loop.batches import FloatPrecision, device_type, float_precision
from .loop.epochs import Epoch
from .loop.keep import Keep, SafeFiles
from .loop.trainee import VALIDATION, Trainee
from .recipe import Recipe
from .run import Run


def fit(
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    devices: int = 1,
    nodes: int = 1,
    accelerator: str = "auto",
    precision: str = "32",
    tensorboard: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Run:
    """Train a network by a recipe and write the run's folder.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    folder : path-like
        The run's folder; made if missing. An unfinished run of the same recipe in it is resumed, any other is
        replaced.
    devices, nodes : int
        Processes on this machine, and machines, that share each batch (Lightning's DDP; torchrun and SLURM start
        the processes of other machines).
    accelerator : str
        "cpu", "gpu", or "auto" for a GPU if there is one.
    precision : str
        "32", or "bf16" for floating-point networks alone, since bfloat16 rounds integers beyond 256.
    tensorboard : bool
        Whether to write TensorBoard logs too.
    on_epoch : callable, optional
        Called after each epoch.
    on_step : callable, optional
        Called with (steps done, steps in all) after each optimiser step.

    Returns
    -------
    Run
        The finished run, with the parameters of the best epoch on the validation part, or of the last if nothing is
        held out. The test part chooses nothing.

    Raises
    ------
    InputError
        The batch cannot be shared out evenly, the machine does not have the accelerator, the network does not take the
        precision, the task's data cannot be found, there is too little memory, or the folder cannot be made.
    InterruptedRunError
        SIGTERM or Ctrl-C ended it.
    """
    where = checked_where(recipe, devices=devices, nodes=nodes, accelerator=accelerator, precision=precision)
    run = Run(Path(folder))
    files.folder(run.folder)
    with locked(run.folder):
        _train(run, recipe, where, on_epoch, on_step, tensorboard=tensorboard)
    return run


def checked_where(
    recipe: Recipe, *, devices: int, nodes: int, accelerator: str, precision: str
) -> tuple[str, int, int, FloatPrecision]:
    """Return accelerator, devices on a machine, machines and precision of a training, or refuse them; see `fit`."""
    if recipe.batch_size % (devices * nodes):
        raise InputError(f"batch_size = {recipe.batch_size} does not divide by {devices * nodes} processes.")
    return device_type(accelerator, devices), devices, nodes, float_precision(precision, recipe.deployable)


def _train(
    run: Run,
    recipe: Recipe,
    where: tuple[str, int, int, FloatPrecision],
    on_epoch: Callable[[Epoch], None] | None,
    on_step: Callable[[int, int], None] | None,
    *,
    tensorboard: bool,
) -> None:
    """Train in a folder that is locked, where `checked_where` says."""
    accelerator, devices, nodes, precision = where
    task = recipe.load_task()
    gpu = accelerator == "gpu"  # processes on one CPU take of the same memory
    has = torch.cuda.get_device_properties(0).total_memory if gpu else memory.allowed()
    check_memory(recipe, task, has, nodes * (devices if gpu else 1))
    _discard_another(run, recipe)
    torch.manual_seed(recipe.seed)
    trainee = Trainee(recipe, build(recipe, task), task)
    keep = Keep(run, task.objective, on_epoch, on_step, recipe.steps(task))
    best = task.objective.best
    stop = [EarlyStopping(VALIDATION, mode=best, patience=recipe.patience)] if recipe.patience else []
    with _threads(recipe.threads), _quiet():
        trainer = lightning.Trainer(
            max_epochs=recipe.epochs,
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            precision=precision,
            strategy="ddp" if devices * nodes > 1 else "auto",
            callbacks=[*stop, keep],
            logger=_tensorboard(run) if tensorboard else False,
            plugins=[SafeFiles()],
            use_distributed_sampler=False,  # our batches share themselves out
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0 if task.validation is None else 1.0,
        )
        if trainer.is_global_zero:
            run.write_recipe(recipe)
        try:
            trainer.fit(trainee, ckpt_path=str(run.last_path) if run.last_path.is_file() else None)
        except SystemExit:  # how Lightning ends at SIGTERM and at Ctrl-C
            raise InterruptedRunError(
                f"{run.folder}: training was ended by a signal. The same command goes on after the last whole epoch."
            ) from None
        if trainer.is_global_zero:
            _finish(run, trainee.module.cpu(), task, keep)
        trainer.strategy.barrier()


def leads() -> bool:
    """Whether this process is the first of those that train together: the one that writes and speaks."""
    return getattr(rank_zero_only, "rank", 0) == 0


def _discard_another(run: Run, recipe: Recipe) -> None:
    """Remove what another recipe, or a finished run of this one, has left in the folder.

    The result goes first, so that what is left by a kill in between is no finished run. Without a recipe there was no
    run, and a network or an array in the folder is somebody's own.
    """
    held = run.recipe_path.is_file()
    if not run.result_path.is_file() and held and _is_of(run, recipe):
        return
    for path in (run.result_path, run.last_path):
        path.unlink(missing_ok=True)
    for path in (run.net_path, run.model_path, run.task_path, run.log_path) if held else ():
        path.unlink(missing_ok=True)


def _is_of(run: Run, recipe: Recipe) -> bool:
    """Whether a run is one of a recipe; a damaged recipe is none of ours."""
    try:
        return run.recipe() == recipe
    except FileFormatError:
        return False


def _finish(run: Run, module: torch.nn.Module, task: Task, keep: Keep) -> None:
    module = run.load_into(module)
    loss, score, rates, measures = evaluate(module, task.test, task.objective)
    result = {
        "metric": task.objective.metric,
        "test_score": score,
        "test_loss": loss,
        "measures": measures,
        "test_samples": len(task.test.y),
        "firing_rates": [round(rate, 4) for rate in rates],
        "validation_score": keep.best["score"],
        "baseline_loss": task.baseline,
        "epoch": keep.best["epoch"],
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "seconds": round(keep.seconds, 1),
        "versions": {"spikeproof": __version__, "python": platform.python_version()}
        | {"torch": torch.__version__, "numpy": np.__version__},
    }
    run.finish(module, task, result)
    run.last_path.unlink(missing_ok=True)


def _tensorboard(run: Run) -> TensorBoardLogger:
    try:
        return TensorBoardLogger(str(run.folder), name="tensorboard", version="")
    except ModuleNotFoundError:
        raise MissingDependencyError("TensorBoard logs need tensorboard: pip install tensorboard.") from None


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice out of a user's sight: it is on choices that are made here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")  # Lightning's own use of torch
            yield
    finally:
        logger.setLevel(level)

"""Trains a recipe with Lightning.

A run that was ended, by a signal or by the machine, goes on after its last whole epoch and reaches the weights that
it would have reached: the order of samples depends on the seed and the epoch only, and a checkpoint holds the rest.
"""

from __future__ import annotations

import contextlib
import csv
import logging
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from lightning.pytorch.utilities.warnings import PossibleUserWarning

from ... import __version__
from ...contract.errors import InputError, InterruptedRunError, MissingDependencyError
from ...export import memory
from ..blocks import delays
from ..provable import Keeper
from ..tasks import Task
from ..tasks.objectives import Objective
from . import checkpoint as checkpoints
from .batches import FloatPrecision, device_type, float_precision, loader
from .build import build, check_memory
from .divergence import refuse_divergence
from .evaluate import evaluate, watched
from .lock import locked
from .models import Classifier
from .recipe import Recipe
from .run import Run

_EVALUATION_BATCH = 256
_VALIDATION = "validation_score"


class Epoch(NamedTuple):
    """What one pass over the training part gave."""

    epoch: int
    loss: float
    """Mean loss over the pass."""
    train_score: float
    """Mean score on the training part, while training."""
    validation_score: float | None
    """Score on the held-out samples, after the pass; None if none are held out."""
    seconds: float
    """Time since training began, interruptions not counted."""


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
        The batch cannot be shared out evenly, accelerator or precision are not to be had, nor the task's data, or
        there is too little memory.
    InterruptedRunError
        SIGTERM or Ctrl-C ended it.
    """
    if recipe.batch_size % (devices * nodes):
        raise InputError(f"batch_size = {recipe.batch_size} does not divide by {devices * nodes} processes.")
    where = (device_type(accelerator, devices), devices, nodes, float_precision(precision, recipe.deployable))
    run = Run(Path(folder))
    run.folder.mkdir(parents=True, exist_ok=True)
    with locked(run.folder):
        _train(run, recipe, where, on_epoch, on_step, tensorboard=tensorboard)
    return run


def _train(
    run: Run,
    recipe: Recipe,
    where: tuple[str, int, int, FloatPrecision],
    on_epoch: Callable[[Epoch], None] | None,
    on_step: Callable[[int, int], None] | None,
    *,
    tensorboard: bool,
) -> None:
    """Train in a folder that is locked; `where` is accelerator, devices on a machine, machines and precision."""
    accelerator, devices, nodes, precision = where
    task = recipe.load_task()
    gpu = accelerator == "gpu"  # processes on one CPU take of the same memory
    has = torch.cuda.get_device_properties(0).total_memory if gpu else memory.available()
    check_memory(recipe, task, has, nodes * (devices if gpu else 1))
    _discard_another(run, recipe)
    torch.manual_seed(recipe.seed)
    trainee = _Trainee(recipe, build(recipe, task), task)
    keep = _Keep(run, task.objective, on_epoch, on_step, recipe.steps(task))
    best = task.objective.best
    stop = [EarlyStopping(_VALIDATION, mode=best, patience=recipe.patience)] if recipe.patience else []
    with _threads(recipe.threads), _quiet():
        trainer = lightning.Trainer(
            max_epochs=recipe.epochs,
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            precision=precision,
            strategy="ddp" if devices * nodes > 1 else "auto",
            gradient_clip_val=recipe.gradient_clip or None,
            callbacks=[*stop, keep],
            logger=_tensorboard(run) if tensorboard else False,
            plugins=[_SafeFiles()],
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
            _finish(run, recipe, trainee.module.cpu(), task, keep)
        trainer.strategy.barrier()


def leads() -> bool:
    """Whether this process is the first of those that train together: the one that writes and speaks."""
    return getattr(rank_zero_only, "rank", 0) == 0


class _Trainee(lightning.LightningModule):
    """A network, its loss and its optimiser, as Lightning wants them."""

    def __init__(self, recipe: Recipe, module: torch.nn.Module, task: Task) -> None:
        super().__init__()
        self._recipe, self.module, self._task = recipe, module, task
        self._keeper: Keeper | None = None
        part = getattr(recipe, "keep_provable", 0)
        if isinstance(module, Classifier) and part:
            self._keeper = Keeper(module.blocks, task.train.x.shape[-1], part)

    def _evaluate(self, batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = batch
        found = self.module(x)
        return self._task.objective.loss(found, y), self._task.objective.score(found.detach(), y)

    def _note(self, name: str, value: torch.Tensor, count: int) -> None:
        self.log(name, value, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        nothing = contextlib.nullcontext[list[torch.Tensor]]([])
        with watched(self.module) if self._recipe.rate_penalty else nothing as rates:
            loss, score = self._evaluate(batch)
        self._note("loss", loss.detach(), len(batch[1]))
        self._note("train_score", score, len(batch[1]))
        return loss + self._recipe.rate_penalty * torch.stack(rates).mean() if rates else loss

    def on_train_epoch_start(self) -> None:
        delays.narrow(self.module, self.current_epoch / self._recipe.epochs)
        if self._keeper is not None:
            self._keeper.look()

    def on_train_batch_end(self, *_: Any) -> None:
        if self._keeper is not None:
            self._keeper.cut_rows()
            if self.trainer.is_last_batch:  # before the validation, and before weights are kept
                self._keeper.settle()

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        self._note(_VALIDATION, self._evaluate(batch)[1], len(batch[1]))

    def train_dataloader(self) -> Any:
        return loader(self._task.train, self._recipe.batch_size, self._recipe.seed, self.trainer)

    def val_dataloader(self) -> Any:
        held_out = self._task.validation
        return None if held_out is None else loader(held_out, _EVALUATION_BATCH, None, self.trainer)

    def configure_optimizers(self) -> Any:
        recipe = self._recipe
        factors = {"encoding": recipe.te_rate, "delays": getattr(recipe, "delay_rate", 1.0)}
        of: dict[str, list[torch.nn.Parameter]] = {"others": [], "encoding": [], "delays": []}
        for name, parameter in self.module.named_parameters():
            of[next((part for part in factors if part in name), "others")].append(parameter)
        rated = [(part, recipe.learning_rate * factors.get(part, 1.0)) for part in of if of[part] or part == "others"]
        groups: list[dict[str, Any]] = [{"params": of[part], "lr": rate} for part, rate in rated]
        if of["delays"]:
            groups[-1]["weight_decay"] = 0.0  # a short delay is no simpler than a long one
        optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        steps = recipe.steps(self._task)
        schedule: Any
        if recipe.schedule == "one-cycle":
            rates = [group["lr"] for group in groups]
            # Torch divides by the steps of the warm-up less one, so a single one is made a hair shorter.
            warmup = recipe.warmup * (1 - 1e-9 * (recipe.warmup * steps == 1))
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=warmup)
        elif recipe.schedule == "step":
            every = recipe.step_epochs * (steps // recipe.epochs)
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, every, recipe.step_factor)
        else:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Keep(Checkpoint):
    """Writes the log, the last checkpoint and the best parameters, and tells how far training is.

    Lightning calls what is a Checkpoint after all other callbacks, so what is kept has `EarlyStopping`'s count of the
    epoch in it.
    """

    def __init__(
        self,
        run: Run,
        objective: Objective,
        on_epoch: Callable[[Epoch], None] | None,
        on_step: Callable[[int, int], None] | None,
        steps: int,
    ) -> None:
        self._objective = objective
        self._run, self._on_epoch, self._on_step, self._steps = run, on_epoch, on_step, steps
        self.best: dict[str, Any] = {"epoch": 0, "score": None}
        self.seconds = 0.0
        self._started = 0.0
        self._stopped = False

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "seconds": self.seconds, "stopped": self._stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.seconds, self._stopped = state["best"], state["seconds"], state.get("stopped", False)

    def on_train_start(self, trainer: lightning.Trainer, trainee: lightning.LightningModule) -> None:
        self._started = time.monotonic() - self.seconds
        if trainer.is_global_zero:
            _cut_log(self._run.log_path, trainer.current_epoch)
        # A run that was ended after its last epoch, before it was finished, has nothing more to train.
        trainer.should_stop = self._stopped

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if self._on_step is not None and trainer.is_global_zero:
            self._on_step(trainer.global_step, self._steps)

    def on_train_epoch_end(self, trainer: lightning.Trainer, trainee: lightning.LightningModule) -> None:
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        refuse_divergence(trainee, found["loss"], trainer.current_epoch + 1)
        self.seconds = time.monotonic() - self._started
        epoch = Epoch(
            trainer.current_epoch + 1,
            found["loss"],
            found["train_score"],
            found.get(_VALIDATION),
            round(self.seconds, 1),
        )
        chosen = epoch.validation_score
        if chosen is None or self._objective.better(chosen, self.best["score"]):
            self.best = {"epoch": epoch.epoch, "score": chosen}
            if trainer.is_global_zero:
                self._run.write_model(trainee.module)  # type: ignore[arg-type]
        if trainer.is_global_zero:
            _append_log(self._run.log_path, epoch)
        self._stopped = trainer.should_stop
        trainer.save_checkpoint(self._run.last_path)
        if self._on_epoch is not None and trainer.is_global_zero:
            self._on_epoch(epoch)


class _SafeFiles(CheckpointIO):
    """Lightning's checkpoints without a pickle."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        checkpoints.save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        found: dict[str, Any] = checkpoints.load(Path(path))
        return found

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def _discard_another(run: Run, recipe: Recipe) -> None:
    """Remove what another recipe, or a finished run of this one, has left in the folder."""
    if run.result_path.is_file() or not run.recipe_path.is_file() or run.recipe() != recipe:
        for path in (run.result_path, run.last_path):
            path.unlink(missing_ok=True)


def _finish(run: Run, recipe: Recipe, module: torch.nn.Module, task: Task, keep: _Keep) -> None:
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


def _append_log(path: Path, epoch: Epoch) -> None:
    with open(path, "a", newline="") as file:
        csv.writer(file).writerow(["" if value is None else round(value, 6) for value in epoch])


def _cut_log(path: Path, epochs: int) -> None:
    """Start the log, or keep the lines of the epochs that a resumed run has behind it."""
    lines = path.read_text().splitlines()[1 : epochs + 1] if epochs and path.is_file() else []
    path.write_text("\n".join([",".join(Epoch._fields), *lines]) + "\n")


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

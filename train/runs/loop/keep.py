"""What is kept of a run while it trains: the log, the last checkpoint and the best parameters."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO

from ...tasks.objectives import Objective
from ..run import Run
from . import checkpoint as checkpoints
from . import epochs
from .divergence import refuse_divergence
from .epochs import Epoch
from .trainee import VALIDATION, VALIDATION_LOSS


class Keep(Checkpoint):
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
        self.best: dict[str, Any] = {"epoch": 0, "score": None, "loss": None}
        self.seconds = 0.0
        self._started = 0.0
        self._stopped = False

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"best": self.best, "seconds": self.seconds, "stopped": self._stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` gave."""
        self.best, self.seconds, self._stopped = state["best"], state["seconds"], state.get("stopped", False)

    def on_train_start(self, trainer: lightning.Trainer, trainee: lightning.LightningModule) -> None:
        """Begin the log, and the clock."""
        self._started = time.monotonic() - self.seconds
        if trainer.is_global_zero:
            epochs.cut(self._run.log_path, trainer.current_epoch)
        # A run that was ended after its last epoch, before it was finished, has nothing more to train.
        trainer.should_stop = self._stopped

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Tell how far training is."""
        if self._on_step is not None and trainer.is_global_zero:
            self._on_step(trainer.global_step, self._steps)

    def on_train_epoch_end(self, trainer: lightning.Trainer, trainee: Any) -> None:
        """Log the epoch, and keep its parameters if they are the best."""
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        refuse_divergence(trainee.module, found["loss"], trainer.current_epoch + 1)
        self.seconds = time.monotonic() - self._started
        epoch = Epoch(
            trainer.current_epoch + 1,
            found["loss"],
            found["train_score"],
            found.get(VALIDATION),
            found.get(VALIDATION_LOSS),
            statistics.median([norm for norm in trainee.norms if math.isfinite(norm)] or [math.nan]),
            max(trainee.norms, key=_size),
            trainee.skipped,
            round(self.seconds, 1),
        )
        if self._is_best(epoch):
            self.best = {"epoch": epoch.epoch, "score": epoch.validation_score, "loss": epoch.validation_loss}
            if trainer.is_global_zero:
                self._run.write_model(trainee.kept)
        if trainer.is_global_zero:
            epochs.append(self._run.log_path, epoch)
        self._stopped = trainer.should_stop
        trainer.save_checkpoint(self._run.last_path)
        if self._on_epoch is not None and trainer.is_global_zero:
            self._on_epoch(epoch)

    def _is_best(self, epoch: Epoch) -> bool:
        """Whether an epoch is the best one yet: by its score, and of equal scores by its loss."""
        score, loss = epoch.validation_score, epoch.validation_loss
        if score is None or self._objective.better(score, self.best["score"]):
            return True
        than = self.best.get("loss")
        return score == self.best["score"] and loss is not None and than is not None and loss < than


def _size(norm: float) -> float:
    """Order norms, what is no number last."""
    return math.inf if math.isnan(norm) else norm


class SafeFiles(CheckpointIO):
    """Lightning's checkpoints without a pickle."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        checkpoints.save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read one."""
        found: dict[str, Any] = checkpoints.load(Path(path))
        return found

    def remove_checkpoint(self, path: Any) -> None:
        """Remove one."""
        Path(path).unlink(missing_ok=True)

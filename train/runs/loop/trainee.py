"""A network, its loss and its optimiser, as Lightning wants them."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import lightning
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...blocks import delays
from ...provable import Keeper
from ...tasks import Task
from ...tasks.objectives import smoothed
from ..evaluate import watched
from ..models import Classifier
from ..recipe import Recipe
from .batches import loader
from .clip import clip
from .divergence import refuse_step

VALIDATION = "validation_score"
VALIDATION_LOSS = "validation_loss"
_EVALUATION_BATCH = 256


class Trainee(lightning.LightningModule):
    """A network in training.

    Parameters
    ----------
    recipe : Recipe
        How it is trained.
    module : Module
        The network.
    task : Task
        What on.

    Raises
    ------
    InputError
        The recipe smooths labels, and the task has none.
    """

    def __init__(self, recipe: Recipe, module: torch.nn.Module, task: Task) -> None:
        super().__init__()
        self._recipe, self.module, self._task = recipe, module, task
        self._train_loss = smoothed(task.objective, recipe.label_smoothing)
        self._keeper: Keeper | None = None
        self._averaged: AveragedModel | None = None
        self.norms: list[float] = []
        """Of the epoch's gradients before they are clipped."""
        self.skipped = 0
        """Steps of the epoch that were left out, since their gradient was not finite."""
        part = getattr(recipe, "keep_provable", 0)
        if isinstance(module, Classifier) and part:
            self._keeper = Keeper(module.blocks, task.train.x.shape[-1], part)
        if recipe.average:
            self._averaged = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
            self._averaged.requires_grad_(False)  # DDP would wait for gradients

    @property
    def kept(self) -> torch.nn.Module:
        """The network that is validated and kept: the average, if there is one."""
        return self.module if self._averaged is None else self._averaged.module

    def _note(self, name: str, value: torch.Tensor, count: int) -> None:
        self.log(name, value, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        x, y = batch
        seed = ((self._recipe.seed << 8) + self.global_rank << 24) + self.global_step
        if getattr(self._recipe, "dropout", 0):  # so a resumed run draws what an undisturbed one does
            torch.manual_seed(seed)
        x = self._augmented(x, seed)
        nothing = contextlib.nullcontext[list[torch.Tensor]]([])
        with watched(self.module) if self._recipe.rate_penalty else nothing as rates:
            found = self.module(x)
        loss = self._train_loss(found, y)
        self._note("loss", loss.detach(), len(y))
        self._note("train_score", self._task.objective.score(found.detach(), y), len(y))
        return loss + self._recipe.rate_penalty * torch.stack(rates).mean() if rates else loss

    def _augmented(self, x: torch.Tensor, seed: int) -> torch.Tensor:
        recipe, images = self._recipe, self._task.images
        if not recipe.augmented or images is None:
            return x
        return images.views(
            x,
            translate=recipe.augment_translate,
            rotate=recipe.augment_rotate,
            scale=recipe.augment_scale,
            generator=torch.Generator().manual_seed(seed),
        )

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip, and note the norm that there was; Lightning calls it before every step."""
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        norm = clip(parameters, self._recipe.gradient_clip)
        self.norms.append(norm)
        if math.isfinite(norm):
            return
        self.skipped += 1
        if self.skipped > self._recipe.skip_steps:
            refuse_step(norm, self.current_epoch + 1, len(self.norms), self.module)
        optimizer.zero_grad(set_to_none=True)  # an optimiser leaves alone what has no gradient

    def on_train_epoch_start(self) -> None:
        """Begin an epoch: the widths of surrogates, and a look at the ranges."""
        self.norms, self.skipped = [], 0
        done = self.current_epoch / self._recipe.epochs
        delays.narrow(self.module, done)
        self._widen(min(1.0, done / self._recipe.warmup))
        if self._keeper is not None:
            self._keeper.look()

    def _widen(self, part: float) -> None:
        """Set the surrogate's width to where it is after a part of its way."""
        start = getattr(self._recipe, "half_width_start", 0.0)
        if start:
            width = start + part * (self._recipe.half_width - start)  # type: ignore[attr-defined]
            for module in self.module.modules():
                if hasattr(module, "half_width"):
                    module.half_width = width

    def on_train_batch_end(self, *_: Any) -> None:
        """Finish an optimiser step: the average, and the ranges."""
        if self._averaged is not None:
            self._averaged.update_parameters(self.module)
        if self._keeper is not None:
            self._keeper.cut_rows()
            if self.trainer.is_last_batch:  # before the validation, and before weights are kept
                self._keeper.settle()

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Judge the kept network on a held-out batch."""
        x, y = batch
        found, objective = self.kept(x), self._task.objective
        self._note(VALIDATION, objective.score(found, y), len(y))
        self._note(VALIDATION_LOSS, objective.loss(found, y), len(y))

    def train_dataloader(self) -> Any:
        """Return the training part in batches."""
        return loader(self._task.train, self._recipe.batch_size, self._recipe.seed, self.trainer)

    def val_dataloader(self) -> Any:
        """Return the held-out part in batches, or None."""
        held_out = self._task.validation
        return None if held_out is None else loader(held_out, _EVALUATION_BATCH, None, self.trainer)

    def _groups(self) -> list[dict[str, Any]]:
        """Return the parameters by what rate and what decay they have."""
        recipe = self._recipe
        rates = {
            "oscillator_": getattr(recipe, "position_rate", 1.0),  # first: an encoding may hold them
            "encoding": recipe.te_rate,
            "delays": getattr(recipe, "delay_rate", 1.0),
        }
        undecayed = {"oscillator_", "delays"}  # a short delay is no simpler than a long one, nor is a slow oscillator
        if recipe.weight_decay_on == "weights":
            undecayed |= {"encoding", "vectors"}
        of: dict[str, list[torch.nn.Parameter]] = {one: [] for one in ("others", *rates, "vectors")}
        for name, parameter in self.module.named_parameters():
            part = next((part for part in rates if part in name), "others")
            vector = part == "others" and parameter.ndim < 2 and "vectors" in undecayed
            of["vectors" if vector else part].append(parameter)
        groups = []
        for part, parameters in of.items():
            if parameters or part == "others":
                group = {"params": parameters, "lr": recipe.learning_rate * rates.get(part, 1.0)}
                groups.append(group | ({"weight_decay": 0.0} if part in undecayed else {}))
        return groups

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and what its rate does."""
        recipe, groups = self._recipe, self._groups()
        optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=recipe.floating or None)
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

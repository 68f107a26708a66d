"""Batches in an order that depends on the seed and the epoch only, shared out evenly over processes and devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ....contract.errors import InputError
from ...tasks import Split

DEVICES = ("auto", "cpu", "gpu")
"""What may be asked for to train on."""
PRECISIONS = ("32", "bf16")
"""Floats that may be asked for."""
FloatPrecision = Literal["32-true", "bf16-mixed"]
"""What Lightning calls the floats that train."""


class Batches(Sampler[torch.Tensor]):
    """The indices of each batch of one process.

    Parameters
    ----------
    size : int
        Number of samples.
    batch_size : int
        Samples a batch, of all processes together.
    seed : int or None
        Of the order, together with the epoch. None takes samples in order.
    rank, world : int
        Which process of how many. Every process gets equally many samples of a batch; where the last batch does not
        divide, samples from the start of the order fill it up.
    """

    def __init__(self, size: int, batch_size: int, seed: int | None, rank: int = 0, world: int = 1) -> None:
        self._size, self._batch_size, self._seed = size, batch_size, seed
        self._rank, self._world = rank, world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch, counted from 0; Lightning calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-self._size // self._batch_size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        order = torch.arange(self._size)
        if self._seed is not None:
            generator = torch.Generator().manual_seed((self._seed << 20) + self._epoch)
            order = torch.randperm(self._size, generator=generator)
        order = torch.cat([order, order[: -self._size % self._world]])
        for batch in order.split(self._batch_size):
            yield batch[self._rank :: self._world]


class _Rows(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Samples and labels by a batch of indices at once."""

    def __init__(self, split: Split) -> None:
        self._x, self._y = torch.as_tensor(split.x), torch.as_tensor(split.y)

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._x[index], self._y[index]


def loader(split: Split, batch_size: int, seed: int | None, trainer: Any) -> DataLoader[Any]:
    """Return the batches of a Lightning trainer's process."""
    batches = Batches(len(split.y), batch_size, seed, trainer.global_rank, trainer.world_size)
    return DataLoader(_Rows(split), sampler=batches, batch_size=None)


def device_type(asked: str, devices: int) -> str:
    """Return what processes train on, "cpu" or "gpu", for "cpu", "gpu" or "auto".

    Raises
    ------
    InputError
        It is unknown, or this machine has none, or fewer than one a process.
    """
    if asked not in DEVICES:
        raise InputError(f"accelerator = {asked!r} is unknown; use {', '.join(DEVICES)}.")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "gpu" and not gpus:
        raise InputError(
            "accelerator = 'gpu': PyTorch finds no CUDA device. Use cpu or auto, or install its CUDA build."
        )
    if asked != "cpu" and devices > gpus > 0:
        raise InputError(f"devices = {devices}: this machine has {gpus} of them. Use as many, or accelerator = cpu.")
    return "cpu" if asked == "cpu" or not gpus else "gpu"


def float_precision(asked: str, integers: bool) -> FloatPrecision:
    """Return the floats that train, for "32" or "bf16"; `integers` says whether it is a network of integers.

    Raises
    ------
    InputError
        The precision is unknown, or too low.
    """
    if asked not in PRECISIONS:
        raise InputError(f"precision = {asked!r} is unknown; use {' or '.join(PRECISIONS)}.")
    if asked == "bf16" and integers:
        raise InputError(
            "precision = 'bf16': this recipe trains a network of integers, and bfloat16 rounds those beyond 256. Use "
            "32."
        )
    return "bf16-mixed" if asked == "bf16" else "32-true"

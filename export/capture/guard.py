"""Running a user's module without leaving a trace in it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import InputError, SpikeproofError, UnsupportedError
from ..parts.state import at_reset, reset_state
from .leaves import Listener, listening


def plain(x: Any) -> npt.NDArray[Any]:
    """Return an input as a NumPy array: of a torch tensor its values, whatever its layout, device or gradient.

    Raises
    ------
    InputError
        It holds no numbers.
    """
    if isinstance(x, torch.Tensor):
        x = x.detach().to_dense() if x.layout != torch.strided else x.detach()
        x = x.cpu().resolve_conj().resolve_neg()
        x = (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).numpy()
    try:
        array = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"Input is no array of numbers: {error}") from None
    if array.dtype.kind not in "iufb":
        raise InputError(f"Input has dtype {array.dtype}; expected numbers.")
    return array


def tensor(module: nn.Module, x: npt.NDArray[Any]) -> torch.Tensor:
    """Return an input as the module takes it: float32, on its device."""
    parameter = next(module.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    return torch.as_tensor(np.array(x, dtype=np.float32), device=device)


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode at reset in a ``with`` block, and everything back afterwards.

    That is the mode of every submodule, parameters and buffers, what SLAYER's neurons keep, and the state of the random
    generators. What a first forward pass sets up for good, such as the shapes of neurons and delays that are drawn,
    stays.
    """
    modes = [(part, part.training) for part in module.modules()]
    kept = [(value, value.detach().clone()) for value in (*module.parameters(), *module.buffers())]
    drawn = {
        id(part.delay) for part in module.modules() if getattr(part, "init", None) is False and hasattr(part, "delay")
    }
    generators = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 - the user may use it
    try:
        with at_reset(module):
            module.eval()
            with torch.no_grad():
                yield
    finally:
        for part, mode in modes:
            part.training = mode
        for value, before in kept:
            stays = id(value) in drawn or value.shape != before.shape
            if not stays and not torch.equal(value.detach(), before):
                value.data.copy_(before)
        torch.set_rng_state(generators[0])
        np.random.set_state(generators[1])  # noqa: NPY002 - the user may use it
        random.setstate(generators[2])


def run(module: nn.Module, x: torch.Tensor, listener: Listener, *, seed: int = 0) -> Any:
    """Return what a module returns, while `listener` does or stands in for the calls of its leaves.

    Parameters
    ----------
    module : Module
        The network; `undisturbed`.
    x : Tensor
        Its input.
    listener : Listener
        See `spikeproof.export.capture.leaves`.
    seed : int
        Seed of the random generators.

    Raises
    ------
    InputError
        The module does not take this input.
    """
    reset_state(module)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the user may use it
    random.seed(seed)
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedError(
            f"{type(module).__name__}: inside TorchScript nobody sees which blocks are called. Give the module that "
            "was scripted."
        )
    try:
        with listening(listener, module):
            return module(x)
    except SpikeproofError:
        raise
    except Exception as error:
        shape = tuple(x.shape)
        if isinstance(error, TypeError) and "required positional argument" in str(error):
            raise InputError(
                f"{type(module).__name__} takes more than its input: {error}. Wrap it in a module whose forward pass "
                "takes the input alone and holds the rest."
            ) from error
        what = f"{error}" if isinstance(error, RuntimeError | AssertionError) else f"{type(error).__name__}: {error}"
        raise InputError(f"The module does not take input of shape {shape}: {what}") from error


def refuse_autocast() -> None:
    """Refuse to go on while ``torch.autocast`` is on."""
    try:
        on = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
    except TypeError:  # torch before 2.4 asks for each device by another name
        on = torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled()
    if on:
        raise UnsupportedError(
            "torch.autocast is on: in half precision SLAYER's sums round, and those of a chip do not. Leave autocast "
            "for what is to be proven."
        )

"""What a block with a record of its own offers, so that capture, export and proof can use it.

`spikeproof.celif.Dense` and `spikeproof.Readout` are such blocks. A block of your own becomes one by these methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from ...contract.errors import UnsupportedError
from ...contract.net import Input, Layer


@runtime_checkable
class OwnBlock(Protocol):
    """A block that makes its record itself. It is a ``torch.nn.Module`` with a ``synapse``.

    Its forward pass takes spikes, shape (N, inputs, T), or analog input if it comes first, and it returns one tensor.
    """

    def record(self, name: str) -> Layer:
        """Return the integers of the layer, called `name`."""

    def input_record(self) -> Input:
        """Return what the block takes as the first layer of a network."""

    def variables(
        self, x: torch.Tensor, output: torch.Tensor, *, registers: bool = True
    ) -> Mapping[str, npt.NDArray[np.int32]]:
        """Return what the neurons did, as the contract's integers, shape (N, neurons, T).

        Parameters
        ----------
        x : Tensor, shape (N, inputs, T)
            What the block received.
        output : Tensor
            What its forward pass returned.
        registers : bool
            Whether every register is wanted. Without, spikes under ``"s"`` are enough; of neurons that never fire,
            the register ``"v"``, or its last step, shape (N, neurons, 1), if that is all the output depends on.
        """

    def played(self, variables: Mapping[str, npt.NDArray[np.int32]], steps: int) -> torch.Tensor:
        """Return what the forward pass returns if its neurons did `variables` over `steps` steps."""


_METHODS = ("record", "input_record", "variables", "played")


def leaf_role(kind: type[Any]) -> str:
    """Return what a class of this package, or one that inherits from it, is called as: "block", "synapse" or "neuron".

    Other classes give an empty string.
    """
    ours = __package__.partition(".")[0] + "."
    return next(
        (one.__dict__["leaf"] for one in kind.__mro__ if one.__module__.startswith(ours) and "leaf" in vars(one)), ""
    )


def is_own_block(module: Any) -> bool:
    """Whether a module is a block with a record of its own, or a CPG Concat, which belongs to the block behind it."""
    if leaf_role(type(module)) == "block":
        return True
    return hasattr(module, "synapse") and callable(getattr(module, "record", None))


def check(block: Any, name: str) -> None:
    """Refuse a block that makes a record but lacks another method of `OwnBlock`.

    Raises
    ------
    UnsupportedError
        Naming what it lacks.
    """
    lacking = [method for method in _METHODS if not callable(getattr(block, method, None))]
    if lacking:
        raise UnsupportedError(
            f"layer {name!r}: {type(block).__name__} has record() but not {', '.join(f'{one}()' for one in lacking)}. "
            "Give it every method of spikeproof.export.parts.protocol.OwnBlock, or build it from known blocks."
        )
